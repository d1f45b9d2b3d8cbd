#!/usr/bin/env bash
# Builds the board's program for aarch64, runs it under qemu's user mode on Debian 11's C library, and holds it against the
# program of this machine: the same cells and labels, the same logits, by ours and by plain tract; its demo, broker and
# all, must deliver. Then the tests of the engine. Prints how many instructions a crop takes there: time under emulation
# says nothing. A cold build takes 10 to 20 minutes.
#
#   scripts/check-aarch64.sh [IMAGE...]     [a drawn field]
#
# CPUS                 processors to emulate [cortex-a57, the Jetson Nano's, cortex-a72, the Raspberry Pi 4's, and max]
# COUNT                no: no instructions are counted
# EDGE, EDGE_AARCH64   prebuilt smearscope-edge for here and for aarch64; without them they are built. The engine's tests
#                      are built anew, and left out where EDGE_AARCH64 is given
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/zig.sh
source "$SMEARSCOPE_ROOT/scripts/zig.sh"
cd "$SMEARSCOPE_ROOT"

[[ "$(uname -m)" != aarch64 ]] || {
    skip "aarch64 under qemu: this machine is an aarch64 itself, its own tests tell more"
    exit 0
}
scripts/setup-aarch64.sh || {
    skip "aarch64 under qemu: no Rust for it or no qemu to be had"
    exit 0
}
# After the setup, which gets the C library that it looks for.
# shellcheck source=scripts/aarch64.sh
source "$SMEARSCOPE_ROOT/scripts/aarch64.sh"
read -ra cpus <<<"${CPUS:-cortex-a57 cortex-a72 max}"
target="${CARGO_TARGET_DIR:-target}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/setup-zig.sh
if [[ -z "${EDGE:-}" ]]; then
    # As in demo.sh: together with the trainer, where that was built already.
    if [[ -x "$target/release/smearscope-train" ]]; then
        cargo build --release --workspace --bins
    else
        cargo build --release -p smearscope-edge
    fi
    EDGE="$target/release/smearscope-edge"
fi
images=("$@")
if ((!${#images[@]})); then
    cargo run --quiet --release -p smearscope-common --example synthetic_field -- "$work/field.png" >/dev/null
    images=("$work/field.png")
fi

# One selection of packages for all that is built: each has features of its own, and tract would be compiled again.
for_aarch64=("$AARCH64" --release --locked -p smearscope-edge -p smearscope-common --features smearscope-common/engine)
tests=
if [[ -z "${EDGE_AARCH64:-}" ]]; then
    zig_cargo build "${for_aarch64[@]}" --bin smearscope-edge --test engine
    EDGE_AARCH64="$target/$AARCH64/release/smearscope-edge"
    tests=yes
fi
"$(tool_for "$AARCH64" strip)" -o "$work/smearscope-edge" "$EDGE_AARCH64"
scripts/check-binary.sh "$work/smearscope-edge"

plugin=()
if [[ "${COUNT:-}" == no ]]; then
    :
elif qemu-aarch64 -h | grep -q '^-plugin'; then
    cc -shared -fPIC -O2 -Wall -Werror -o "$work/qemu_instructions.so" scripts/qemu_instructions.c
    plugin=(--plugin "$work/qemu_instructions.so")
else
    skip "aarch64: instructions per crop: this qemu loads no plugins"
fi
say "under qemu, with the C library in $QEMU_LD_PREFIX"
python3 scripts/check_aarch64.py --here "$EDGE" --there "$EDGE_AARCH64" --cpus "${cpus[@]}" "${plugin[@]}" --images "${images[@]}"
[[ -n "$tests" ]] || exit 0
say "the engine's tests on aarch64"
QEMU_CPU=${cpus[0]} zig_cargo test "${for_aarch64[@]}" --test engine
