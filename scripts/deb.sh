#!/usr/bin/env bash
# make deb: the packages of BINARY, or else of a program built here, in the target folder's packages/.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$SMEARSCOPE_ROOT"

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
if [[ -z "${BINARY:-}" ]]; then
    scripts/setup-board.sh
    cargo build --release --locked -p smearscope-edge
    BINARY="$target/release/smearscope-edge"
fi
case "$(od -An -tx2 -j18 -N2 "$BINARY" | tr -d ' ')" in
003e) arch=amd64 ;;
00b7) arch=arm64 ;;
*) die "$BINARY is a program for neither x86-64 nor aarch64." ;;
esac
scripts/package.sh "$BINARY" $arch "$target/packages"
