"""Writes fixtures/torchvision.json: what torchvision's DenseNets answer with made-up weights.

    python3 trainer/tools/torchvision_fixture.py     (needs torch and torchvision)

The weights are not stored: both sides draw them from the tensor's name, so that the fixture stays
small. `value(name, i)` below has its twin in trainer/src/densenet_tests.rs.
"""

import hashlib
import json
import pathlib

import numpy as np
import torch
import torchvision


def seed_of(name):
    """First eight bytes of SHA-256, little endian."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")


def uniform(name, count):
    """`count` numbers in -1 to 1: splitmix64 of (hash of the name + index)."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed_of(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0


def made_up(name, shape):
    """Weights with which signals neither vanish nor explode."""
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("running_var"):
        u = 1.0 + 0.5 * u
    elif name.endswith("running_mean") or name.endswith("bias"):
        u = 0.1 * u
    elif len(shape) == 1:
        u = 1.0 + 0.2 * u
    else:
        u = u * (6.0 / np.prod(shape[1:])) ** 0.5
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def answers(architecture):
    net = getattr(torchvision.models, architecture)(weights=None, num_classes=2).eval()
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    net.load_state_dict({k: made_up(k, tuple(v.shape)) for k, v in state.items()}, strict=False)
    listing = "".join(f"{k} {list(v.shape)}\n" for k, v in sorted(state.items()))
    cases = []
    for size in (64, 96):
        pixels = uniform(f"input {size}", 2 * 3 * size * size).astype(np.float32) * 2
        with torch.no_grad():
            logits = net(torch.from_numpy(pixels.reshape(2, 3, size, size)))
        cases.append({"size": size, "logits": logits.flatten().tolist()})
    return {
        "variables": len(state),
        "names_sha256": hashlib.sha256(listing.encode()).hexdigest(),
        "cases": cases,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = ("densenet121", "densenet161", "densenet169", "densenet201")
    fixture = {"torchvision": torchvision.__version__, "models": {n: answers(n) for n in names}}
    path = pathlib.Path(__file__).parent.parent / "fixtures" / "torchvision.json"
    path.write_text(json.dumps(fixture, indent=1) + "\n")
