#!/usr/bin/env bash
# Measures our engine against ONNX Runtime and against plain tract: the same graph and input, one thread each, a crop at
# a time, by turns. Prints a table of medians and ratios, and how far the logits lie apart; fails where that is more than
# 1e-3. ONNX Runtime is timed around Python's session.run, the others inside smearscope-edge.
#
#   scripts/bench-engine.sh [MODEL.onnx]     [the default model]
#
# EDGE          a prebuilt smearscope-edge; without it one is built
# SIZES, CALLS  sides of the input [64 96 128 224]; turns at each [60]
# LEAST         fails where runtime/ours is less, such as 0.85 [0: never]
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

model="${1:-edge/models/default.onnx}"
[[ -f "$model" ]] || die "there is no model $model"
scripts/setup-python.sh >&2
if [[ -z "${EDGE:-}" ]]; then
    scripts/setup-board.sh >&2
    target="${CARGO_TARGET_DIR:-target}"
    # As in demo.sh: together with the trainer, where that was built already.
    if [[ -x "$target/release/smearscope-train" ]]; then
        cargo build --release --workspace --bins >&2
    else
        cargo build --release -p smearscope-edge >&2
    fi
    EDGE="$target/release/smearscope-edge"
fi
read -ra sizes <<<"${SIZES:-64 96 128 224}"
exec "$SMEARSCOPE_PYTHON" scripts/bench_engine.py "$EDGE" "$model" "${CALLS:-60}" "${sizes[@]}"
