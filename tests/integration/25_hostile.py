"""What a hostile stranger or member does to a real broker over real sockets: nothing that others notice."""
import json
import os
import subprocess
import unittest

from rig import BUILD, Network, program, referral, wait_for

HOSTILE = os.path.join(os.path.abspath(BUILD), "tests/support/hostile")


class Hostile(unittest.TestCase):
    def setUp(self):
        self.network = Network()
        self.addCleanup(self.network.__exit__, None, None, None)
        self.clinic, self.pantry = self.network["oak-clinic"], self.network["elm-pantry"]
        self.rogue = self.network.join("ash-rogue", start=False)

    def attack(self, mode, *homes):
        """What the hostile program printed, as pairs of what it did and what it heard."""
        done = subprocess.run([HOSTILE, self.rogue.home, mode, *homes], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]

    def settle(self):
        self.clinic.wait_quiet()
        self.pantry.wait_quiet()
        return self.status()

    def status(self):
        return json.loads(self.network.admin("--json", "status"))

    def assert_unharmed(self):
        """The broker is the process it was, and a referral goes through between the honest members."""
        self.assertTrue(self.network.broker.alive())
        loop = self.clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
        self.pantry.wait_state(loop, "requested")
        self.pantry.run("accept", loop, stdin="")
        self.clinic.wait_state(loop, "accepted")

    def test_stranger(self):
        """a stranger's key never reaches the session: its handshake is refused and nothing else is counted"""
        before = self.settle()
        heard = dict(self.attack("stranger"))
        self.assertEqual(heard, {"stranger": "kept out", "stranger's hello": "silence"})
        after = self.status()
        self.assertGreater(after["handshakes_refused"], before["handshakes_refused"])
        for name in ("entries", "accepted", "refused", "dropped", "duplicates"):
            self.assertEqual(after[name], before[name], name)
        self.assert_unharmed()

    def test_another_name(self):
        """a member that signs a statement in another's name is refused, and the partner sees nothing"""
        before, seen = self.settle(), self.pantry.json("list")["loops"]
        heard = self.attack("impersonate", self.clinic.home, self.pantry.home)
        self.assertEqual(heard, [("with our key", "receipt not-permitted"), ("with the victim's key", "receipt not-permitted")])
        after = self.status()
        self.assertEqual(after["entries"], before["entries"])
        self.assertEqual(after["refused"]["not-permitted"] - before["refused"].get("not-permitted", 0), 2)
        self.assert_unharmed()
        self.assertEqual(len(self.pantry.json("list")["loops"]), len(seen) + 1)

    def test_replay(self):
        """another's signed statement, sent again by its reader, has no second effect"""
        self.clinic.json("send", "-", stdin=referral(to="ash-rogue"))
        wait_for("the referral to the rogue to be logged", lambda: self.clinic.json("status")["queue"]["waiting"] == 0)
        self.pantry.wait_quiet()
        before = self.status()
        heard = self.attack("replay")
        self.assertIn(("loop statement", "receipt signature"), heard)
        self.assertEqual({answer for _, answer in heard}, {"receipt signature"})
        after = self.status()
        for name in ("entries", "loops", "accepted", "duplicates"):
            self.assertEqual(after[name], before[name], name)
        self.assert_unharmed()

    def test_shapes(self):
        """several frames, empty and random ones, and one of 300 KiB: refused or dropped, and others are not affected"""
        heard = dict(self.attack("shapes"))
        self.assertEqual(heard, {"several frames": "silence", "empty frame": "refused", "garbage": "refused", "300 KiB": "silence",
                                 "hello": "welcome"})
        self.assertEqual(self.status()["dropped"], 2)
        self.assert_unharmed()

    def test_routes(self):
        """routing ids that are guessed, zero, too long or taken: no crash, and only a well-formed one is answered"""
        heard = dict(self.attack("routes"))
        self.assertEqual(heard, {"zeros": "welcome", "automatic id": "silence", "almost": "welcome", "longest": "silence",
                                 "first": "welcome", "second with the same": "silence"})
        self.assert_unharmed()

    def test_revoked(self):
        """a revoked member's waiting fetch brings it nothing, and its live connection hears one word"""
        rogue = subprocess.Popen([HOSTILE, self.rogue.home, "revoked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(rogue.stdout.readline(), "hello: welcome\n")
        self.assertEqual(rogue.stdout.readline(), "ping: pong\n")
        self.network.admin("revoke", "ash-rogue", "--reason", "test", "--yes")
        self.network.invite("yew-legal")  # an entry that concerns everybody
        out, _ = rogue.communicate("\n", timeout=60)
        self.assertEqual(out, "first heard afterwards: refused revoked\nthen: silence\n")
        self.assertEqual(rogue.returncode, 0)
        self.assert_unharmed()

    def test_unproved(self):
        """a broker that cannot prove that strangers are kept out does not serve"""
        self.network.broker.stop()
        # A network namespace of its own, where not even the loopback is up: the self-test has no answer.
        alone = ["unshare", "--user", "--map-root-user", "--net"]
        if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("no network namespaces here")
        conf = os.path.join(self.network.home, "broker.conf")
        with open(conf, encoding="utf-8") as file:
            text = file.read()
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text.replace("tcp://127.0.0.1:", "tcp://0.0.0.0:"))
        done = subprocess.run([*alone, program("refloop-broker"), "--home", self.network.home], capture_output=True, text=True,
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("could not be proved that strangers are kept out", done.stderr)
        self.assertNotIn("broker.ready", done.stderr)
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.network.broker.start()
        self.assert_unharmed()


if __name__ == "__main__":
    unittest.main()
