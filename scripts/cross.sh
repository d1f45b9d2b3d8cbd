#!/usr/bin/env bash
# make cross [TARGET=…]: the board's program for another processor, built by `cross` in a container.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

target=${TARGET:-aarch64-unknown-linux-gnu}
grep -q "^\[target\.$target\]" cross.toml || die "cross.toml has no [target.$target]."
have cross || die "make cross needs the tool cross (cargo install cross) and a container engine; cross is missing."
# cross needs the engine's daemon, not only its client.
docker info >/dev/null 2>&1 || podman info >/dev/null 2>&1 ||
    die "make cross needs a running container engine (Docker or Podman); none answers here."

# cross reads Cross.toml by itself, but not a file of our spelling.
CROSS_CONFIG=cross.toml cross build --release --locked -p smearscope-edge --target "$target"
say "built ${CARGO_TARGET_DIR:-target}/$target/release/smearscope-edge"
