#!/usr/bin/env python3
"""Runs the integration tests (tests/integration/NN_goal.py), one line per test, and writes "passed failed skipped" to --counts FILE.

usage: run.py [--long] [--counts FILE] [WORD ...]    only tests whose name holds one of the words
"""
import importlib.util
import os
import pathlib
import sys
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

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcome = "FAILED"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcome = f"skipped ({reason})"

    def stopTest(self, test):
        super().stopTest(test)
        goal = (test.shortDescription() or str(test)).rstrip(".")
        print(f"{self.outcome:7} integration: {goal} ({time.monotonic() - self.begin:.0f} s)", flush=True)
        if self.outcome == "FAILED":
            print((self.errors + self.failures)[-1][1], flush=True)


def main(arguments):
    counts, words = None, []
    while arguments:
        argument = arguments.pop(0)
        if argument == "--long":
            os.environ["REFLOOP_LONG"] = "1"
        elif argument == "--counts":
            counts = arguments.pop(0)
        else:
            words.append(argument)
    suite = unittest.TestSuite()
    for path in sorted(HERE.glob("[0-9][0-9]_*.py")):
        spec = importlib.util.spec_from_file_location("test_" + path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for group in unittest.defaultTestLoader.loadTestsFromModule(module):
            for test in group:
                if not words or any(word in test.id() for word in words):
                    suite.addTest(test)
    result = OneLine()
    suite.run(result)
    failed = len(result.errors) + len(result.failures)
    passed = result.testsRun - failed - len(result.skipped)
    if counts:
        pathlib.Path(counts).write_text(f"{passed} {failed} {len(result.skipped)}\n", encoding="utf-8")
    print(f"integration: {passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
