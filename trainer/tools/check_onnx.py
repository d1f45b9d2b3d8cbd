"""Runs an exported model in software that is not ours and compares the answers.

    check_onnx.py MODEL INPUTS LOGITS     (needs numpy, onnx, onnxruntime)

INPUTS and LOGITS are raw little-endian f32: prepared crops `[N, 3, S, S]`, and what libtorch
answered. Prints one line of JSON; exit 1 when a logit differs by more than 1e-3.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-3


def main(model_path, inputs_path, logits_path):
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    card = json.loads({p.key: p.value for p in model.metadata_props}["smearscope.card"])
    size, classes = card["input"]["size"], len(card["classes"])
    inputs = np.fromfile(inputs_path, "<f4").reshape(-1, 3, size, size)
    logits = np.fromfile(logits_path, "<f4").reshape(-1, classes)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model_path, options, providers=["CPUExecutionProvider"]
    )
    worst = {}
    for batch in (1, 7):
        answers = [
            session.run(["logits"], {"image": inputs[i : i + batch]})[0]
            for i in range(0, len(inputs), batch)
        ]
        worst[batch] = float(np.abs(np.concatenate(answers) - logits).max())
    opset = model.opset_import[0].version
    names = sum(not init.name.endswith(".f32") for init in model.graph.initializer)
    print(json.dumps({"crops": len(inputs), "opset": opset, "initializers": names, "max_delta": worst}))
    return 0 if max(worst.values()) <= TOLERANCE and opset >= 17 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
