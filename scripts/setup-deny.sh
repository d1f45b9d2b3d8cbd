#!/usr/bin/env bash
# cargo-deny, built from source once: about two minutes on two cores.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"

version=0.20.2

# One of the user's own is as good, if it is new enough for the settings in deny.toml.
found=$(cargo deny --version 2>/dev/null | sed 's/^cargo-deny //') || found=
if [[ -n "$found" && "$(printf '%s\n' "$version" "$found" | sort --version-sort | head -n 1)" == "$version" ]]; then
    exit 0
fi
apt_need gcc have cc
apt_need libc6-dev test -e /usr/include/stdio.h
apt_install
say "cargo install cargo-deny $version into $SMEARSCOPE_DEPS/tools (once; minutes)"
# Cargo must not put a tool's objects into the project's target folder.
env -u CARGO_TARGET_DIR cargo install cargo-deny --version "$version" --locked --quiet --root "$SMEARSCOPE_DEPS/tools"
