#!/usr/bin/env python3
"""How many reviewed parasites a new site needs: the curve of docs/loop.md.

Labelled fields (YOLO boxes) are halved by their names. The first half is a site whose cells are reviewed, the labels playing the
reviewer; the second half is what the adapted model is judged on. Cells are chosen as a board keeps them ("active"), field by
field in an order drawn anew, or drawn by lot from all cells ("random"), until so many parasites were looked at. With each
choice the base model learns (`train --replay`), is exported, and judges the second half.

Everything is kept in the working folder, and what is there is not done again, so a run that was cut off goes on.
Needs smearscope-edge and smearscope-train (built by `make build trainer`) and nothing but Python.
"""

import argparse
import csv
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

SPECIFICITIES = (0.98, 0.99)
# A slide for the split: neighbouring fields overlap, so whole stretches of them stay together.
FIELDS_PER_SLIDE = 10
# Of the uninfected cells that were reviewed so many are learnt from at most, so that a run takes minutes.
MOST_UNINFECTED = 400
# The second half is judged on all its parasites and so many uninfected cells by lot: 60 of them may be called at 0.98.
JUDGED_UNINFECTED = 3000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path, help="folder with images/ and labels/")
    parser.add_argument("replay", type=Path, help="the data that the base model was taught with")
    parser.add_argument("--base", type=Path, required=True, help="the model to begin with (.onnx)")
    parser.add_argument("--replay-split", type=Path, required=True, help="the split that it was trained on")
    parser.add_argument("--edge", default="smearscope-edge")
    parser.add_argument("--train", default="smearscope-train")
    parser.add_argument("--work", type=Path, required=True, help="working folder")
    parser.add_argument("--parasites", default="20,50,100,all")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--replay-cells", type=int, default=400)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    site = Site(args)
    site.prepare()
    counts = [math.inf if n == "all" else int(n) for n in args.parasites.split(",")]
    results = args.work / "curve.csv"
    done = {(r["choice"], r["parasites"], r["draw"]) for r in rows(results)} if results.exists() else set()
    # Draw by draw, so that one that is cut short has whole draws.
    for draw in range(1, args.draws + 1):
        for count in counts:
            for choice in ("active", "random"):
                name = "all" if count == math.inf else str(count)
                if (choice, name, str(draw)) in done:
                    continue
                begun = time.time()
                row = site.run(choice, count, name, draw)
                row["seconds"] = round(time.time() - begun)
                append(results, row)
                print(json.dumps(row), flush=True)
    table(args.work, rows(results), site.base_row())


