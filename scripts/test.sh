#!/usr/bin/env bash
# make test: gets what is missing, builds, and runs every test there is. Goes on after a failure and counts at the end.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/check.sh
source "$SMEARSCOPE_ROOT/scripts/check.sh"
# shellcheck source=scripts/web.sh
source "$SMEARSCOPE_ROOT/scripts/web.sh"
cd "$SMEARSCOPE_ROOT"

build() {
    # The whole-system tests start our programs as programs, and `cargo test` alone need not build those.
    cargo build --release --workspace --bins && cargo test --release --workspace --no-run
}

web_tests() { (cd "$1" && npm run test --if-present </dev/null); }

everything() {
    checked CHECK setup scripts/setup-tests.sh
    checked CHECK build build
    checked TESTS 'cargo test' cargo test --release --workspace --no-fail-fast
    for folder in $(web_folders); do
        # Why a folder isn't ready was said by the setup.
        web_ready "$folder" || continue
        checked TESTS "$folder tests" web_tests "$folder"
        if [[ -x "$folder/check-dist.sh" ]]; then
            checked CHECK "$folder/dist" "$folder/check-dist.sh"
        fi
    done
    ((CHECKS_FAILED == 0))
}

tallied everything
