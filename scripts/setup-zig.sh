#!/usr/bin/env bash
# zig and cargo-zigbuild in a Python environment of their own below SMEARSCOPE_DEPS: what building for boards needs besides
# a Rust that has the board's standard library.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
# shellcheck source=scripts/zig.sh
source "$SMEARSCOPE_ROOT/scripts/zig.sh"

"$SMEARSCOPE_ROOT/scripts/setup-board.sh"
apt_need binutils have objdump
apt_need binutils-aarch64-linux-gnu tool_for aarch64-unknown-linux-gnu strip
apt_need python3 have python3
apt_need python3-venv python3 -c 'import ensurepip, venv'
apt_install

[[ "$(cat "$ZIG_VENV/installed" 2>/dev/null)" != "${ZIG_PACKAGES[*]}" ]] || exit 0
say "pip install ${ZIG_PACKAGES[*]} into $ZIG_VENV (once; 100 MB)"
rm -rf "$ZIG_VENV"
mkdir -p "$SMEARSCOPE_DEPS"
python3 -m venv "$ZIG_VENV"
"$ZIG_VENV/bin/python" -m pip install --quiet --disable-pip-version-check "${ZIG_PACKAGES[@]}"
echo "${ZIG_PACKAGES[*]}" >"$ZIG_VENV/installed"
