#!/usr/bin/env python3
"""The table of scripts/bench-trainer.sh, from the folder of its results."""

import csv
import json
import re
import statistics
import sys
from pathlib import Path

BUSY_GOAL = 90


def median(folder, name, field):
    lines = (folder / f"{name}.jsonl").read_text().splitlines()
    return statistics.median(json.loads(line)[field] for line in lines)


def row(what, ours, theirs, goal):
    ratio = ours / theirs
    verdict = "" if goal is None else f"{goal:>6g}x  {'reached' if ratio >= goal else 'missed'}"
    print(f"{what:<58}{ours:>9.1f}{theirs:>9.1f}{ratio:>7.2f}x {verdict}")


def frozen_rate(folder):
    """Training crops per second of the whole frozen run: decoding, features, validation and report included."""
    with open(folder / "head" / "split.csv", newline="") as file:
        crops = sum(line["subset"] == "train" for line in csv.DictReader(file))
    with open(folder / "head" / "metrics.csv", newline="") as file:
        epochs = sum(1 for _ in csv.DictReader(file))
    return crops * epochs / median(folder, "head", "seconds")


def busy(folder):
    """Mean load of the GPU in per cent from the first epoch's start to the last one's end."""
    times = [re.match(r"\S+", line)[0].rstrip("Z") for line in (folder / "whole.log").read_text().splitlines()
             if "crops to train on" in line or re.search(r"epoch \d+/\d+:", line)]
    samples = [line.split() for line in (folder / "whole.busy").read_text().splitlines()]
    during = [float(sample[1]) for sample in samples if len(sample) == 2 and times[0] <= sample[0] <= times[-1]]
    return statistics.mean(during) if during else None


def main():
    folder = Path(sys.argv[1])
    first = json.loads((folder / "ours.jsonl").read_text().splitlines()[0])
    on_gpu = first["device"] != "cpu"
    print(f"{first['arch']}, {first['size']} px, on {first['device']}, {first['threads']} threads, ours in "
          f"{first['arithmetic']} with batch {first['batch']}; images/s, medians")
    print(f"{'':<58}{'ours':>9}{'PyTorch':>9}{'ratio':>8} {'goal':>7}")
    step, epoch = (median(folder, "ours", f) for f in ("train_step_per_s", "epoch_images_per_s"))
    row("step, against tuned", step, median(folder, "tuned", "step_images_per_s"), None if on_gpu else 1)
    row("epoch, against tuned, end to end", epoch, median(folder, "tuned", "epoch_images_per_s"), 1.5 if on_gpu else None)
    row("epoch, against tuned, decoded and augmented before", epoch, median(folder, "tuned", "predecoded_images_per_s"), None)
    goal = 20 if on_gpu else 3
    row("epoch, against the tutorial's loop, all learns", epoch, median(folder, "tutorial", "epoch_images_per_s"), goal)
    row("epoch, against the tutorial's loop, frozen (our whole run)", frozen_rate(folder),
        median(folder, "frozen", "epoch_images_per_s"), goal)
    for what in ("decode", "augment", "evaluate"):
        print(f"{'ours, ' + what:<58}{median(folder, 'ours', what + '_per_s'):>9.1f}")
    if on_gpu:
        share = busy(folder)
        if share is None:
            print("GPU busy: no sample fell into the epochs; use more data or EPOCHS")
        else:
            print(f"{'GPU busy during the epochs':<58}{share:>8.0f}%{'':>17}{BUSY_GOAL:>6}%  "
                  f"{'reached' if share >= BUSY_GOAL else 'missed'}")


if __name__ == "__main__":
    main()
