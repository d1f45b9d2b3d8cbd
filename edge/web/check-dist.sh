#!/bin/sh
# The daemon embeds dist/ so that building it needs no node; this proves that dist/ is what the
# source builds. Exit 0: equal; 1: different; 2: could not tell.
set -eu
cd "$(dirname "$0")"

if ! command -v npm >/dev/null 2>&1; then
    echo "check-dist: npm is missing, so edge/web/dist could not be compared with its source." >&2
    exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -d node_modules ] && ! npm ci --silent >"$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "check-dist: npm ci failed, so edge/web/dist could not be compared with its source." >&2
    exit 2
fi
if ! npx vite build --outDir "$work/dist" --emptyOutDir --logLevel warn >"$work/log" 2>&1; then
    cat "$work/log" >&2
    echo "check-dist: the page does not build, so edge/web/dist could not be compared with it." >&2
    exit 2
fi
if ! diff -rq dist "$work/dist" >&2; then
    echo "check-dist: edge/web/dist is not what its source builds; run 'npm run build' in edge/web and commit the result." >&2
    exit 1
fi
echo "check-dist: edge/web/dist is what its source builds."
