# Sourced by every script here, and by nothing else: the one place where folders and the environment of a
# build are decided. Changing LIBTORCH rebuilds torch-sys' C++ (minutes), so it must never differ between two commands.
# shellcheck shell=bash

SMEARSCOPE_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# What is downloaded or built once and shared by all checkouts: libtorch, the Python for the checks, cargo-deny.
SMEARSCOPE_DEPS="${SMEARSCOPE_DEPS:-$HOME/.cache/smearscope}"
SMEARSCOPE_VENV="$SMEARSCOPE_DEPS/venv"
LIBTORCH_VERSION=2.11.0

# A libtorch of the user's own (LIBTORCH, or the one inside an installed PyTorch) is never overruled.
if [[ -z "${LIBTORCH:-}" && -z "${LIBTORCH_USE_PYTORCH:-}" ]]; then
    export LIBTORCH="$SMEARSCOPE_DEPS/libtorch-$LIBTORCH_VERSION"
fi

# The Python that has onnx, onnxruntime, numpy and pillow; tests that need one run this.
export SMEARSCOPE_PYTHON="${SMEARSCOPE_PYTHON:-$SMEARSCOPE_VENV/bin/python}"

# mosquitto lives in /usr/sbin, which an ordinary user's PATH lacks on Debian.
# Scripts call scripts: added once.
[[ ":$PATH:" == *":$SMEARSCOPE_DEPS/tools/bin:"* ]] || export PATH="$SMEARSCOPE_DEPS/tools/bin:$PATH:/usr/sbin"

# CI clones afresh for each run: without a target folder outside the clone, each run would compile everything again.
if [[ "${CI:-}" == true ]]; then
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$SMEARSCOPE_DEPS/target}"
fi

export SMEARSCOPE_ROOT SMEARSCOPE_DEPS SMEARSCOPE_VENV LIBTORCH_VERSION

say() { printf '== %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Something that could not be checked on this machine. `SKIP: what: why`, at the start of a line, is the form that the
# closing summary counts; a Rust test writes the same line to standard error itself (`eprintln!` would be captured).
skip() { printf 'SKIP: %s\n' "$*" >&2; }

have() { command -v "$1" >/dev/null 2>&1; }
