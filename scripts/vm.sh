#!/usr/bin/env bash
# Boots the virtual machine in which the camera is tested and gives a shell in it: this machine's files, to be read only,
# under a Debian kernel that can have cameras. `modprobe vivid` makes one; `exit` ends it. See docs/camera-tests.md.
#
#   scripts/vm.sh [FOLDER]     a folder that both can write to, /tmp/smearscope-vm if none is named
#
# ANSWER  not empty: no shell; commands come by standard input, as tests/src/vm.rs gives them
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

shared="${1:-/tmp/smearscope-vm}"
mkdir -p "$shared"
shared=$(realpath "$shared")
if [[ -z "${ANSWER:-}" ]]; then
    "$SMEARSCOPE_ROOT/scripts/setup-vm.sh"
    mode=shell
    serial=(-serial mon:stdio)
else
    mode=answer
    serial=(-serial "file:$shared/console" -serial stdio)
fi
vm="$SMEARSCOPE_DEPS/vm"
[[ -f "$vm/made-from" ]] || die "there is no virtual machine in $vm: scripts/setup-vm.sh makes it, and says why if it can't."
# Emulated, not by KVM: what runs everywhere, in a container as well, is what tests can count on.
exec qemu-system-x86_64 -accel tcg -cpu max -m 768 -nodefaults -display none -no-reboot "${serial[@]}" \
    -kernel "$vm/vmlinuz" -initrd "$vm/initrd" \
    -virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
    -virtfs "local,path=$shared,mount_tag=shared,security_model=none" \
    -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
    -append "console=ttyS0 panic=-1 quiet loglevel=4 edd=off mitigations=off tsc=reliable random.trust_cpu=on \
smearscope_mode=$mode smearscope_shared=$shared smearscope_guest=$SMEARSCOPE_ROOT/tests/vm/guest.sh"
