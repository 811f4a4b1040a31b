"""Prints "passed failed skipped" of a meson testlog.json."""
import json
import sys

totals = {"passed": 0, "failed": 0, "skipped": 0}
with open(sys.argv[1], encoding="utf-8") as log:
    for line in log:
        result = json.loads(line)["result"]
        totals["passed" if result in ("OK", "EXPECTEDFAIL") else "skipped" if result == "SKIP" else "failed"] += 1
print(totals["passed"], totals["failed"], totals["skipped"])
