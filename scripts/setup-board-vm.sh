#!/usr/bin/env bash
# The disk of the virtual machine in which the package is installed: Debian of this machine's release with systemd, udev,
# mosquitto and sshd, from the mirror that apt uses here, and the kernel modules of scripts/setup-vm.sh. A file below
# SMEARSCOPE_DEPS/vm (1.5 GB, of which 300 MB are used); tests write to a layer above it. Where it can't be had that is a
# SKIP and no error.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-vm.sh
vm="$SMEARSCOPE_DEPS/vm"
# Without the camera's machine there is none for boards; it has said why.
[[ -f "$vm/made-from" ]] || exit 0

without() {
    skip "board tests: $*"
    exit 0
}

apt_need mmdebstrap have mmdebstrap
apt_need qemu-utils have qemu-img
apt_need e2fsprogs have mkfs.ext4
apt_need cpio have cpio
# Calls the board in `make deploy`, and makes the keys for it.
apt_need openssh-client have ssh
apt_install || without "no mmdebstrap, or none of the tools beside it, to be had"

packages=(systemd-sysv udev dbus kmod procps mosquitto mosquitto-clients v4l-utils openssh-server sudo)
made_from=$(cat scripts/setup-board-vm.sh tests/vm/board-setup.sh "$vm/made-from" | sha256sum)
[[ "$(cat "$vm/board-made-from" 2>/dev/null)" != "$made_from" ]] || exit 0

# What belongs to users other than oneself on the disk only root can make.
root=()
if ((EUID != 0)); then
    sudo -n true 2>/dev/null || without "their disk can only be made by root: run sudo scripts/setup-board-vm.sh"
    root=(sudo)
fi
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
# shellcheck disable=SC2016  # apt's own names
sources() { apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)' "Created-By: Packages"; }
sources | grep -q " $release main " || without "apt has no Debian $release main here"

work=$(mktemp -d)
trap '"${root[@]}" rm -rf "$work"' EXIT
say "making the disk of the board tests' virtual machine (once; downloads 70 MB)"
sources | sed -nE "s/^([^ ]+) ([^ ]+) (main) .*/deb \1 \2 \3/p" | sort -u >"$work/sources.list"
"${root[@]}" mmdebstrap --quiet --mode=root --variant=minbase --include="$(IFS=, && echo "${packages[*]}")" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$release" "$work/root" "$work/sources.list" >"$work/log" 2>&1 </dev/null || {
    tail -n 5 "$work/log" >&2
    without "no Debian $release can be made here"
}
# Modules as in the initial RAM disk; the real depmod, because modprobe wants its index.
mkdir "$work/initrd"
gzip -dc "$vm/initrd" | (cd "$work/initrd" && cpio --extract --make-directories --quiet 'lib/modules/*')
"${root[@]}" cp -r "$work/initrd/lib/modules" "$work/root/usr/lib/"
"${root[@]}" depmod -b "$work/root" "$(basename "$work"/initrd/lib/modules/*)"
"${root[@]}" install -m 755 tests/vm/board-setup.sh "$work/root/tmp/board-setup.sh"
"${root[@]}" chroot "$work/root" /tmp/board-setup.sh
"${root[@]}" rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* "$work/root/tmp/board-setup.sh"
truncate -s 1500M "$work/disk"
"${root[@]}" mkfs.ext4 -q -F -E lazy_itable_init=0 -d "$work/root" "$work/disk" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    without "mkfs.ext4 can't fill a file system"
}
rm -f "$vm/board-made-from"
cp --sparse=always "$work/disk" "$vm/board.img"
echo "$made_from" >"$vm/board-made-from"
say "the board tests' virtual machine: Debian $release in $vm/board.img"
