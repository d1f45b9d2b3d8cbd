#!/usr/bin/env bash
# make pictures: makes docs/pictures anew, the README's, of a board that counts drawn fields and of simulated ones beside it, in a
# real Chromium.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-tests.sh
cargo build --release --workspace --bins
folder=$(mktemp -d)
trap 'kill "$board" 2>/dev/null || true; rm -rf "$folder"' EXIT
cat >"$folder/edge.toml" <<'CONFIG'
[device]
id = "kisumu-1"
[source]
kind = "synthetic"
interval_ms = 200
[source.smear]
noise = 0.6
[mqtt]
embedded = true
port = 18830
[http]
listen = "127.0.0.1:18831"
CONFIG
echo "[store]
path = \"$folder/results.sqlite\"" >>"$folder/edge.toml"
"${CARGO_TARGET_DIR:-target}/release/smearscope-edge" run --config "$folder/edge.toml" 2>"$folder/log" &
board=$!
until grep -q "the page is at" "$folder/log"; do
    kill -0 "$board" 2>/dev/null || die "the board has ended: $(tail -n 1 "$folder/log")"
    sleep 0.2
done
node tests/browser/pictures.mjs http://127.0.0.1:18831/ --broker mqtt://127.0.0.1:18830 --timeout 300
