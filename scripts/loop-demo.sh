#!/usr/bin/env bash
# make loop-demo: a board keeps cells, somebody looks at them, its model learns them and goes back to it. The very test that
# proves it (tests/tests/full_loop.rs), with what each step says; on drawn fields, with a real broker, in some minutes.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-tests.sh
cargo build --release --workspace --bins
exec cargo test --release --workspace --test full_loop -- --nocapture
