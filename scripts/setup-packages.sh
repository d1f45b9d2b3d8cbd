#!/usr/bin/env bash
# What scripts/package.sh needs: cargo-deb, built from source once (about two minutes on two cores), and dpkg.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"

version=3.8.0

apt_need dpkg have dpkg-deb
apt_need binutils have objdump
apt_need gcc have cc
apt_need libc6-dev test -e /usr/include/stdio.h
apt_install
[[ "$(cargo deb --version 2>/dev/null)" != *"$version" ]] || exit 0
say "cargo install cargo-deb $version into $SMEARSCOPE_DEPS/tools (once; minutes)"
# Cargo must not put a tool's objects into the project's target folder.
env -u CARGO_TARGET_DIR cargo install cargo-deb --version "$version" --locked --quiet --root "$SMEARSCOPE_DEPS/tools"
