#!/usr/bin/env bash
# libtorch for the trainer, CPU part only. The one place where PyPI has it is PyTorch's CUDA wheel: of its 530 MB we keep
# what linking and running on a CPU take. A libtorch that the user has set is left alone; on a CUDA machine set
# LIBTORCH=<site-packages>/torch of an installed PyTorch 2.11.0, or LIBTORCH_USE_PYTORCH=1.
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# complete DIR: is DIR a libtorch of the right version? `build-version` is what tch's build checks, too.
complete() {
    local file
    for file in lib/libtorch.so lib/libtorch_cpu.so lib/libc10.so include/torch/csrc/api/include/torch/torch.h; do
        [[ -s "$1/$file" ]] || return 1
    done
    [[ "$(cat "$1/build-version" 2>/dev/null)" == "$LIBTORCH_VERSION" ]]
}

if [[ "${LIBTORCH:-}" != "$SMEARSCOPE_DEPS/libtorch-$LIBTORCH_VERSION" ]]; then
    say "libtorch: yours, by ${LIBTORCH:+LIBTORCH=$LIBTORCH} ${LIBTORCH_USE_PYTORCH:+LIBTORCH_USE_PYTORCH=$LIBTORCH_USE_PYTORCH}"
    exit 0
fi
! complete "$LIBTORCH" || exit 0

if [[ "$(uname -sm)" != "Linux x86_64" ]]; then
    die "no libtorch is known for $(uname -sm): install PyTorch $LIBTORCH_VERSION and set LIBTORCH=<site-packages>/torch, then run this again."
fi
[[ ! -e "$LIBTORCH" ]] || die "$LIBTORCH is there but isn't a complete libtorch $LIBTORCH_VERSION: remove that folder, then run this again."

"$SMEARSCOPE_ROOT/scripts/setup-python.sh" bare
say "fetching libtorch $LIBTORCH_VERSION into $LIBTORCH (once; 540 MB to download, 500 MB kept)"

# Below SMEARSCOPE_DEPS, so that the last step is a rename on one disk and no half-made folder ever has the final name.
mkdir -p "$SMEARSCOPE_DEPS"
work=$(mktemp -d "$SMEARSCOPE_DEPS/.libtorch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/tmp"

# The hashes in the list are what makes this download a known one. The interpreter and platform are named so that
# whatever Python is here gets the same files; nothing of them is ever run by a Python.
TMPDIR="$work/tmp" "$SMEARSCOPE_VENV/bin/python" -m pip download --quiet --disable-pip-version-check --no-cache-dir \
    --no-deps --only-binary=:all: --require-hashes --requirement "$SMEARSCOPE_ROOT/scripts/libtorch.txt" \
    --python-version 3.11 --implementation cp --abi cp311 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
    --dest "$work/wheels"

"$SMEARSCOPE_VENV/bin/python" "$SMEARSCOPE_ROOT/scripts/unpack_libtorch.py" "$work/wheels" "$work/libtorch"
# The wheel's own libtorch.so demands libtorch_cuda.so, which isn't kept; the name is only needed for `-ltorch`.
ln -s libtorch_cpu.so "$work/libtorch/lib/libtorch.so"
printf '%s' "$LIBTORCH_VERSION" >"$work/libtorch/build-version"

complete "$work/libtorch" || die "the libtorch wheels don't hold what they should; nothing was installed."
# mktemp's folders are private; a cache shared between users is not.
chmod 755 "$work/libtorch"
mv -T "$work/libtorch" "$LIBTORCH" || complete "$LIBTORCH" || die "could not put libtorch into $LIBTORCH."
say "libtorch $LIBTORCH_VERSION is in $LIBTORCH"
