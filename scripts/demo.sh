#!/usr/bin/env bash
# make demo: builds the board's part and runs its demo, with the page on http://127.0.0.1:8787 until Ctrl-C.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-board.sh
target=${CARGO_TARGET_DIR:-target}
# The trainer and the tests turn on features of shared crates. Where those were built already, building the edge along
# with them reuses every crate; built alone it would compile most of them a second time.
if [[ -x "$target/release/smearscope-train" ]]; then
    cargo build --release --workspace --bins
else
    cargo build --release -p smearscope-edge
fi

arguments=(demo)
[[ -z "${FIELDS:-}" ]] || arguments+=(--fields "$FIELDS")
[[ -z "${FRAMES:-}" ]] || arguments+=(--frames "$FRAMES")
exec "$target/release/smearscope-edge" "${arguments[@]}"
