"""Writes fixtures/weights/: a handful of small tensors as torch.save and safetensors write them.

    python3 trainer/tools/state_dict_fixture.py     (needs torch and safetensors)

The tests' own writer could share a misunderstanding with the reader; these files can't. The numbers
are those of `value(name, i)` in trainer/tests/weights/forms.rs: (name's length + i) / 8,
which bfloat16 holds exactly.
"""

import collections
import pathlib

import torch

DTYPES = {
    "features.norm0.weight": torch.float32,
    "features.denseblock1.denselayer1.norm.1.bias": torch.float16,
    "module.features.norm5.running_mean": torch.bfloat16,
    "classifier.bias": torch.float64,
}


def values(name, *shape):
    count = int(torch.tensor(shape).prod())
    return ((len(name) + torch.arange(count)) / 8).reshape(shape)


def state_dict():
    state = collections.OrderedDict((n, values(n, 5).to(d)) for n, d in DTYPES.items())
    # Channels last: the same numbers in another order.
    name = "features.conv0.weight"
    state[name] = values(name, 2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
    # Two parts of one storage, and a parameter.
    whole = torch.cat([values("shared.first", 3), values("shared.second", 2)])
    state["shared.first"], state["shared.second"] = whole[:3], whole[3:]
    state["classifier.weight"] = torch.nn.Parameter(values("classifier.weight", 2, 3))
    state["features.norm0.num_batches_tracked"] = torch.tensor(7)
    return state


if __name__ == "__main__":
    from safetensors.torch import save_file

    folder = pathlib.Path(__file__).parent.parent / "fixtures" / "weights"
    folder.mkdir(parents=True, exist_ok=True)
    state = state_dict()
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "zip_protocol4.pth", pickle_protocol=4)
    torch.save(state, folder / "stream.pth", _use_new_zipfile_serialization=False)
    checkpoint = {"epoch": 3, "best": 0.97, "state_dict": state, "args": None}
    torch.save(checkpoint, folder / "checkpoint.pth")
    flat = {n: t.detach().clone().contiguous() for n, t in state.items()}
    save_file(flat, folder / "plain.safetensors")
