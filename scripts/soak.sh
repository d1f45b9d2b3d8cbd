#!/usr/bin/env bash
# Runs the daemon over many fields against a mosquitto of its own and watches its memory: prints the resident set at every
# tenth of the way. Ends with 1 when it is ever over the limit, or at the end more than 5 % above what it was after the
# first tenth.
#
#   scripts/soak.sh FRAMES [FIELDS]     [10000]; FRAMES is a folder of images, shown again and again
#
# EDGE      a prebuilt smearscope-edge; without it one is built
# LIMIT_MB  [150]
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

frames="${1:?give a folder of images}"
fields="${2:-10000}"
limit_kb=$((${LIMIT_MB:-150} * 1000))
[[ -d "$frames" ]] || die "there is no folder $frames"
frames=$(realpath "$frames")
for program in mosquitto mosquitto_sub; do
    command -v "$program" >/dev/null || die "$program is missing; scripts/setup-tests.sh installs it"
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
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" >"$work/mosquitto.conf"
mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
sleep 1
# A line for each field that arrives, nothing of what is in it.
mosquitto_sub -p "$port" -t 'smearscope/soak/field' -q 1 -F '%l' >"$work/arrived" &
cat >"$work/edge.toml" <<TOML
[device]
id = "soak"
[source]
kind = "replay"
folder = "$frames"
repeat = true
interval_ms = 0
[mqtt]
port = $port
TOML
RUST_LOG=warn "$EDGE" run --config "$work/edge.toml" 2>"$work/edge.log" &
daemon=$!

resident() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status" 2>/dev/null || true; }
most=0 first=0 step=1
while ((step <= 10)); do
    sleep 0.5
    now=$(resident)
    [[ -n "$now" ]] || die "the daemon ended: $(tail -3 "$work/edge.log")"
    ((now <= most)) || most=$now
    arrived=$(wc -l <"$work/arrived")
    if ((arrived >= fields * step / 10)); then
        echo "after $arrived fields: $((now / 1000)) MB resident, at most $((most / 1000)) MB so far"
        ((step > 1)) || first=$now
        step=$((step + 1))
    fi
done
((most <= limit_kb)) || die "the daemon took $((most / 1000)) MB, more than $((limit_kb / 1000)) MB"
((now <= first + first / 20)) || die "memory grew from $((first / 1000)) to $((now / 1000)) MB"
echo "$fields fields: at most $((most / 1000)) MB, and no growth"
