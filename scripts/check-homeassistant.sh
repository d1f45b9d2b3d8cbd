#!/usr/bin/env bash
# Checks docs/homeassistant.json with the newest Home Assistant that the Python found here can have (600 MB below
# SMEARSCOPE_DEPS, made on demand). Not a part of `make test`, which keeps that file equal to what the board sends.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

venv="$SMEARSCOPE_DEPS/homeassistant"

# Device discovery came with Home Assistant 2024.12, which wants Python 3.12.
new_enough() { "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; }

find_python() {
    local candidates=(python3.14 python3.13 python3.12 python3) python
    if have pyenv; then
        # Newest first; pyenv's own names run only the version that is chosen just now.
        mapfile -t -O "${#candidates[@]}" candidates < <(printf '%s\n' "$(pyenv root)"/versions/*/bin/python3 | sort -rV)
    fi
    for python in "${candidates[@]}"; do
        if new_enough "$python"; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

if ! "$venv/bin/python" -c 'import homeassistant, paho.mqtt' 2>/dev/null; then
    python="$(find_python)" || {
        skip "Home Assistant's own reading of our discovery: no Python 3.12 or newer here"
        exit 0
    }
    say "installing Home Assistant into $venv (minutes)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    # paho-mqtt is what its MQTT integration would install by itself.
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'homeassistant>=2024.12' 'paho-mqtt>=2,<3'
fi
"$venv/bin/python" "$SMEARSCOPE_ROOT/scripts/check_homeassistant.py" "$SMEARSCOPE_ROOT/docs/homeassistant.json"
