#!/usr/bin/env bash
# The virtual machine in which the camera is tested: Debian's kernel with `vivid`, `v4l2loopback` built for that very
# kernel, and an initial RAM disk, below SMEARSCOPE_DEPS/vm (20 MB). The packages are unpacked, not installed: the kernel of
# this machine is left alone. Where something can't be had that is a SKIP and no error.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
cd "$SMEARSCOPE_ROOT"

vm="$SMEARSCOPE_DEPS/vm"
# The machine's disk is this machine's root folder by 9p, so its network card and 9p come with the cameras. Board tests have
# disks (scripts/setup-board-vm.sh).
modules=(vivid v4l2loopback virtio_pci virtio_net 9p 9pnet_virtio virtio_blk ext4 crc32c_generic)

without() {
    skip "camera tests: $*"
    exit 0
}

[[ "$(uname -m)" == x86_64 ]] || without "their virtual machine is an x86-64 one, and this machine is not"

apt_need qemu-system-x86 have qemu-system-x86_64
apt_need seabios test -e /usr/share/seabios/bios.bin
apt_need busybox-static have busybox
apt_need cpio have cpio
apt_need kmod have depmod
# Sets vivid's controls, and judges independently what a device offers.
apt_need v4l-utils have v4l2-ctl
apt_need libelf1 any_file '/usr/lib/x86_64-linux-gnu/libelf.so.1'
apt_install || without "no qemu, or none of the tools beside it, to be had"

# Whatever the result depends on; an unchanged one costs nothing, and no network.
made_from=$(cat scripts/setup-vm.sh tests/vm/init | sha256sum)
[[ "$(cat "$vm/made-from" 2>/dev/null)" != "$made_from" ]] || exit 0

have apt-get || without "their kernel comes from Debian's packages, and this is no Debian"
# depends PACKAGE REGEX: the package that PACKAGE depends on and whose name matches.
depends() { apt-cache depends "$1" 2>/dev/null | sed -nE "s/^ *Depends: ($2)\$/\1/p" | head -n 1; }
image=$(depends linux-image-amd64 'linux-image-[0-9].*')
if [[ -z "$image" ]]; then
    # No package lists yet, perhaps.
    apt_run update >/dev/null 2>&1 || true
    image=$(depends linux-image-amd64 'linux-image-[0-9].*')
fi
[[ -n "$image" ]] || without "there is no package linux-image-amd64 to be had (Debian has it)"
headers="linux-headers-${image#linux-image-}"
packages=("$image" "$headers" "$(depends "$headers" 'linux-headers-.*-common')" "$(depends "$headers" 'linux-kbuild-.*')" v4l2loopback-dkms)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "downloading ${packages[*]} for the camera tests' virtual machine (once; 85 MB)"
mkdir "$work/deb" "$work/root"
(cd "$work/deb" && apt-get -qq download "${packages[@]}") >"$work/log" 2>&1 </dev/null || {
    tail -n 5 "$work/log" >&2
    without "the packages ${packages[*]} can't be downloaded (apt-get update may help)"
}
for package in "$work"/deb/*.deb; do
    dpkg -x "$package" "$work/root"
done
# Debian 13 packs /usr/lib/modules, Debian 12 /lib/modules.
[[ -e "$work/root/lib" ]] || ln -s usr/lib "$work/root/lib"
release=$(basename "$work"/root/lib/modules/*)

say "building v4l2loopback for Linux $release"
# The headers find each other by absolute paths.
sed -i "s|/usr/src/|$work/root/usr/src/|" "$work/root/usr/src/$headers/Makefile"
loopback=$(echo "$work"/root/usr/src/v4l2loopback-*)
make -C "$work/root/usr/src/$headers" M="$loopback" CC=gcc modules >"$work/log" 2>&1 || {
    tail -n 15 "$work/log" >&2
    without "v4l2loopback can't be built for Linux $release"
}
install -D -m 644 "$loopback/v4l2loopback.ko" "$work/root/lib/modules/$release/updates/v4l2loopback.ko"
depmod -b "$work/root" "$release"

# Only the modules named above and what they need.
tree="$work/initrd/lib/modules/$release"
mkdir -p "$work"/initrd/{bin,dev,host,proc,sys} "$tree"
cp "$work/root/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$tree"
modprobe -d "$work/root" -S "$release" --show-depends --all "${modules[@]}" >"$work/needed" 2>"$work/log" ||
    without "$image lacks a module: $(tail -n 1 "$work/log")"
sed -n 's/^insmod \([^ ]*\).*/\1/p' "$work/needed" | sort -u | while read -r file; do
    install -D -m 644 "$file" "$tree/${file##*/modules/"$release"/}"
done
# Packed modules would need a busybox that can unpack them.
find "$tree" -name '*.ko.xz' -exec xz -d {} +
depmod -b "$work/initrd" "$release"
cp "$(command -v busybox)" "$work/initrd/bin/busybox"
install -m 755 tests/vm/init "$work/initrd/init"
(cd "$work/initrd" && find . -print0 | cpio --null --create --format=newc --owner=0:0 --quiet | gzip -1) >"$work/initrd.cpio.gz"

mkdir -p "$vm"
rm -f "$vm/made-from"
mv "$work/root/boot/vmlinuz-$release" "$vm/vmlinuz"
mv "$work/initrd.cpio.gz" "$vm/initrd"
echo "$made_from" >"$vm/made-from"
say "the camera tests' virtual machine: Linux $release in $vm"