class Site:
    def __init__(self, args):
        self.args = args
        self.work = args.work

    def prepare(self):
        """Cells of both halves, as data sets."""
        images = sorted(p.name for p in (self.args.fields / "images").iterdir())
        half = len(images) // 2
        self.missed = {}
        for name, part in (("first", images[:half]), ("second", images[half:])):
            for kind in ("all", "kept"):
                if (name, kind) == ("second", "kept"):
                    continue
                data = self.work / f"{name}-{kind}"
                note = self.work / f"{name}-{kind}.json"
                if not note.exists():
                    export = self.work / "export" / f"{name}-{kind}"
                    missed = self.export(part, export, kind == "kept")
                    shutil.rmtree(data, ignore_errors=True)
                    call([self.args.train, "ingest", export, "--site", "site", "--out", data])
                    note.write_text(json.dumps({"missed": missed}))
                self.missed[name] = json.loads(note.read_text())["missed"]
        self.first = {kind: rows(self.work / f"first-{kind}" / "manifest.csv") for kind in ("all", "kept")}
        self.judged = self.work / "judged"
        if not (self.judged / "manifest.csv").exists():
            second = rows(self.work / "second-all" / "manifest.csv")
            healthy = [r for r in second if r["class"] == "Uninfected"]
            healthy = random.Random(0).sample(healthy, min(JUDGED_UNINFECTED, len(healthy)))
            view(self.work / "second-all", self.judged, healthy + [r for r in second if r["class"] == "Parasitized"])

    def export(self, images, out, choose):
        """Exports stretches of fields as slides; how many labelled parasites were not found."""
        missed = 0
        for start in range(0, len(images), FIELDS_PER_SLIDE):
            some = [self.args.fields / "images" / name for name in images[start : start + FIELDS_PER_SLIDE]]
            slide = f"fields-{start:03}"
            words = [self.args.edge, "analyze", *some, "--model", self.args.base, "--truth", self.args.fields / "labels"]
            words += ["--json", "--export", out / slide, "--slide", slide, "--device", "curve"]
            lines = call(words + (["--choose"] if choose else [])).splitlines()
            summary = json.loads(lines[-1])["summary"]
            for group in (summary, summary["crowded"]):
                for name, score in group["by_class"].items():
                    if name != "red_blood_cell":
                        missed += score["n"] - score["found"]
        return missed

    def choose(self, choice, count, draw):
        """The reviewed cells, in the order in which they are looked at, up to so many parasites."""
        chance = random.Random(f"{choice} {draw}")
        pool = list(self.first["kept" if choice == "active" else "all"])
        if choice == "active":
            # A reviewer sees field after field.
            fields = sorted({r["field"] for r in pool})
            chance.shuffle(fields)
            place = {field: i for i, field in enumerate(fields)}
            pool.sort(key=lambda r: (place[r["field"]], r["id"]))
        else:
            chance.shuffle(pool)
        seen, parasites = [], 0
        for row in pool:
            if parasites >= count:
                break
            seen.append(row)
            parasites += row["class"] == "Parasitized"
        return seen, parasites, chance

    def run(self, choice, count, name, draw):
        reviewed, parasites, chance = self.choose(choice, count, draw)
        infected = [r for r in reviewed if r["class"] == "Parasitized"]
        healthy = [r for r in reviewed if r["class"] == "Uninfected"]
        healthy = chance.sample(healthy, min(MOST_UNINFECTED, len(healthy)))
        folder = self.work / "run"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kind = "kept" if choice == "active" else "all"
        view(self.work / f"first-{kind}", folder / "data", infected + healthy)
        words = [self.args.train, "train", folder / "data", "--out", folder / "run", "--base", self.args.base]
        words += ["--replay", self.args.replay, "--replay-split", self.args.replay_split]
        words += ["--replay-cells", self.args.replay_cells, "--seed", draw, "--val", 0.1, "--test", 0]
        if len({r["group"] for r in infected + healthy}) < 3:
            raise SystemExit("too few slides")
        call(words)
        call([self.args.train, "export", folder / "run", "--out", folder / "model.onnx"])
        row = {"choice": choice, "parasites": name, "draw": draw, "found_parasites": parasites}
        row |= {"reviewed": len(reviewed), "learnt_uninfected": len(healthy)}
        return row | self.judge(folder / "model.onnx", folder / "predictions.csv")

    def base_row(self):
        out = self.work / "base.csv"
        return self.judge(self.args.base, out, again=not out.exists())

    def judge(self, model, out, again=True):
        if again:
            call([self.args.train, "evaluate", model, self.judged, "--predictions", out, "--json"])
        cells = [(r["class"] == "Parasitized", float(r["p_parasitized"])) for r in rows(out)]
        # A parasite whose cell was not found is a miss.
        return {f"at_{s}": round(sensitivity(cells, s, self.missed["second"]), 4) for s in SPECIFICITIES}


def sensitivity(cells, specificity, missed):
    """At the lowest threshold that calls that part of the uninfected cells uninfected."""
    healthy = sorted((p for truth, p in cells if not truth), reverse=True)
    limit = healthy[int((1 - specificity) * len(healthy) + 1e-9)]
    sick = [p for truth, p in cells if truth]
    return sum(p > limit for p in sick) / (len(sick) + missed)


def view(source, out, chosen):
    """A data set of some cells of another one, whose pictures stay where they are."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("Parasitized", "Uninfected"):
        link = out / name
        if not link.exists():
            os.symlink((source / name).resolve(), link)
    chosen = sorted(chosen, key=lambda r: r["id"])
    with open(out / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, chosen[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(chosen)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def append(path, row):
    is_new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, row.keys(), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def call(words):
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)[:200]} …\n{done.stderr[-2000:]}")
    return done.stdout


def table(work, results, base):
    """The table of docs/loop.md: mean over draws, with a 95 % interval of Student's t."""
    t = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
    lines = ["| parasites reviewed | choice | cells reviewed | sensitivity at 0.98 | at 0.99 |", "|---|---|---|---|---|"]
    lines.append(f"| 0 | – | 0 | {base['at_0.98']:.3f} | {base['at_0.99']:.3f} |")
    groups = {}
    for row in results:
        groups.setdefault((row["parasites"], row["choice"]), []).append(row)
    for (count, choice), some in groups.items():
        figures = []
        for s in SPECIFICITIES:
            values = [float(r[f"at_{s}"]) for r in some]
            mean = statistics.mean(values)
            half = t.get(len(values), 2.0) * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
            figures.append(f"{mean:.3f} ({mean - half:.3f} to {min(1, mean + half):.3f})")
        reviewed = statistics.mean(float(r["reviewed"]) for r in some)
        found = statistics.mean(float(r["found_parasites"]) for r in some)
        name = f"all ({found:.0f})" if count == "all" else count
        lines.append(f"| {name} | {choice} | {reviewed:.0f} | {figures[0]} | {figures[1]} |")
    text = "\n".join(lines) + "\n"
    (work / "curve.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
