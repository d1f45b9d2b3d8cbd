#!/usr/bin/env bash
# Packs a program that was built elsewhere, and compiles nothing: OUTDIR/smearscope-edge_VERSION_ARCH.deb, and for boards
# without dpkg OUTDIR/smearscope-edge-VERSION-ARCH.tar.gz with the same files and install.sh. What is in them stands in
# edge/Cargo.toml.
#
#   scripts/package.sh BINARY amd64|arm64 OUTDIR
#
# FAST               not empty: packed quickly rather than small
# VERSION            another version than Cargo.toml's (tests of upgrades)
# SOURCE_DATE_EPOCH  the time of all files; by default that of the last commit, so that equal programs make equal packages
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

(($# == 3)) || die "usage: scripts/package.sh BINARY amd64|arm64 OUTDIR"
[[ -f "$1" ]] || die "there is no program $1."
binary=$(realpath "$1")
arch=$2
mkdir -p "$3"
out=$(realpath "$3")
cd "$SMEARSCOPE_ROOT"
case "$arch" in
amd64) target=x86_64-unknown-linux-gnu machine=x86-64 ;;
arm64) target=aarch64-unknown-linux-gnu machine=aarch64 ;;
*) die "packages are made for amd64 and arm64, not $arch." ;;
esac
scripts/setup-packages.sh
# file(1) may be missing; the ELF header's machine is two bytes at 18.
case "$(od -An -tx2 -j18 -N2 "$binary" | tr -d ' ')" in
003e) built=x86-64 ;;
00b7) built=aarch64 ;;
*) built='no known machine' ;;
esac
[[ "$built" == "$machine" ]] || die "$1 is built for $built, not for $machine."
version="${VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)}"
SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}"
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install -D -m 755 "$binary" "$work/target/$target/release/smearscope-edge"
strip_with=$(command -v strip)
[[ "$machine" == "$(uname -m | tr _ -)" ]] || strip_with=$(command -v "${target/unknown-/}-strip" || command -v llvm-strip || true)
# One that is stripped already stays as it is.
[[ -z "$strip_with" ]] || "$strip_with" "$work/target/$target/release/smearscope-edge"

needed=$(objdump -T "$binary" | grep -oE 'GLIBC_[0-9.]+' | sort -Vu | tail -n 1 | sed 's/GLIBC_//')
[[ -n "$needed" ]] || die "$1 says nothing of the C library that it needs."
compressed=(-Zxz)
[[ -z "${FAST:-}" ]] || compressed=(-Zgzip -z1)
deb="$work/smearscope-edge_${version}_$arch.deb"
# What needs a newer C library than releases do is packed once more, with that in its control file.
is_release=$([[ "$(printf '2.27\n%s\n' "$needed" | sort -V | tail -n 1)" == 2.27 ]] && echo yes || echo no)
quick=()
[[ $is_release == yes && -z "${FAST:-}" ]] || quick=(--compress-type gz --compress-system)
CARGO_TARGET_DIR="$work/target" cargo deb --quiet --manifest-path edge/Cargo.toml --no-build --no-strip --no-dbgsym \
    --target "$target" --deb-version "$version" --output "$deb" "${quick[@]}" >/dev/null
dpkg-deb --raw-extract "$deb" "$work/deb"
if [[ $is_release == no ]]; then
    sed -i "s/libc6 (>= 2.27)/libc6 (>= $needed)/" "$work/deb/DEBIAN/control"
    dpkg-deb --root-owner-group "${compressed[@]}" --build "$work/deb" "$deb" >/dev/null
fi
mv "$deb" "$out/"

name="smearscope-edge-$version-$arch"
mkdir "$work/$name"
rm -r "$work/deb/DEBIAN"
mv "$work/deb" "$work/$name/root"
cp packaging/install.sh packaging/uninstall.sh "$work/$name/"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --directory "$work" "$name" |
    gzip --no-name >"$out/$name.tar.gz"
say "packages of $version for $arch (glibc >= $needed) in $out"
