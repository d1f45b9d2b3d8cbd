#!/usr/bin/env bash
# make cross [TARGET=…]: the board's program for another processor and an old C library: by `cross` where it and a
# container engine are, else by zig. Beside the program lies smearscope-edge.stripped, for boards, checked for what it asks
# of them.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/zig.sh
source "$SMEARSCOPE_ROOT/scripts/zig.sh"
cd "$SMEARSCOPE_ROOT"

target=${TARGET:-aarch64-unknown-linux-gnu}
case "$target" in
aarch64-unknown-linux-gnu | x86_64-unknown-linux-gnu) ;;
*) die "boards are aarch64-unknown-linux-gnu or x86_64-unknown-linux-gnu, not $target." ;;
esac
program="${CARGO_TARGET_DIR:-target}/$target/release/smearscope-edge"

# cross needs the engine's daemon, not only its client.
if have cross && { docker info || podman info; } >/dev/null 2>&1; then
    # cross reads Cross.toml by itself, but not a file of our spelling.
    CROSS_CONFIG=cross.toml cross build --release --locked -p smearscope-edge --target "$target"
else
    say "no cross with a running container engine here: building with zig"
    scripts/setup-zig.sh
    rust_for "$target" >/dev/null || scripts/setup-aarch64.sh
    zig_cargo build "$target" --release --locked -p smearscope-edge
fi
strip=$(tool_for "$target" strip) || die "binutils for $target are missing: no strip."
"$strip" -o "$program.stripped" "$program"
scripts/check-binary.sh "$program.stripped"
say "built $program.stripped"
