# Sourced: which folders are npm projects, and whether this machine can work on one.
# shellcheck shell=bash

# Each npm project of the repository, by its path from the root.
web_folders() {
    local folder
    for folder in edge/web tests/browser tests/wire; do
        if [[ -f "$SMEARSCOPE_ROOT/$folder/package-lock.json" ]]; then
            echo "$folder"
        fi
    done
}

# web_engine FOLDER: the oldest Node.js that its package.json accepts, as a number; `engines.node` is `>=NUMBER` in all.
web_engine() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get("engines", {}).get("node", ">=0").removeprefix(">="))' \
        "$SMEARSCOPE_ROOT/$1/package.json"
}

# at_least WANTED FOUND: is version FOUND the same as WANTED, or newer?
at_least() { [[ "$(printf '%s\n' "$1" "$2" | sort --version-sort | head -n 1)" == "$1" ]]; }

# web_ready FOLDER: were its modules installed, from the lock file as it is now?
web_ready() {
    cmp -s "$SMEARSCOPE_ROOT/$1/package-lock.json" "$SMEARSCOPE_ROOT/$1/node_modules/.lock.installed"
}
