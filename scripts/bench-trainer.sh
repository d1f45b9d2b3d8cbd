#!/usr/bin/env bash
# Measures smearscope-train against PyTorch's loops (trainer/bench/pytorch_loop.py) on the same data and machine, and
# prints a table of ratios. Everything is run in turn, several times; medians count.
#
#   scripts/bench-trainer.sh DATA        a folder with one folder of images per class
#
# PYTHON        a Python with torch and torchvision [python3]
# TRAINER       a prebuilt smearscope-train; without it one is built
# DEVICE        cpu or cuda [cuda where PyTorch sees one]
# SIZE, BATCH   side of the input [64]; crops per step [64; the tutorial's loop: 32]
# THREADS       of libtorch and PyTorch on the CPU, and processes that decode [one per core]
# ROUNDS, STEPS how often [3], and steps per measurement [cpu: 4, cuda: 100]
# EPOCHS        of the real run whose GPU load is sampled, and of the frozen one [10]
set -euo pipefail
# shellcheck source=scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

[[ -d "${1:-}" ]] || die "give the data as a folder with one folder of images per class: scripts/bench-trainer.sh DATA"
data="$1"
python="${PYTHON:-python3}"
"$python" -c 'import torch, torchvision' 2>/dev/null ||
    die "$python has no torch and torchvision: set PYTHON to one that has them"

if [[ -n "${TRAINER:-}" ]]; then
    [[ -x "$TRAINER" ]] || die "$TRAINER can't be run: TRAINER must be a smearscope-train"
    # Where it was built there was another libtorch; here PyTorch's own serves both sides.
    libraries="$("$python" -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')"
    trainer() { LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$TRAINER" "$@"; }
else
    (cd "$SMEARSCOPE_ROOT" && scripts/trainer.sh) >&2
    TRAINER="${CARGO_TARGET_DIR:-$SMEARSCOPE_ROOT/target}/release/smearscope-train"
    trainer() { "$TRAINER" "$@"; }
fi

device="${DEVICE:-$("$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')}"
size="${SIZE:-64}"
batch="${BATCH:-64}"
threads="${THREADS:-$(nproc)}"
rounds="${ROUNDS:-3}"
epochs="${EPOCHS:-10}"
if [[ "$device" == cpu ]]; then steps="${STEPS:-4}"; else steps="${STEPS:-100}"; fi
export OMP_NUM_THREADS="$threads" RAYON_NUM_THREADS="$threads"
loop="$SMEARSCOPE_ROOT/trainer/bench/pytorch_loop.py"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# theirs LOOP ARGS...: one line of JSON into the folder of results.
theirs() {
    local name="$1"
    shift
    "$python" "$loop" "$@" "$data" --device "$device" --size "$size" --threads "$threads" >>"$work/$name.jsonl"
}

# real NAME ARGS...: one training run from files to report, timed, and the GPU's load (per cent) sampled beside it.
real() {
    local name="$1" sampler='' start
    shift
    if [[ "$device" != cpu ]]; then
        while printf '%s ' "$(date -u +%FT%T.%N)"; do
            nvidia-smi --id=0 --query-gpu=utilization.gpu --format=csv,noheader,nounits
            sleep 0.2
        done >"$work/$name.busy" &
        sampler=$!
    fi
    start="$(date +%s.%N)"
    NO_COLOR=1 trainer train "$data" --out "$work/$name" --device "$device" --size "$size" --json "$@" \
        >/dev/null 2>"$work/$name.log" || { cat "$work/$name.log" >&2; die "the training run failed"; }
    printf '{"seconds": %s}\n' "$(awk -v start="$start" -v end="$(date +%s.%N)" 'BEGIN { print end - start }')" >"$work/$name.jsonl"
    [[ -z "$sampler" ]] || kill "$sampler"
}

images=$((steps * batch))
for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds" >&2
    trainer bench "$data" --device "$device" --size "$size" --batch "$batch" --steps "$steps" --json >>"$work/ours.jsonl"
    theirs tuned tuned --batch "$batch" --steps "$steps" --images "$images" --workers "$threads" --predecoded
    theirs tutorial tutorial --batch 32 --steps "$steps" --images "$images"
    theirs frozen tutorial --batch 32 --steps 0 --images "$images" --frozen
done
say "real runs" >&2
real whole --epochs "$epochs" --patience "$epochs" --batch "$batch"
real head --recipe tutorial --epochs "$epochs" --patience "$epochs" --weights "$work/whole/best.safetensors"

"$python" "$SMEARSCOPE_ROOT/trainer/bench/table.py" "$work"
