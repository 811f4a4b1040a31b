"""The coverage table of tests/coverage: lines and branches per layer, beside what each must reach.

usage: coverage_table.py BUILD                  the table; exit code 1 when something is below its goal
       coverage_table.py BUILD --files [PATH]   one line per file under PATH, worst first
       coverage_table.py BUILD --holes PATH     what never ran or never went the other way in the files under PATH, with the source

What counts is said at the head of tests/coverage.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The goals of lines and branches in per cent; the first that fits a file or a layer is its goal.
EXACT = ["lib/loop/lifecycle.c", "lib/wire/envelope.c", "broker/dispatch.c", "lib/log"]
GOALS = [("lib/log", 100, 100), ("lib/", 90, 90), ("broker", 80, 80), ("agent", 80, 80)]
GCOV_AT_ONCE = 40


def lines_of_asserts(text):
    """The numbers of all lines of `assert(...)` statements, which may be several lines long."""
    found, depth = set(), 0
    for number, line in enumerate(text, 1):
        start = re.match(r"\s*assert(?=\()", line)
        if depth == 0 and not start:
            continue
        depth += line.count("(") - line.count(")")
        found.add(number)
    return found


class Source:
    """What one source file's lines and branches were seen to do, over every object it was compiled into."""

    def __init__(self, path):
        self.path, self.text = path, (ROOT / path).read_text(encoding="utf-8").split("\n")
        self.lines, self.branches = collections.Counter(), {}
        self.asserts = lines_of_asserts(self.text)

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        if number in self.asserts:
            return
        counts = [branch["count"] for branch in line["branches"]]
        # One line may stand in several functions (a macro): they are kept apart by name.
        key = (number, line.get("function_name", ""))
        before = self.branches.get(key, [])
        if len(before) == len(counts):
            counts = [a + b for a, b in zip(before, counts)]
        self.branches[key] = counts

    def line(self, number):
        return self.text[number - 1] if number <= len(self.text) else "(the source has changed since it was built)"

    def unlisted_default(self, number):
        """Whether the line is a switch without a default: its way past all cases is the compiler's own."""
        line = self.line(number)
        if not re.match(r"\s*switch \(", line):
            return False
        indent = len(line) - len(line.lstrip())
        for below in self.text[number:]:
            if below.startswith(" " * indent + "}"):
                return True
            if below.strip().startswith("default:"):
                return False
        return False

    def missed(self):
        """The branches never taken, as {line: how many}."""
        missed = collections.Counter()
        for (number, _), counts in self.branches.items():
            missed[number] += counts.count(0) - self._forgiven(number, counts)
        return +missed

    def _forgiven(self, number, counts):
        return 1 if 0 in counts and self.unlisted_default(number) else 0

    def figures(self):
        branches = sum(len(counts) - self._forgiven(number, counts) for (number, _), counts in self.branches.items())
        return Figures(len(self.lines), sum(1 for n in self.lines.values() if n == 0), branches, sum(self.missed().values()))


class Figures:
    def __init__(self, lines=0, lines_missed=0, branches=0, branches_missed=0):
        self.lines, self.lines_missed, self.branches, self.branches_missed = lines, lines_missed, branches, branches_missed

    def __add__(self, other):
        return Figures(self.lines + other.lines, self.lines_missed + other.lines_missed, self.branches + other.branches,
                       self.branches_missed + other.branches_missed)

    def line_rate(self):
        return 100 * (self.lines - self.lines_missed) / self.lines if self.lines else 100

    def branch_rate(self):
        return 100 * (self.branches - self.branches_missed) / self.branches if self.branches else 100

    def reach(self, lines, branches):
        return self.line_rate() >= lines and self.branch_rate() >= branches


def read(build):
    """Every source of the product in `build`, also those that no test ever ran."""
    notes = sorted(str(path) for top in ("lib", "broker", "agent") for path in (build / top).rglob("*.gcno"))
    if not notes:
        sys.exit(f"coverage: {build} holds no coverage build")
    sources = {}
    for i in range(0, len(notes), GCOV_AT_ONCE):
        command = ["gcov", "--json-format", "--branch-probabilities", "--stdout", *notes[i:i + GCOV_AT_ONCE]]
        done = subprocess.run(command, cwd=build, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        # A note whose data is missing, or is of an older build, counts as never run; only the latter is a mistake of whoever asks.
        if "mismatch" in done.stderr:
            print("coverage: some data is of an older build and does not count: run tests/coverage afresh", file=sys.stderr)
        for document in done.stdout.splitlines():
            for file in json.loads(document)["files"]:
                take(sources, build, file)
    return sources


def take(sources, build, file):
    path = (build / file["file"]).resolve()
    if not path.is_relative_to(ROOT):
        return
    name = path.relative_to(ROOT).as_posix()
    if not name.startswith(("lib/", "broker/", "agent/")):
        return
    source = sources.setdefault(name, Source(name))
    for line in file["lines"]:
        source.add(line)


def total(sources):
    return sum((source.figures() for source in sources), Figures())


def goal(name):
    return next((lines, branches) for start, lines, branches in GOALS if name.startswith(start))


def row(name, figures, lines, branches):
    verdict = "" if figures.reach(lines, branches) else "  BELOW"
    print(f"{name:26} {figures.line_rate():7.1f} {figures.branch_rate():9.1f} {figures.branches_missed:6} of {figures.branches:5}"
          f" {branches:6} %{verdict}")
    return not verdict


def table(sources):
    layers = collections.defaultdict(list)
    for name, source in sources.items():
        layers[name.rpartition("/")[0]].append(source)
    print(f"{'layer':26} {'lines %':>7} {'branches%':>9} {'never taken':>15} {'goal':>8}")
    good = True
    for layer in sorted(layers, key=lambda name: (not name.startswith("lib"), name)):
        good &= row(layer, total(layers[layer]), *goal(layer))
    print()
    for name in EXACT:
        chosen = [source for path, source in sources.items() if path == name or path.startswith(name + "/")]
        if not chosen:
            sys.exit(f"coverage: no figures for {name}")
        good &= row(name, total(chosen), 100, 100)
    print()
    for start in ("lib", "broker", "agent"):
        row(start, total(source for name, source in sources.items() if name.startswith(start + "/")), *goal(start + "/"))
    everything = total(sources.values())
    print(f"coverage: {everything.lines} lines {everything.line_rate():.1f} %, {everything.branches} branches "
          f"{everything.branch_rate():.1f} %" + ("" if good else ", below the goal"))
    return good


def under(sources, path):
    return {name: source for name, source in sources.items() if name == path or name.startswith(path.rstrip("/") + "/") or not path}


def files(sources):
    for name, source in sorted(sources.items(), key=lambda item: -item[1].figures().branches_missed):
        row(name, source.figures(), *goal(name))


def holes(sources):
    for name, source in sorted(sources.items()):
        missed = source.missed()
        for number in sorted(set(missed) | {number for number, count in source.lines.items() if count == 0}):
            mark = "never" if source.lines[number] == 0 else f"{missed[number]} way" + ("s" if missed[number] > 1 else "")
            print(f"{name}:{number}: {mark:7} {source.line(number)}")


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    sources = read(pathlib.Path(arguments[0]).resolve())
    if len(arguments) == 1:
        return 0 if table(sources) else 1
    chosen = under(sources, arguments[2] if len(arguments) > 2 else "")
    (holes if arguments[1] == "--holes" else files)(chosen)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
