#!/usr/bin/env python3
"""How many reviewed parasites a new site needs: the curve of docs/loop.md.

Labelled fields (YOLO boxes) are halved by their names, or (`--halves stretches`) every other stretch of ten goes to each half,
less a field at each border. The first half is a site whose cells are reviewed, the labels playing the reviewer; the second half
is what the adapted model is judged on. Cells are chosen as a board keeps them ("active"), field by field in an order drawn anew,
or drawn by lot from all cells ("random"), until so many parasites were looked at. With each choice the base model learns
(`train --replay`), is exported, and judges the second half.

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
# Draws of the bootstrap for the intervals.
BOOTSTRAP = 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fields", type=Path, help="folder with images/ and labels/")
    parser.add_argument("replay", type=Path, help="the data that the base model was taught with")
    parser.add_argument("--base", type=Path, required=True, help="the model to begin with (.onnx)")
    parser.add_argument("--replay-split", type=Path, required=True, help="the split that it was trained on")
    parser.add_argument("--edge", default="smearscope-edge")
    parser.add_argument("--train", default="smearscope-train")
    parser.add_argument("--work", type=Path, required=True, help="working folder")
    parser.add_argument("--halves", choices=("names", "stretches"), default="names")
    parser.add_argument("--parasites", default="20,50,100,all")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--replay-cells", type=int, default=400)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    same_settings(args)
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
    summary(site, rows(results))


def same_settings(args):
    """What lies in the working folder was made with these settings."""
    names = ("fields", "replay", "base", "replay_split", "halves", "replay_cells")
    settings = {name: str(getattr(args, name)) for name in names}
    note = args.work / "settings.json"
    if note.exists() and json.loads(note.read_text()) != settings:
        sys.exit(f"{args.work}: holds a curve that was made with other settings ({note}); give --work a folder of its own")
    note.write_text(json.dumps(settings, indent=1) + "\n")


class Site:
    def __init__(self, args):
        self.args = args
        self.work = args.work

    def prepare(self):
        """Cells of both halves, as data sets."""
        halves = self.halves()
        self.missed = {}
        for name, kind in (("first", "all"), ("first", "kept"), ("second", "all")):
            data = self.work / f"{name}-{kind}"
            note = self.work / f"{name}-{kind}.json"
            if not note.exists():
                export = self.work / "export" / f"{name}-{kind}"
                missed = self.export(halves[name], export, kind == "kept")
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

    def halves(self):
        """Each half's stretches of neighbouring fields, by the stretch's name."""
        images = sorted(p.name for p in (self.args.fields / "images").iterdir())
        if self.args.halves == "names":
            half = len(images) // 2
            return {"first": stretches(images[:half]), "second": stretches(images[half:])}
        some = {name: stretch[:-1] for name, stretch in stretches(images).items() if len(stretch) > 1}
        return {
            "first": {name: some[name] for name in list(some)[0::2]},
            "second": {name: some[name] for name in list(some)[1::2]},
        }

    def export(self, slides, out, choose):
        """Exports stretches of fields as slides; how many labelled parasites were not found."""
        missed = 0
        for slide, names in slides.items():
            some = [self.args.fields / "images" / name for name in names]
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
        judged = self.judge(folder / "model.onnx", self.predictions(choice, name, draw))
        return row | {f"at_{s}": round(judged.sensitivity(s), 4) for s in SPECIFICITIES}

    def predictions(self, choice, name, draw):
        return self.work / "predictions" / f"{choice}-{name}-{draw}.csv"

    def base(self):
        out = self.work / "predictions" / "base.csv"
        return self.read(out) if out.exists() else self.judge(self.args.base, out)

    def judge(self, model, out):
        out.parent.mkdir(exist_ok=True)
        call([self.args.train, "evaluate", model, self.judged, "--predictions", out, "--json"])
        return self.read(out)

    def read(self, predictions):
        return Judged(rows(predictions), self.slides(), self.missed["second"])

    def slides(self):
        return {r["file"]: r["group"] for r in rows(self.judged / "manifest.csv")}


class Judged:
    """What one model says of the second half."""

    def __init__(self, predictions, slides, missed):
        cells = [(float(r["p_parasitized"]), r["class"] == "Parasitized", slides[r["file"]]) for r in predictions]
        self.cells = sorted(cells, reverse=True)
        self.healthy, self.sick = ({}, {})
        for _, sick, slide in cells:
            count = self.sick if sick else self.healthy
            count[slide] = count.get(slide, 0) + 1
        # A parasite whose cell was not found is a miss.
        self.found = sum(self.sick.values()) / (sum(self.sick.values()) + missed)

    def sensitivity(self, specificity, times=None):
        """At the lowest threshold that calls that part of the uninfected cells uninfected; `times` that each slide counts."""
        weight = (lambda slide: 1) if times is None else (lambda slide: times.get(slide, 0))
        allowed = (1 - specificity) * sum(n * weight(slide) for slide, n in self.healthy.items()) + 1e-9
        called = 0
        for _, sick, slide in self.cells:
            if sick:
                called += weight(slide)
            else:
                allowed -= weight(slide)
                if allowed < 0:
                    break
        return self.found * called / max(1, sum(n * weight(slide) for slide, n in self.sick.items()))


def stretches(images):
    return {f"fields-{at:03}": images[at : at + FIELDS_PER_SLIDE] for at in range(0, len(images), FIELDS_PER_SLIDE)}


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


def summary(site, results):
    """The table and the curve of docs/loop.md: means over draws, with intervals of 95 %."""
    base = site.base()
    groups = {}
    for row in sorted(results, key=lambda r: math.inf if r["parasites"] == "all" else int(r["parasites"])):
        groups.setdefault((row["parasites"], row["choice"]), []).append(row)
    lines = ["| parasites reviewed | choice | cells reviewed | healthy ones learnt | sensitivity at 0.98 | at 0.99 | gain at 0.98 |"]
    lines.append("|---|---|---|---|---|---|---|")
    figures = [interval([base], s) for s in SPECIFICITIES]
    lines.append(f"| 0 | – | 0 | 0 | {figures[0]} | {figures[1]} | – |")
    means = {"active": [base.sensitivity(0.98)], "random": [base.sensitivity(0.98)]}
    judged = {}
    for key, some in groups.items():
        count, choice = key
        judged[key] = [site.read(site.predictions(choice, count, row["draw"])) for row in some]
        figures = [interval(judged[key], s) for s in SPECIFICITIES] + [interval(judged[key], 0.98, [base])]
        counts = ("reviewed", "learnt_uninfected", "found_parasites")
        reviewed, healthy, found = (statistics.mean(float(r[name]) for r in some) for name in counts)
        name = f"all ({found:.0f})" if count == "all" else count
        lines.append(f"| {name} | {choice} | {reviewed:.0f} | {healthy:.0f} | {' | '.join(figures)} |")
        means[choice].append(statistics.mean(j.sensitivity(0.98) for j in judged[key]))
    lines.append("")
    for count in dict.fromkeys(count for count, _ in groups):
        if (count, "active") in judged and (count, "random") in judged:
            lines.append(f"- {count}: active less random {interval(judged[count, 'active'], 0.98, judged[count, 'random'])}")
    names = ["0"] + list(dict.fromkeys(count for count, _ in groups))
    lines += ["", "```mermaid", "xychart-beta", f"  x-axis \"parasites reviewed\" [{', '.join(names)}]"]
    lines.append('  y-axis "sensitivity at 0.98" 0.7 --> 1')
    lines += [f"  line [{', '.join(f'{value:.3f}' for value in means[choice])}]" for choice in ("active", "random")]
    text = "\n".join(lines + ["```"]) + "\n"
    (site.work / "curve.md").write_text(text)
    print(text)


def interval(some, specificity, against=None):
    """The mean over draws, or its difference to that of others on the same slides, with an interval of 95 % by a bootstrap over
    draws and slides. Of n one less is drawn, without which variances would be too small by one part in n (Rao and Wu, JASA 83
    (1988) 231-241)."""
    chance = random.Random(0)
    slides = sorted(some[0].sick.keys() | some[0].healthy.keys())

    def drawn(pool):
        return chance.choices(pool, k=max(1, len(pool) - 1))

    def mean(judged, times=None):
        return statistics.mean(j.sensitivity(specificity, times) for j in judged)

    values = []
    for _ in range(BOOTSTRAP):
        times = {}
        for slide in drawn(slides):
            times[slide] = times.get(slide, 0) + 1
        value = mean(drawn(some), times)
        values.append(value - (mean(drawn(against), times) if against else 0))
    values.sort()
    low, high = values[round(0.025 * (BOOTSTRAP - 1))], values[round(0.975 * (BOOTSTRAP - 1))]
    middle = mean(some) - (mean(against) if against else 0)
    sign = "+" if against else ""
    return f"{middle:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


if __name__ == "__main__":
    main()
