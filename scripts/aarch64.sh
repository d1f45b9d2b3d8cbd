# Sourced: running programs for aarch64 here under qemu's user mode. After env.sh.
# shellcheck shell=bash

# shellcheck disable=SC2034
AARCH64=aarch64-unknown-linux-gnu
# The C library of the oldest Debian that can still be had, and with it Raspberry Pi OS 11's.
AARCH64_ROOT="$SMEARSCOPE_DEPS/aarch64-debian11"
# Where that can't be had: the one of this Debian's cross compiler.
[[ -e "$AARCH64_ROOT/lib/ld-linux-aarch64.so.1" ]] || AARCH64_ROOT=/usr/aarch64-linux-gnu
export QEMU_LD_PREFIX="${QEMU_LD_PREFIX:-$AARCH64_ROOT}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER:-qemu-aarch64}"
