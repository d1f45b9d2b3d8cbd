"""tally.py LOG STATUS: what a run of our checks came to, its last line being `N passed, N failed, N skipped`.

Reads the closing lines of cargo test, vitest and Node's own runner (TAP), and those of scripts/check.sh. Whatever announced itself as skipped is
listed again, so that nobody takes "not looked at" for "fine". Exits with 1 if anything failed, or nothing was run.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ANSI = re.compile(r"\x1b\[[0-9;]*m")
CARGO = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;")
VITEST = re.compile(r"^\s*Tests\s+(?=\d+ (?:passed|failed|skipped|todo))(.*)")
TAP = re.compile(r"^# (pass|fail|cancelled|skipped|todo) (\d+)$")
CHECK = re.compile(r"^(CHECK|TESTS) (.+): (ok|FAILED) \(\d+ s\)$")
# Not only at the start of a line: the runner may have printed `test name ... ` before.
SKIP = re.compile(r"\bSKIP: (.+)")


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0
    ignored: int = 0
    skips: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, passed: int, failed: int, ignored: int) -> None:
        self.passed += passed
        self.failed += failed
        self.ignored += ignored


def tally(text: str) -> Tally:
    total = Tally()
    failed_before_step = 0
    for line in ANSI.sub("", text).splitlines():
        if match := CARGO.match(line):
            total.add(*map(int, match.groups()))
        elif match := VITEST.match(line):
            counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", match[1])}
            total.add(counts.get("passed", 0), counts.get("failed", 0), counts.get("skipped", 0) + counts.get("todo", 0))
        elif match := TAP.match(line):
            what, number = match[1], int(match[2])
            if what == "pass":
                total.add(number, 0, 0)
            elif what in ("fail", "cancelled"):
                total.add(0, number, 0)
            else:
                total.add(0, 0, number)
        elif match := CHECK.match(line):
            kind, name, outcome = match.groups()
            if outcome == "FAILED":
                total.broken.append(name)
                # Tests that failed without counting a failure (they didn't compile, say) are one failure.
                if kind == "CHECK" or total.failed == failed_before_step:
                    total.failed += 1
            elif kind == "CHECK":
                total.passed += 1
            failed_before_step = total.failed
        elif (match := SKIP.search(line)) and match[1] not in total.skips:
            total.skips.append(match[1])
    return total


def main() -> int:
    text, status = Path(sys.argv[1]).read_text(errors="replace"), int(sys.argv[2])
    total = tally(text)
    if status and not total.failed:
        total.failed = 1
        total.broken.append(f"the run ended with status {status}")
    print("\n== Summary")
    for what in total.skips:
        print(f"  not checked here: {what}")
    if total.ignored:
        print(f"  not run: {total.ignored} tests marked `ignore` or `skip`")
    for what in total.broken:
        print(f"  FAILED: {what}")
    print(f"{total.passed} passed, {total.failed} failed, {len(total.skips) + total.ignored} skipped")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
