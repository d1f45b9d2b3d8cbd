#!/usr/bin/env bash
# Runs the daemon over many fields against a mosquitto of its own and watches its memory: prints the resident set at every
# tenth of the way. Ends with 1 when it was ever over the limit, when its peak in the last tenth is more than 5 % above that
# in the second, or when nothing arrives for a minute.
#
#   scripts/soak.sh FRAMES [FIELDS]     [10000]; FRAMES is a folder of images, shown again and again
#
# EDGE      a prebuilt smearscope-edge; without it one is built
# LIMIT_MB  [150]
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

frames="${1:?give a folder of images}"
fields="${2:-10000}"
# The kernel counts in KiB.
limit_kib=$((${LIMIT_MB:-150} * 1000000 / 1024))
[[ -d "$frames" ]] || die "there is no folder $frames"
((fields >= 100)) || die "$fields fields tell nothing: give at least 100"
frames=$(realpath "$frames")
[[ -z "${EDGE:-}" ]] || EDGE=$(realpath "$EDGE")
cd "$SMEARSCOPE_ROOT"
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
broker=$!
sleep 1
kill -0 "$broker" 2>/dev/null || die "mosquitto doesn't start: $(tail -3 "$work/mosquitto.log")"
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
[store]
path = "$work/results.sqlite"
TOML
RUST_LOG=warn "$EDGE" run --config "$work/edge.toml" 2>"$work/edge.log" &
daemon=$!

memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$daemon/status" 2>/dev/null || true; }
mb() { echo $(($1 * 1024 / 1000000)); }
# The most in each tenth, by samples; over all of the way, by the kernel.
in_tenth=0 second=0 step=1 before=0 seen=$SECONDS
while ((step <= 10)); do
    sleep 0.5
    now=$(memory VmRSS) most=$(memory VmHWM)
    [[ -n "$now" && -n "$most" ]] || die "the daemon ended: $(tail -3 "$work/edge.log")"
    ((now <= in_tenth)) || in_tenth=$now
    arrived=$(wc -l <"$work/arrived")
    ((arrived == before)) || seen=$SECONDS
    before=$arrived
    ((SECONDS - seen < 60)) || die "nothing arrived for a minute after $arrived fields: $(tail -3 "$work/edge.log")"
    if ((arrived >= fields * step / 10)); then
        echo "after $arrived fields: $(mb "$now") MB resident, at most $(mb "$most") MB so far"
        ((step != 2)) || second=$in_tenth
        ((step == 10)) || in_tenth=0
        step=$((step + 1))
    fi
done
((most <= limit_kib)) || die "the daemon took $(mb "$most") MB, more than $(mb "$limit_kib") MB"
((in_tenth <= second + second / 20)) || die "memory grew from $(mb "$second") to $(mb "$in_tenth") MB"
echo "$fields fields: at most $(mb "$most") MB, and no growth"
