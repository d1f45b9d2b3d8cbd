#!/usr/bin/env bash
# promtool, which judges the alert rules and the metrics. Taken out of Debian's package and not installed with it: that would
# start a Prometheus.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"

! have promtool || exit 0
have apt-get || {
    skip "promtool: it comes from a Debian package, and this is no Debian"
    exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "downloading promtool (once; 30 MB)"
download() { (cd "$work" && apt-get -qq download prometheus) >"$work/log" 2>&1 </dev/null; }
if ! download && ! { apt_run update && download; }; then
    tail -n 3 "$work/log" >&2
    skip "promtool: Debian's package prometheus can't be downloaded"
    exit 0
fi
dpkg -x "$work"/prometheus_*.deb "$work/root"
install -D "$work/root/usr/bin/promtool" "$SMEARSCOPE_DEPS/tools/bin/promtool"
