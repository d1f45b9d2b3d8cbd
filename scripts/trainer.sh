#!/usr/bin/env bash
# make trainer: gets libtorch and builds smearscope-train.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-trainer.sh
cargo build --release -p smearscope-trainer
say "built ${CARGO_TARGET_DIR:-target}/release/smearscope-train"
