# Sourced: building for boards with zig as C compiler and linker, which knows each version of glibc. After env.sh.
# shellcheck shell=bash

# The C library of JetPack 4 (Jetson Nano), an Ubuntu 18.04; all newer boards have a newer one.
OLDEST_GLIBC=2.27
# shellcheck disable=SC2034
ZIG_PACKAGES=(ziglang==0.15.2 cargo-zigbuild==0.24.1)
ZIG_VENV="$SMEARSCOPE_DEPS/zig"
# Debian's Rust, where setup-aarch64.sh had to get it.
AARCH64_RUST="$SMEARSCOPE_DEPS/rust-aarch64"

# rust_for TARGET: prints a rustc that has TARGET's standard library; fails if there is none yet.
rust_for() {
    local rustc library
    for rustc in "${RUSTC:-rustc}" "$AARCH64_RUST/rustc"; do
        library=$("$rustc" --print target-libdir --target "$1" 2>/dev/null) || continue
        if compgen -G "$library/libstd-*.rlib" >/dev/null; then
            echo "$rustc"
            return
        fi
    done
    return 1
}

# zig_cargo COMMAND TARGET ARGUMENTS...: cargo COMMAND for TARGET, asking of its C library what OLDEST_GLIBC has.
zig_cargo() {
    local command=$1 target=$2 rustc
    shift 2
    rustc=$(rust_for "$target") || die "no Rust here can build for $target: rustup target add $target, or scripts/setup-aarch64.sh."
    RUSTC=$rustc CARGO_ZIGBUILD_PYTHON_PATH="$ZIG_VENV/bin/python" CARGO_ZIGBUILD_CACHE_DIR="$ZIG_VENV/cache" \
        ZIG_GLOBAL_CACHE_DIR="$ZIG_VENV/cache" \
        "$ZIG_VENV/bin/cargo-zigbuild" "$command" --target "$target.$OLDEST_GLIBC" "$@"
}

# tool_for TARGET NAME: prints the program of binutils (or of LLVM) that understands TARGET's programs.
tool_for() {
    if [[ "$1" == "$(uname -m)"-* ]]; then
        command -v "$2"
    else
        command -v "${1/unknown-/}-$2" || command -v "llvm-$2"
    fi
}
