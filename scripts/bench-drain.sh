#!/usr/bin/env bash
# How fast a store full of results goes to a real mosquitto, and what that costs: fills a store with copies of a field of
# many cells, starts the daemon on it, and says how long all of them took, whether they came in their order, whether status
# and health came before them, and the daemon's processor time for each.
#
#   scripts/bench-drain.sh [RESULTS]     [10000]
#
# EDGE  a prebuilt smearscope-edge; without it one is built
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

results="${1:-10000}"
[[ -z "${EDGE:-}" ]] || EDGE=$(realpath "$EDGE")
cd "$SMEARSCOPE_ROOT"
for program in mosquitto mosquitto_sub; do
    have "$program" || die "$program is missing; scripts/setup-tests.sh installs it"
done
if [[ -z "${EDGE:-}" ]]; then
    scripts/setup-board.sh >&2
    cargo build --release --workspace --bins >&2
    EDGE="${CARGO_TARGET_DIR:-target}/release/smearscope-edge"
fi

work=$(mktemp -d)
# shellcheck disable=SC2046 # one word for each process
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
port=$((20000 + RANDOM % 20000))
# Drawn fields are taken one an hour: the first one at once, which is what the store is filled with.
cat >"$work/edge.toml" <<TOML
[device]
id = "drain"
[source]
kind = "synthetic"
interval_ms = 3600000
[mqtt]
port = $port
[image]
enabled = false
[store]
path = "$work/results.sqlite"
TOML
# In place of the shell that is started for it, so that a signal reaches it.
run() { RUST_LOG="$1" exec "$EDGE" run --config "$work/edge.toml" 2>>"$work/edge.log"; }

touch "$work/edge.log"
# Building may have taken minutes.
SECONDS=0
run info &
daemon=$!
until grep -q 'INFO field 1 ' "$work/edge.log"; do
    kill -0 "$daemon" 2>/dev/null || die "the daemon ended: $(tail -3 "$work/edge.log")"
    ((SECONDS < 60)) || die "no field was analysed: $(tail -3 "$work/edge.log")"
    sleep 0.2
done
# The store belongs to the daemon while it runs.
kill -TERM "$daemon"
wait "$daemon"
say "filling the store with $results copies"
python3 scripts/bench_drain.py "$work/results.sqlite" fill "$results"

printf 'listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 200\n' "$port" >"$work/mosquitto.conf"
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
sleep 1
# One line for each message, with the time at which it came.
mosquitto_sub -V mqttv5 -p "$port" -t 'smearscope/drain/#' -q 1 -F '%U %t %p' >"$work/arrived" &
begin=$(date +%s.%N)
run warn &
daemon=$!
arrived=0
while ((arrived < results)); do
    kill -0 "$daemon" 2>/dev/null || die "the daemon ended: $(tail -3 "$work/edge.log")"
    sleep 0.2
    ((SECONDS < 600)) || die "only $arrived of $results arrived within ten minutes: $(tail -3 "$work/edge.log")"
    arrived=$(grep -c 'drain/field' "$work/arrived" || true)
    # Start and model belong to the first half second of each run: the cost is told without them.
    [[ -n "${base:-}" ]] || ((arrived == 0)) || base="$arrived $(cut -d' ' -f14,15 "/proc/$daemon/stat")"
done
used="$arrived $(cut -d' ' -f14,15 "/proc/$daemon/stat")"
kill -TERM "$daemon"
wait "$daemon"
python3 scripts/bench_drain.py "$work/arrived" tell "$begin" "${base:?}" "$used"
