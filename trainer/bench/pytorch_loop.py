#!/usr/bin/env python3
"""The loops that smearscope-train is measured against: a DenseNet-121 in PyTorch, as the tutorial trains it and as
somebody who knows PyTorch would. Needs torch and torchvision, nothing else.

Prints one line of JSON: `step_images_per_s` with the batch already on the device (forward, loss, backward, optimizer),
and `epoch_images_per_s` from image files on disk to updated weights. Each is the median over single steps or over
passes.
"""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import sys
import time

import torch
from torchvision import datasets, models, transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loop", choices=["tutorial", "tuned"],
                        help="tutorial: PIL in the loop, no workers, f32; tuned: all cores as workers, bfloat16, channels-last")
    parser.add_argument("data", help="a folder with one folder of images per class")
    parser.add_argument("--size", type=int, default=64, help="side of the input in pixels")
    parser.add_argument("--batch", type=int, help="crops per step [tutorial: 32, tuned: 64]")
    parser.add_argument("--steps", type=int, default=5, help="timed steps with the batch on the device")
    parser.add_argument("--images", type=int, default=0, help="files per timed pass; 0 for none at all")
    parser.add_argument("--passes", type=int, default=1, help="timed passes over the files")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch on a CPU; 0 for torch's own choice")
    parser.add_argument("--workers", type=int, help="processes that decode [tutorial: 0, tuned: one per core]")
    parser.add_argument("--frozen", action="store_true", help="only the head learns, as in the tutorial's first part")
    parser.add_argument("--predecoded", action="store_true",
                        help="tuned only: also time passes over crops that were decoded and augmented before, without loading")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


class Loop:
    """A network with its optimizer, in the manner of one of the two loops."""

    def __init__(self, args):
        self.device = torch.device(args.device)
        self.tuned = args.loop == "tuned"
        self.net = models.densenet121(weights=None)
        if args.frozen:
            self.net.requires_grad_(False)
        self.net.classifier = torch.nn.Linear(self.net.classifier.in_features, 2)
        self.net.to(self.device)
        if self.tuned:
            self.net.to(memory_format=torch.channels_last)
            torch.backends.cudnn.benchmark = True
        # The same rule as smearscope-train's for both; fused is PyTorch's fastest form of it.
        learning = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(learning, lr=1e-3, fused=self.tuned)
        self.loss = torch.nn.CrossEntropyLoss()
        self.net.train()

    def place(self, pixels, labels):
        """Sends a batch to the device."""
        pixels = pixels.to(self.device, non_blocking=True)
        if self.tuned:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return pixels, labels.to(self.device, non_blocking=True)

    def step(self, pixels, labels):
        """Learns from a batch on the device."""
        numbers = torch.autocast(self.device.type, torch.bfloat16) if self.tuned else contextlib.nullcontext()
        with numbers:
            loss = self.loss(self.net(pixels), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        # The tutorial adds up loss.item(), which makes the processor wait; a tuned loop doesn't.
        return loss.detach() if self.tuned else loss.item()

    def clock(self):
        """The time when the device has done all that it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def timed(loop, batches):
    """Images per second over all batches, and how many there were."""
    start, images = loop.clock(), 0
    for pixels, labels in batches:
        loop.step(*loop.place(pixels, labels))
        images += len(labels)
    return images / (loop.clock() - start)


def loader(args, batch, workers):
    views = transforms.Compose([
        transforms.RandomRotation(30),
        transforms.RandomResizedCrop(args.size),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ])
    files = datasets.ImageFolder(args.data, views)
    order = torch.randperm(len(files)).repeat(-(-args.images // len(files)))[:args.images]
    return torch.utils.data.DataLoader(
        torch.utils.data.Subset(files, order.tolist()), batch_size=batch, shuffle=True, num_workers=workers,
        pin_memory=args.loop == "tuned" and args.device.startswith("cuda"), persistent_workers=workers > 0,
        drop_last=True)


def main():
    args = parse()
    if args.predecoded and (args.loop != "tuned" or args.images == 0):
        sys.exit("error: --predecoded goes with the tuned loop and with --images")
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    tuned = args.loop == "tuned"
    batch = args.batch or (64 if tuned else 32)
    cores = len(os.sched_getaffinity(0))
    workers = args.workers if args.workers is not None else (cores if tuned else 0)
    loop = Loop(args)

    result = {
        "loop": args.loop, "device": args.device, "arithmetic": "bf16" if tuned else "f32",
        "threads": torch.get_num_threads(), "workers": workers, "size": args.size, "batch": batch,
        "torch": torch.__version__,
    }
    noise = torch.randn(batch, 3, args.size, args.size), torch.randint(0, 2, (batch,))
    noise = loop.place(*noise)
    for _ in range(2 if args.device == "cpu" else 10):
        loop.step(*noise)
    if args.steps:
        rates = []
        for _ in range(args.steps):
            start = loop.clock()
            loop.step(*noise)
            rates.append(batch / (loop.clock() - start))
        result["step_images_per_s"] = round(statistics.median(rates), 2)
    if args.images:
        batches = loader(args, batch, workers)
        # The first pass starts the workers, which are kept: it doesn't count.
        if workers:
            next(iter(batches))
        rates = [timed(loop, batches) for _ in range(args.passes)]
        result["epoch_images_per_s"] = round(statistics.median(rates), 2)
        if args.predecoded:
            ready = [loop.place(*b) for b in itertools.islice(batches, 8)]
            rates = [timed(loop, ready) for _ in range(args.passes)]
            result["predecoded_images_per_s"] = round(statistics.median(rates), 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
