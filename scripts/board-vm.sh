#!/usr/bin/env bash
# Boots the virtual machine of the board tests: a Debian with systemd, mosquitto, sshd and cameras (`modprobe vivid`), to
# install the package on. Gives its console (root, no password; `poweroff` ends it). See docs/board-tests.md.
#
#   scripts/board-vm.sh [FOLDER]     what both can write to (there: /shared), /tmp/smearscope-board if none is named; its
#                                    disk lies there, and is the same the next time
#
# ANSWER    not empty: no console; commands come by standard input, as tests/src/vm.rs gives them
# DISK      ro: nothing can be written to but /dev/vdb, an empty ext4 file system
# SSH_PORT  a port of 127.0.0.1 that leads to its sshd
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

shared="${1:-/tmp/smearscope-board}"
mkdir -p "$shared"
shared=$(realpath "$shared")
if [[ -z "${ANSWER:-}" ]]; then
    "$SMEARSCOPE_ROOT/scripts/setup-board-vm.sh"
    serial=(-serial mon:stdio)
else
    serial=(-serial "file:$shared/console" -serial stdio)
fi
vm="$SMEARSCOPE_DEPS/vm"
[[ -f "$vm/board-made-from" ]] || die "there is no disk in $vm: scripts/setup-board-vm.sh makes it, and says why if it can't."
[[ -f "$shared/disk" ]] || qemu-img create -q -f qcow2 -F raw -b "$vm/board.img" "$shared/disk"
[[ -f "$shared/disk2" ]] || {
    truncate -s 64M "$shared/disk2"
    mkfs.ext4 -q -F "$shared/disk2"
}
cp "$SMEARSCOPE_ROOT/tests/vm/guest.sh" "$shared/guest.sh"
# Emulated, not by KVM, as scripts/vm.sh is. A disk that says "written" has written: qemu's default, and what a power cut
# is about.
exec qemu-system-x86_64 -accel tcg -cpu max -m 1024 -nodefaults -display none -no-reboot "${serial[@]}" \
    -kernel "$vm/vmlinuz" -initrd "$vm/initrd" \
    -drive "file=$shared/disk,format=qcow2,if=virtio" -drive "file=$shared/disk2,format=raw,if=virtio" \
    -virtfs "local,path=$shared,mount_tag=shared,security_model=none" \
    -netdev "user,id=net${SSH_PORT:+,hostfwd=tcp:127.0.0.1:$SSH_PORT-:22}" -device virtio-net-pci,netdev=net,romfile= \
    -append "console=ttyS0 panic=-1 quiet loglevel=4 edd=off mitigations=off tsc=reliable random.trust_cpu=on \
smearscope_mode=board smearscope_disk=${DISK:-rw} systemd.show_status=no"
