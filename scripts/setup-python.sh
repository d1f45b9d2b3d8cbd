#!/usr/bin/env bash
# A Python of our own below SMEARSCOPE_DEPS. `bare`: only pip (enough to fetch libtorch). Otherwise also the packages of
# tests/requirements.txt, which check our ONNX files from outside.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"

requirements="$SMEARSCOPE_ROOT/tests/requirements.txt"

# The test is that it runs: a Python update can leave a venv's links dangling.
if ! "$SMEARSCOPE_VENV/bin/python" -c 'import pip' 2>/dev/null; then
    apt_need python3 have python3
    # Debian's python3 comes without ensurepip, and then `venv` can't make a pip.
    apt_need python3-venv python3 -c 'import ensurepip, venv'
    apt_install
    say "making a Python environment in $SMEARSCOPE_VENV"
    mkdir -p "$SMEARSCOPE_DEPS"
    rm -rf "$SMEARSCOPE_VENV"
    python3 -m venv "$SMEARSCOPE_VENV"
fi
[[ "${1:-}" != bare ]] || exit 0

# What was installed last is kept in the environment itself, so that an unchanged list costs nothing.
if ! cmp -s "$requirements" "$SMEARSCOPE_VENV/requirements.installed"; then
    say "pip install -r tests/requirements.txt (for the ONNX checks and the example subscriber)"
    "$SMEARSCOPE_VENV/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements"
    cp "$requirements" "$SMEARSCOPE_VENV/requirements.installed"
fi
