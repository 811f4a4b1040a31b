"""The newcomer's command, on a machine that has what it needs already."""
import os
import subprocess
import tempfile
import unittest

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class Quickstart(unittest.TestCase):
    def test_quickstart(self):
        """config/quickstart builds and ends with a closed loop, asking nothing"""
        with tempfile.TemporaryDirectory(prefix="refloop-test-") as place:
            done = subprocess.run([os.path.join(TOP, "config", "quickstart")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env={**os.environ, "REFLOOP_QUICKSTART": os.path.join(place, "network")}, timeout=600, check=False)
            self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
            self.assertIn("is closed", done.stdout)
            self.assertFalse(os.path.exists(os.path.join(place, "network")))

    def test_keep_and_stop(self):
        """config/quickstart --keep leaves a network to play on, and --stop removes it without a complaint"""
        with tempfile.TemporaryDirectory(prefix="refloop-test-") as place:
            home = os.path.join(place, "network")
            for way in ("--keep", "--stop", "--stop"):
                done = subprocess.run([os.path.join(TOP, "config", "quickstart"), way], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      env={**os.environ, "REFLOOP_QUICKSTART": home}, timeout=600, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout[-2000:])
                self.assertEqual(os.path.exists(home), way == "--keep")


if __name__ == "__main__":
    unittest.main()
