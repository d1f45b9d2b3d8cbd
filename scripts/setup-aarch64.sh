#!/usr/bin/env bash
# What building for aarch64 and running the result here needs: a Rust with aarch64's standard library, a C compiler, and
# qemu's user mode. Where the Rust at hand lacks that library, Debian's own Rust, which has it, is unpacked below
# SMEARSCOPE_DEPS; rustup is left alone. Fails, with one sentence, where something can't be had.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
# shellcheck source=scripts/aarch64.sh
source "$SMEARSCOPE_ROOT/scripts/aarch64.sh"
cd "$SMEARSCOPE_ROOT"

apt_need gcc-aarch64-linux-gnu have aarch64-linux-gnu-gcc
apt_need libc6-dev-arm64-cross test -e /usr/aarch64-linux-gnu/include/stdio.h
# The one of the two that can load plugins.
apt_need qemu-user have qemu-aarch64
# For the plugin that counts instructions.
apt_need gcc have cc
apt_need libc6-dev test -e /usr/include/stdio.h
apt_need python3 have python3
apt_install

! aarch64_rust >/dev/null || exit 0
have apt-get || die "this Rust can't build for aarch64, and this is no Debian: install its standard library for aarch64-unknown-linux-gnu."

packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
mkdir -p "$packages"/{state/lists/partial,cache/archives/partial,deb,root}
# A view on the packages of two architectures, without telling the system's own apt and dpkg of a second one.
cat >"$packages/apt.conf" <<CONFIG
APT::Architectures { "$(dpkg --print-architecture)"; "arm64"; };
Dir::State "$packages/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$packages/cache";
CONFIG
export APT_CONFIG="$packages/apt.conf"
# needed_by PACKAGE REGEX: the package that PACKAGE depends on and whose name matches.
needed_by() { apt-cache depends "$1" | sed -nE "s/^ *Depends: ($2)\$/\1/p" | head -n 1; }

say "downloading Debian's Rust for aarch64 (once; 130 MB)"
{
    apt-get update
    std=$(needed_by libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')
    llvm=$(needed_by "${std:?}" 'libllvm[0-9]+')
    cd "$packages/deb"
    apt-get download rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 "$std" "${llvm:?}"
} >"$packages/log" 2>&1 || {
    tail -n 5 "$packages/log" >&2
    die "could not download Debian's rustc-web and its standard library for arm64."
}
for package in "$packages"/deb/*.deb; do
    dpkg -x "$package" "$packages/root"
done
mkdir -p "$SMEARSCOPE_DEPS"
rm -rf "$AARCH64_RUST"
mv "$packages/root" "$AARCH64_RUST"
# It looks for its libraries where the packages would have put them.
cat >"$AARCH64_RUST/rustc" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu | tr ' ' ':') exec "$root/usr/bin/rustc" "$@"
WRAPPER
chmod +x "$AARCH64_RUST/rustc"
aarch64_rust >/dev/null || die "Debian's Rust, in $AARCH64_RUST, can't build for aarch64."
