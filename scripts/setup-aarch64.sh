#!/usr/bin/env bash
# What building for aarch64 and running the result here needs beside setup-zig.sh: a Rust with aarch64's standard library,
# qemu's user mode, and a C library for it. Where the Rust at hand lacks that library, Debian's own Rust, which has it, is
# unpacked below SMEARSCOPE_DEPS; rustup is left alone. Fails, with one sentence, where something can't be had.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
# shellcheck source=scripts/zig.sh
source "$SMEARSCOPE_ROOT/scripts/zig.sh"
# shellcheck source=scripts/aarch64.sh
source "$SMEARSCOPE_ROOT/scripts/aarch64.sh"
cd "$SMEARSCOPE_ROOT"

# The one of the two that can load plugins.
apt_need qemu-user have qemu-aarch64
# For the plugin that counts instructions.
apt_need gcc have cc
apt_need libc6-dev test -e /usr/include/stdio.h
apt_need python3 have python3
apt_install

# view FOLDER: apt's view on the packages of two architectures, without telling the system's own apt and dpkg of a second
# one. What is in FOLDER/sources.list, if anything, stands for the system's own lists.
view() {
    mkdir -p "$1"/{state/lists/partial,cache/archives/partial,deb}
    cat >"$1/apt.conf" <<CONFIG
APT::Architectures { "$(dpkg --print-architecture)"; "arm64"; };
Dir::State "$1/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$1/cache";
CONFIG
    [[ ! -e "$1/sources.list" ]] ||
        printf 'Dir::Etc::sourcelist "%s";\nDir::Etc::sourceparts "-";\n' "$1/sources.list" >>"$1/apt.conf"
    export APT_CONFIG="$1/apt.conf"
}

# unpack FOLDER ROOT: the packages that were downloaded.
unpack() {
    local package
    for package in "$1"/deb/*.deb; do
        dpkg -x "$package" "$1/root"
    done
    mkdir -p "$SMEARSCOPE_DEPS"
    rm -rf "$2"
    mv "$1/root" "$2"
}

# needed_by PACKAGE REGEX: the package that PACKAGE depends on and whose name matches.
needed_by() { apt-cache depends "$1" | sed -nE "s/^ *Depends: ($2)\$/\1/p" | head -n 1; }

packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT

# Debian 11's C library from the mirror that this Debian uses.
old_libc() {
    local site
    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | awk '/\/debian$/ {site = $0} END {print site}')
    [[ -n "$site" ]] || { echo "apt names no Debian mirror"; return 1; }
    mkdir "$packages/libc"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site bullseye main" >"$packages/libc/sources.list"
    view "$packages/libc"
    apt-get update && cd "$packages/libc/deb" && apt-get download libc6:arm64
}

if [[ ! -e "$SMEARSCOPE_DEPS/aarch64-debian11" ]] && have apt-get; then
    say "downloading Debian 11's C library for aarch64 (once; 10 MB)"
    if (old_libc) >"$packages/log" 2>&1; then
        unpack "$packages/libc" "$SMEARSCOPE_DEPS/aarch64-debian11"
    else
        skip "aarch64 on an old C library: Debian 11's can't be had, this Debian's is used ($(tail -n 1 "$packages/log"))"
    fi
fi
[[ -e "$SMEARSCOPE_DEPS/aarch64-debian11" ]] || {
    apt_need libc6-arm64-cross test -e /usr/aarch64-linux-gnu/lib/libc.so.6
    apt_install
}

! rust_for "$AARCH64" >/dev/null || exit 0
have apt-get || die "this Rust can't build for aarch64, and this is no Debian: install its standard library for $AARCH64."

say "downloading Debian's Rust for aarch64 (once; 130 MB)"
mkdir "$packages/rust"
(
    view "$packages/rust"
    apt-get update
    std=$(needed_by libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')
    llvm=$(needed_by "${std:?}" 'libllvm[0-9]+')
    cd "$packages/rust/deb"
    apt-get download rustc-web libstd-rust-web-dev libstd-rust-web-dev:arm64 "$std" "${llvm:?}"
) >"$packages/log" 2>&1 || {
    tail -n 5 "$packages/log" >&2
    die "could not download Debian's rustc-web and its standard library for arm64."
}
unpack "$packages/rust" "$AARCH64_RUST"
# It looks for its libraries where the packages would have put them.
cat >"$AARCH64_RUST/rustc" <<'WRAPPER'
#!/bin/sh
root=$(dirname "$0")
LD_LIBRARY_PATH=$(echo "$root"/usr/lib/*-linux-gnu | tr ' ' ':') exec "$root/usr/bin/rustc" "$@"
WRAPPER
chmod +x "$AARCH64_RUST/rustc"
rust_for "$AARCH64" >/dev/null || die "Debian's Rust, in $AARCH64_RUST, can't build for aarch64."
