# Sourced: building for aarch64 without a container, and running the result here under qemu's user mode. After env.sh and apt.sh.
# shellcheck shell=bash

AARCH64=aarch64-unknown-linux-gnu
# Debian's Rust, where setup-aarch64.sh had to get it.
AARCH64_RUST="$SMEARSCOPE_DEPS/rust-aarch64"
# Programs of a Debian find their libraries in the cross compiler's folder.
export QEMU_LD_PREFIX="${QEMU_LD_PREFIX:-/usr/aarch64-linux-gnu}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER:-aarch64-linux-gnu-gcc}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER:-qemu-aarch64}"

# aarch64_rust: prints a rustc that has aarch64's standard library; fails if there is none yet.
aarch64_rust() {
    local rustc library
    for rustc in "${RUSTC:-rustc}" "$AARCH64_RUST/rustc"; do
        library=$("$rustc" --print target-libdir --target "$AARCH64" 2>/dev/null) || continue
        if any_file "$library/libstd-*.rlib"; then
            echo "$rustc"
            return
        fi
    done
    return 1
}
