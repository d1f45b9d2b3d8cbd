#!/usr/bin/env bash
# What building the trainer needs: a C++ compiler and libtorch.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
# shellcheck source=scripts/apt.sh
source "$SMEARSCOPE_ROOT/scripts/apt.sh"
cd "$SMEARSCOPE_ROOT"

scripts/setup-board.sh
apt_need g++ have c++
apt_install
scripts/setup-libtorch.sh
