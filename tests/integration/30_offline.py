"""The recipient is away and the broker dies: everything waits, and goes out once, in order."""
import subprocess
import unittest

from rig import Network, referral, wait_for

REFERRALS = 200


class Offline(unittest.TestCase):
    def test_recipient_away(self):
        """200 referrals sent while the recipient's agent is down and the broker is killed three times: each delivered once, in order per loop"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            pantry.agent.stop()
            control = clinic.control()
            loops = []
            for number in range(REFERRALS):
                answer = control.call("send", files=[{"name": "form", "text": referral(person=f"Person {number} Example")}])
                self.assertTrue(answer["ok"], answer)
                loops.append(answer["sent"][0]["loop"])
                for word in ("one", "two"):
                    self.assertTrue(control.call("step", loop=loops[-1], event="note", text=f"{word} {number}")["ok"])
                if number in (50, 100, 150):
                    network.broker.kill()
                    network.broker.start()
            control.close()
            wait_for("the queue to empty", lambda: clinic.json("status")["queue"]["waiting"] == 0, 120)
            pantry.start()
            wait_for("all to be delivered", lambda: clinic.json("status")["loops"]["undelivered"] == 0, 120)
            self.assertEqual(pantry.json("list", "--all", "--limit", "1000")["total"], REFERRALS)
            control = pantry.control()
            for number, loop in enumerate(loops):
                shown = control.call("show", loop=loop)
                said = [(step["event"], step["body"].get("note", "")) for step in shown["timeline"]]
                self.assertEqual(said, [("request", ""), ("note", f"one {number}"), ("note", f"two {number}")])
                self.assertEqual(shown["request"]["person"]["name"], f"Person {number} Example")
                indexes = [step["index"] for step in shown["timeline"]]
                self.assertEqual(indexes, sorted(set(indexes)))
            control.close()
            self.assertTrue(network.admin("verify"))
            network.broker.stop()
            rebuilt = subprocess.run([*network.broker.argv, "--rebuild-store"], capture_output=True, text=True, check=False)
            self.assertEqual(rebuilt.returncode, 0, rebuilt.stderr)
            self.assertIn(f"{REFERRALS} loops", rebuilt.stdout)
            network.broker.start()
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")


if __name__ == "__main__":
    unittest.main()
