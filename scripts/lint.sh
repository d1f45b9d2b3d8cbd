#!/usr/bin/env bash
# make lint: formatting, clippy, dependencies, shell scripts, systemd units.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
# shellcheck source=scripts/check.sh
source "$SMEARSCOPE_ROOT/scripts/check.sh"
cd "$SMEARSCOPE_ROOT"

locked=()
# A Cargo.lock that doesn't fit the manifests would silently be another program on each machine.
[[ "${CI:-}" != true ]] || locked=(--locked)

clippy() {
    # Clippy runs the build scripts, and those look for libclang and libtorch.
    scripts/setup-trainer.sh && cargo clippy --release --workspace --all-targets "${locked[@]}" -- -D warnings
}

deny() { scripts/setup-deny.sh && scripts/deny.sh; }

shell() {
    apt_need shellcheck have shellcheck
    apt_install || {
        skip "shellcheck: not to be had"
        return 0
    }
    shellcheck --external-sources scripts/*.sh packaging/*.sh packaging/debian/* tests/vm/*.sh .ci/run
}

everything() {
    checked CHECK 'cargo fmt' cargo fmt --all --check
    checked CHECK 'cargo clippy' clippy
    checked CHECK 'cargo deny' deny
    checked CHECK 'shellcheck' shell
    checked CHECK 'systemd files' scripts/check-systemd.sh
    ((CHECKS_FAILED == 0))
}

tallied everything
