#!/usr/bin/env python3
"""The comparison of scripts/check-aarch64.sh: smearscope-edge of this machine and of aarch64 under qemu's user mode."""

import argparse
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

TOLERANCE = 1e-3
TURNS = 4
# How often a program is loaded to count.
LOADED = 3
# A demo that hangs is ended.
PATIENCE_S = 900


def edge(command, *arguments, cpu=None, stdin=None):
    """What smearscope-edge prints, as one value for each line."""
    environment = os.environ | ({"QEMU_CPU": cpu} if cpu else {})
    done = subprocess.run([*command, *arguments], input=stdin, stdout=subprocess.PIPE, env=environment, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compared_fields(here, there, threshold):
    """Compares the cells of fields; says what is wrong."""
    cells = near = changed = 0
    apart = 0.0
    for ours, theirs in zip(here, there, strict=True):
        if [cell["bbox"] for cell in ours["cells"]] != [cell["bbox"] for cell in theirs["cells"]]:
            yield f"{ours['image']}: {len(ours['cells'])} cells here, {len(theirs['cells'])} there, or they lie elsewhere"
            continue
        for a, b in zip(ours["cells"], theirs["cells"], strict=True):
            cells += 1
            apart = max(apart, abs(a["p_parasitized"] - b["p_parasitized"]))
            if a["label"] != b["label"]:
                # Whoever stands this close to the threshold may fall to either side.
                close = abs(a["p_parasitized"] - threshold) < TOLERANCE
                near, changed = near + close, changed + (not close)
    print(f"  {len(here)} field(s), {cells} cells: {changed} labels differ and {near} at the threshold; p at most {apart:.1e} apart")
    if not cells:
        yield "there are no cells in these fields"
    if changed or apart >= TOLERANCE:
        yield "labels or probabilities differ"


def delivers(command, cpu):
    """Runs the demo until its own broker has acknowledged two fields; says whether it ended well."""
    demo = [*command, "demo", "--fields", "2", "--http", "127.0.0.1:0"]
    environment = os.environ | {"QEMU_CPU": cpu}
    try:
        done = subprocess.run(demo, capture_output=True, env=environment, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return not done.returncode


def counted(log):
    """From the plugin's log: the instructions of each turn."""
    turns, turn = [], 0
    for line in log.read_text().splitlines():
        if line == "written":
            turns.append(turn)
            turn = 0
        else:
            turn += int(line.split()[1])
    return turns


def show_instructions(command, plugin, bench, cpu, folder):
    """Prints the instructions of a crop in ours and in plain tract. The first turn of each program is left out.

    The engine takes the kernels that are fastest while it loads, and under emulation that is much by chance: hence
    several programs, and the least and the most of their medians.
    """
    log = folder / "counted.txt"
    program = [command[0], "-plugin", plugin, "-d", "plugin", "-D", str(log), *command[1:]]
    for name in ("ours", "plain"):
        runs = []
        for _ in range(LOADED):
            edge(program, *bench, cpu=cpu, stdin=f"{name}\n" * (1 + TURNS))
            runs.append(statistics.median(counted(log)[1:]))
        print(f"  {name}: {min(runs) / 1e6:.1f} to {max(runs) / 1e6:.1f} million instructions per crop, loaded {LOADED} times")


def logits(command, bench, cpu=None):
    """The logits of ours and of plain tract."""
    ours, plain = edge(command, *bench, cpu=cpu, stdin="ours\nplain\n")
    return ours["logits"], plain["logits"]


def apart(some, others):
    """The largest difference of a logit."""
    return max(abs(a - b) for a, b in zip(some, others, strict=True))


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--here", required=True)
    words.add_argument("--there", required=True)
    words.add_argument("--cpus", nargs="+", required=True)
    words.add_argument("--plugin")
    words.add_argument("--images", nargs="+", required=True)
    words = words.parse_args()
    here, there = [words.here], ["qemu-aarch64", words.there]
    wrong = []

    (model,) = edge(here, "model", "verify", "--json")
    fields = edge(here, "analyze", "--json", *words.images)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        chance = random.Random(1)
        size = model["input_size"]
        values = [chance.gauss(0, 1) for _ in range(3 * size * size)]
        (folder / "input.f32").write_bytes(struct.pack(f"<{len(values)}f", *values))
        bench = ("bench", "--turns", str(folder / "input.f32"))
        wanted = logits(here, bench)
        for cpu in words.cpus:
            print(f"{cpu}, {model['name']} {model['version']}, {size} px:")
            (verified,) = edge(there, "model", "verify", "--json", cpu=cpu)
            ours, plain = logits(there, bench, cpu)
            largest = max(apart(ours, wanted[0]), apart(plain, wanted[1]), apart(ours, plain))
            print(
                f"  logits apart: {apart(ours, wanted[0]):.1e} ours here and there, {apart(ours, plain):.1e} ours and"
                f" plain there, {apart(plain, wanted[1]):.1e} plain here and there; {verified['self_test_delta']:.1e} in the self-test"
            )
            if largest >= TOLERANCE:
                wrong.append(f"{cpu}: the logits differ")
            analysed = edge(there, "analyze", "--json", *words.images, cpu=cpu)
            wrong += [f"{cpu}: {what}" for what in compared_fields(fields, analysed, model["threshold"])]
            if delivers(there, cpu):
                print("  the demo delivered two fields to its broker")
            else:
                wrong.append(f"{cpu}: the demo failed")
            if words.plugin:
                show_instructions(there, words.plugin, bench, cpu, folder)
    if wrong:
        sys.exit("error: " + "; ".join(wrong))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(f"error: {failed}")
