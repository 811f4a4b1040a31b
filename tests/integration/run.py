#!/usr/bin/env python3
"""Runs the integration tests (tests/integration/NN_goal.py), one line per test, and writes "passed failed skipped" to --counts FILE.

usage: run.py [--long] [--jobs N] [--counts FILE] [WORD ...]    only tests whose name holds one of the words

With --jobs N up to N tests run at a time, each in a process of its own; those of a class that prepares something for all of its tests
stay together. A class that says ALONE = True has the machine to itself.
"""
import concurrent.futures
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


class OneLine(unittest.TestResult):
    """Prints each test as it ends."""

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()
        self.outcome = "ok"

    def addError(self, test, err):
        super().addError(test, err)
        self.outcome = "FAILED"
        if not isinstance(test, unittest.TestCase):  # what a whole class or module needed could not be made
            print(f"FAILED  integration: {test}\n{self.errors[-1][1]}", flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcome = "FAILED"

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcome = "FAILED"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome = f"skipped ({reason})"

    def stopTest(self, test):
        super().stopTest(test)
        goal = (test.shortDescription() or str(test)).rstrip(".")
        print(f"{self.outcome:7} integration: {goal} ({time.monotonic() - self.begin:.0f} s)", flush=True)
        if self.outcome == "FAILED":
            for who, text in self.errors + self.failures:
                if getattr(who, "test_case", who) is test:
                    print(text, flush=True)


def all_tests():
    for path in sorted(HERE.glob("[0-9][0-9]_*.py")):
        spec = importlib.util.spec_from_file_location("test_" + path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for group in unittest.defaultTestLoader.loadTestsFromModule(module):
            yield from group


def run_here(tests):
    """Returns passed, failed, skipped."""
    result = OneLine()
    unittest.TestSuite(tests).run(result)
    troubled = {getattr(test, "test_case", test) for test, _ in result.errors + result.failures}  # one of many parts fails once
    failed = len(troubled)
    prepared_badly = sum(not isinstance(test, unittest.TestCase) for test in troubled)
    return result.testsRun - (failed - prepared_badly) - len(result.skipped), failed, len(result.skipped)


def run_apart(ids):
    """The same in a process of its own, whose lines are printed together."""
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8") as counts:
        done = subprocess.run([sys.executable, __file__, "--counts", counts.name, "--exactly", *ids], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        lines = done.stdout.splitlines(keepends=True)
        print("".join(line for line in lines if not line.startswith("integration: ")), end="", flush=True)
        words = counts.read().split()
    if len(words) != 3:
        print(f"FAILED  integration: {' '.join(ids)} ended with {done.returncode} before it had counted", flush=True)
        return 0, len(ids), 0
    return tuple(int(word) for word in words)


def groups_of(tests):
    """Ids that must share a process, and whether they want the machine to themselves."""
    groups = {}
    for test in tests:
        kind = type(test)
        together = kind.setUpClass.__func__ is not unittest.TestCase.setUpClass.__func__
        name = kind.__module__ + "." + kind.__qualname__ if together else test.id()
        groups.setdefault((getattr(kind, "ALONE", False), name), []).append(test.id())
    return groups


def run_in_jobs(tests, jobs):
    groups = groups_of(tests)
    totals = []
    for alone in (False, True):
        with concurrent.futures.ThreadPoolExecutor(1 if alone else jobs) as pool:
            totals += pool.map(run_apart, [ids for (wants, _), ids in groups.items() if wants == alone])
    return tuple(sum(column) for column in zip(*totals)) if totals else (0, 0, 0)


def main(arguments):
    counts, jobs, exactly, words = None, 1, False, []
    while arguments:
        argument = arguments.pop(0)
        if argument == "--long":
            os.environ["REFLOOP_LONG"] = "1"
        elif argument == "--counts":
            counts = arguments.pop(0)
        elif argument == "--jobs":
            jobs = int(arguments.pop(0))
        elif argument == "--exactly":
            exactly = True
        else:
            words.append(argument)
    tests = [test for test in all_tests()
             if not words or (test.id() in words if exactly else any(word in test.id() for word in words))]
    passed, failed, skipped = run_in_jobs(tests, jobs) if jobs > 1 else run_here(tests)
    if counts:
        pathlib.Path(counts).write_text(f"{passed} {failed} {skipped}\n", encoding="utf-8")
    print(f"integration: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
