"""New keys: nothing is lost on the way, and whoever stops in between finds out which keys hold."""
import json
import os
import shutil
import subprocess
import unittest

from rig import Network, program, referral, wait_for


def rotate(network, member, *options, code=0):
    """Runs `refloop-agent rotate`; returns what it printed."""
    done = subprocess.run([program("refloop-agent", network.build), "--home", member.home, *options, "rotate"], capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode != code:
        raise AssertionError(f"exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def key_of(network, org):
    """The key the broker's log has for a member."""
    members = json.loads(network.admin("--json", "members"))["members"]
    return next(member["key"] for member in members if member["org"] == org)


class Rotate(unittest.TestCase):
    def test_rotate(self):
        """what waits on either side when keys change arrives once, and can be read"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            before = key_of(network, "oak-clinic")
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            clinic.wait_quiet()
            self.assertIn("Stop it first", rotate(network, clinic, code=1))
            self.assertEqual(key_of(network, "oak-clinic"), before)
            clinic.agent.stop()
            pantry.run("accept", loop, stdin="")
            pantry.run("note", loop, "--text", "-", stdin="sealed to the old key")
            said = rotate(network, clinic)
            self.assertIn("new keys", said)
            after = key_of(network, "oak-clinic")
            self.assertNotEqual(after, before)
            self.assertIn(after[:16], said)
            clinic.start()
            clinic.wait_state(loop, "accepted")
            wait_for("the note", lambda: "sealed to the old key" in json.dumps(clinic.json("show", loop)))
            more = clinic.json("send", "-", stdin=referral(person="Ben Example"))["sent"][0]["loop"]
            pantry.wait_state(more, "requested")
            pantry.run("note", more, "--text", "-", stdin="sealed to the new key")
            pantry.wait_quiet()
            clinic.wait_quiet()
            self.assertIn("sound", self.check(network, clinic))

    def check(self, network, member):
        """`refloop-agent --check-store`, with the agent stopped."""
        member.agent.stop()
        done = subprocess.run([program("refloop-agent", network.build), "--home", member.home, "--check-store"], capture_output=True, text=True,
                              timeout=120, check=True)
        member.start()
        return done.stdout

    def test_cut_off_before_the_broker_heard(self):
        """new keys nobody has heard of are kept, and the agent goes on with the change by itself"""
        with Network() as network:
            clinic = network["oak-clinic"]
            clinic.wait_online()
            before = key_of(network, "oak-clinic")
            clinic.agent.stop()
            network.broker.stop()
            self.assertIn("run the same command again", rotate(network, clinic, "--timeout-s", "2", code=1))
            network.broker.start()
            clinic.start()
            clinic.agent.wait_line("keys.changing result=ok")
            clinic.wait_online()
            self.assertNotEqual(key_of(network, "oak-clinic"), before)

    def test_cut_off_after_the_broker_took_it(self):
        """the log has the new keys but the file does not say so yet: the broker's refusal of the old ones tells"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            clinic.wait_online()
            clinic.agent.stop()
            network.broker.stop()
            rotate(network, clinic, "--timeout-s", "2", code=1)
            file = os.path.join(clinic.home, "keys", "member.key")
            shutil.copy2(file, file + ".both")
            network.broker.start()
            self.assertIn("begun before", rotate(network, clinic))
            after = key_of(network, "oak-clinic")
            os.replace(file + ".both", file)  # as if the power had gone before the file was written
            clinic.start()
            clinic.agent.wait_line("keys.changing result=ok")
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            self.assertEqual(key_of(network, "oak-clinic"), after)

    def test_refused_while_unknown(self):
        """the broker cannot be reached at start, and later refuses the old keys: it is asked about the new ones then"""
        with Network() as network:
            clinic = network["oak-clinic"]
            clinic.wait_online()
            clinic.agent.stop()
            network.broker.stop()
            rotate(network, clinic, "--timeout-s", "2", code=1)
            file = os.path.join(clinic.home, "keys", "member.key")
            shutil.copy2(file, file + ".both")
            network.broker.start()
            rotate(network, clinic)
            os.replace(file + ".both", file)
            network.broker.stop()
            clinic.start()
            clinic.agent.wait_line("keys.changing result=unreachable")
            network.broker.start()
            clinic.agent.wait_line("keys.changing result=ok")
            clinic.wait_online()


if __name__ == "__main__":
    unittest.main()
