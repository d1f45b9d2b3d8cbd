#!/usr/bin/env bash
# The npm modules of the page and of its tests. The page's built form is in git, so only its tests and `make web` need
# this: where there is no Node.js, or too old a one, that is a SKIP and no error.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
# shellcheck source=scripts/web.sh
source "$SMEARSCOPE_ROOT/scripts/web.sh"
cd "$SMEARSCOPE_ROOT"

mapfile -t folders < <(web_folders)
((${#folders[@]})) || exit 0

apt_need nodejs have node
apt_need npm have npm
apt_install || {
    skip "web: no Node.js to be had"
    exit 0
}

for folder in "${folders[@]}"; do
    if ! web_node_suffices "$folder"; then
        skip "$folder: needs Node.js $(web_engine "$folder"), found $(node --version)"
        continue
    fi
    # npm rewrites parts of node_modules at will; the lock file as installed is the only sure sign.
    if ! cmp -s "$folder/package-lock.json" "$folder/node_modules/.lock.installed"; then
        say "npm ci in $folder"
        if (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error </dev/null); then
            cp "$folder/package-lock.json" "$folder/node_modules/.lock.installed"
        else
            skip "$folder: npm ci failed"
        fi
    fi
done
