#!/usr/bin/env bash
# cargo deny by deny.toml: licences, banned crates, sources, and known vulnerabilities where their database can be had.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

# The database is a git repository elsewhere: fetched first and apart, so that "cannot be reached" and "has a finding"
# are never taken for each other.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if GIT_TERMINAL_PROMPT=0 timeout 120 cargo deny --log-level error --all-features --locked fetch db >"$log" 2>&1 </dev/null; then
    cargo deny --all-features --locked check --hide-inclusion-graph advisories bans licenses sources
else
    skip "cargo deny check advisories: the advisory database cannot be fetched ($(grep -m 1 -o "fatal: .*" "$log" || head -n 1 "$log"))"
    cargo deny --all-features --locked check --hide-inclusion-graph bans licenses sources
fi
