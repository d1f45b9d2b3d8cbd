#!/usr/bin/env python3
"""The turns of scripts/bench-engine.sh: EDGE MODEL CALLS SIZE...

ONNX Runtime is timed around Python's session.run, ours and plain tract inside smearscope-edge: some microseconds of
Python are in the former. Ends with 1 where logits lie too far apart, or where LEAST is set and runtime/ours is less.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime

WARM_UP = 8
CARD = "smearscope.card"
# How far our logits may be from the others'.
TOLERANCE = 1e-3


def at_size(path, size):
    """The model's weights at another size of the input: all but the classifier is convolution."""
    model = onnx.load(path)
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = size
    for entry in model.metadata_props:
        if entry.key == CARD:
            card = json.loads(entry.value)
            card["input"]["size"] = size
            entry.value = json.dumps(card)
    return model.SerializeToString()


def runtime(model):
    """ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def turns(edge, model, calls, size, folder):
    """Medians in ms of ONNX Runtime, ours and plain tract, and the largest differences of our logits from both."""
    onnx_file, input_file = folder / f"{size}.onnx", folder / f"{size}.f32"
    model = at_size(model, size)
    onnx_file.write_bytes(model)
    image = numpy.random.default_rng(size).standard_normal((1, 3, size, size), dtype=numpy.float32)
    input_file.write_bytes(image.astype("<f4").tobytes())
    session = runtime(model)
    command = [edge, "bench", "--model", onnx_file, "--turns", input_file]
    times = {"runtime": [], "ours": [], "plain": []}
    logits = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for turn in range(WARM_UP + calls):
            begun = time.perf_counter()
            logits["runtime"] = session.run(None, {"image": image})[0][0]
            took = {"runtime": (time.perf_counter() - begun) * 1e3}
            for name in ("ours", "plain"):
                process.stdin.write(name + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    sys.exit(f"error: {edge} gave no answer at {size} pixels")
                answer = json.loads(line)
                logits[name], took[name] = numpy.array(answer["logits"]), answer["ms"]
            if turn >= WARM_UP:
                for name, ms in took.items():
                    times[name].append(ms)
        process.stdin.close()
    apart = [float(abs(logits["ours"] - logits[other]).max()) for other in ("runtime", "plain")]
    return [statistics.median(times[name]) for name in ("runtime", "ours", "plain")], apart


def main():
    edge, model, calls, *sizes = sys.argv[1:]
    least = float(os.environ.get("LEAST") or 0)
    failures = []
    print(f"ONNX Runtime {onnxruntime.__version__}; medians of {calls} turns in ms, one thread, one crop at a time")
    print("size  runtime    ours   plain  runtime/ours  plain/ours  logits apart: runtime    plain")
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, sizes):
            (theirs, ours, plain), apart = turns(edge, model, int(calls), size, Path(folder))
            print(
                f"{size:>4}{theirs:>9.2f}{ours:>8.2f}{plain:>8.2f}{theirs / ours:>13.2f}x{plain / ours:>11.2f}x"
                f"{apart[0]:>23.1e}{apart[1]:>9.1e}",
                flush=True,
            )
            if not max(apart) <= TOLERANCE:
                failures.append(f"at {size} pixels logits lie {max(apart):.1e} apart, more than {TOLERANCE}")
            if theirs / ours < least:
                failures.append(f"at {size} pixels runtime/ours is {theirs / ours:.2f}, less than {least}")
    if failures:
        sys.exit("error: " + "; ".join(failures))


if __name__ == "__main__":
    main()
