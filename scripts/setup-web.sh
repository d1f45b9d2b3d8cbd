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

# The version of Node.js that is here, or that apt would install; empty if neither.
node_version() {
    if have node && have npm; then
        node -p process.versions.node
    else
        LC_ALL=C apt-cache policy nodejs 2>/dev/null | sed -n 's/^ *Candidate: *\([0-9][0-9.]*\).*/\1/p'
    fi
}

for folder in $(web_folders); do
    # npm rewrites parts of node_modules at will; the lock file as it was when installed is the only sure sign.
    ! web_ready "$folder" || continue
    oldest=$(web_engine "$folder")
    version=$(node_version)
    # npm from Debian is some hundred packages: not installed only to learn that its Node.js is too old.
    if [[ -z "$version" ]] || ! at_least "$oldest" "$version"; then
        skip "$folder: its tests need Node.js $oldest or newer with npm, and there is ${version:-none} to be had"
        continue
    fi
    apt_need nodejs have node
    apt_need npm have npm
    apt_install || {
        skip "$folder: its tests need Node.js, which could not be installed"
        continue
    }
    say "npm ci in $folder"
    if (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error </dev/null); then
        cp "$folder/package-lock.json" "$folder/node_modules/.lock.installed"
    else
        skip "$folder: npm ci failed"
    fi
done
