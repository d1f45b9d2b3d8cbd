# Sourced: which folders are npm projects, and whether this machine can work on one.
# shellcheck shell=bash

# Each npm project of the repository, by its path from the root.
web_folders() {
    local folder
    for folder in edge/web tests/browser; do
        if [[ -f "$SMEARSCOPE_ROOT/$folder/package-lock.json" ]]; then
            echo "$folder"
        fi
    done
}

# web_engine FOLDER: the `engines.node` of its package.json, empty if it has none.
web_engine() {
    node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).engines?.node ?? ""' "$SMEARSCOPE_ROOT/$1/package.json"
}

# web_node_suffices FOLDER: is this Node.js new enough? Only the form `>=MAJOR.MINOR` is understood, and used.
web_node_suffices() {
    node -e '
        const numbers = (text) => (text.match(/\d+/g) ?? []).slice(0, 2).map(Number);
        const [wantMajor = 0, wantMinor = 0] = numbers(process.argv[1]);
        const [major, minor] = numbers(process.versions.node);
        process.exit(major > wantMajor || (major === wantMajor && minor >= wantMinor) ? 0 : 1);
    ' "$(web_engine "$1")"
}

# web_ready FOLDER: were its modules installed, from the lock file as it is now?
web_ready() {
    cmp -s "$SMEARSCOPE_ROOT/$1/package-lock.json" "$SMEARSCOPE_ROOT/$1/node_modules/.lock.installed"
}
