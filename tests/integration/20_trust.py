"""Who gets in: invites, revocation, strangers, impostors."""
import json
import os
import unittest

from rig import Failure, Network, free_port, referral, wait_for


class Trust(unittest.TestCase):
    def test_tokens(self):
        """a spent, expired, altered or foreign token gets a clear refusal each"""
        with Network(members=()) as network:
            token = network.invite("fir-shelter")
            network.join_only("fir-shelter", token)
            said = network.join_only("second-home", token, code=1)
            self.assertIn("used", said)
            with open(network.invite("yew-legal"), encoding="ascii") as file:
                line = file.read().strip()
            self.assertEqual(line.count("\n"), 0)
            altered = os.path.join(network.root, "altered.token")
            for place in range(20, len(line), 97):
                swapped = "A" if line[place] != "A" else "B"
                with open(altered, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                    file.write(line[:place] + swapped + line[place + 1:])
                self.assertIn("damaged", network.join_only("yew-legal", altered, code=1))
            replaced = network.invite("elm-house")
            os.rename(replaced, replaced + ".old")
            network.invite("elm-house")
            self.assertIn("newer one has replaced it", network.join_only("elm-house", replaced + ".old", code=1))
            expired = network.invite("ash-house", None, "--expires-h", "0")
            self.assertIn("expired", network.join_only("ash-house", expired, code=1))
            with Network(members=()) as other:
                foreign = other.invite("fir-shelter")
                other.broker.stop()
                moved = open(foreign, encoding="ascii").read()
                self.assertTrue(moved.startswith("refloop-invite-1:"))
                said = network.join_only("foreign-home", foreign, "--timeout-s", "3", code=1)
                self.assertTrue("broker" in said or "answer" in said, said)
            # A token of another network that leads to this broker: its key is not the one in the token.
            with Network(members=(), port=network.port, listen=free_port()) as other:
                said = network.join_only("other-home", other.invite("yew-legal"), "--timeout-s", "10", code=1)
                self.assertIn("another key", said)
            # What was refused left no member behind, and the right token still works.
            good = os.path.join(network.root, "good.token")
            with open(good, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(line + "\n")
            network.join_only("yew-legal", good)
            members = network.admin("members")
            self.assertIn("yew-legal", members)

    def test_join_again(self):
        """join is safe to repeat when its answer was lost"""
        with Network(members=()) as network:
            token = network.invite("fir-shelter")
            network.join_only("fir-shelter", token)
            self.assertIn("fir-shelter", network.join_only("fir-shelter", token))

    def test_join_with_another_invite(self):
        """a newer invite is for new keys: keys that have joined are not said to be fine, nor thrown away"""
        with Network(members=()) as network:
            network.join_only("fir-shelter", network.invite("fir-shelter"))
            network.admin("revoke", "fir-shelter", "--reason", "machine stolen", "--yes")
            token = network.invite("fir-shelter", None, "--replace")
            self.assertIn("another invite", network.join_only("fir-shelter", token, code=1))
            self.assertIn("Done", network.join_only("new-machine", token))
            with open(token, encoding="ascii") as file:
                self.assertIn("as a file", network.join_only("argument", file.read().strip(), code=1))

    def test_revoke(self):
        """a revoked organization's next message on its live connection is refused, and it is told so"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            clinic.wait_quiet()
            network.admin("revoke", "elm-pantry", "--reason", "machine stolen", "--yes")
            pantry.run("accept", loop, stdin="")
            wait_for("the pantry to be told", lambda: pantry.json("status")["link"]["trouble"] == "revoked")
            self.assertIn("revoked", pantry.json("status")["sentence"])
            # The clinic learns it from the log: nothing moved, nothing more can be sent there.
            wait_for("the clinic to know", lambda: clinic.loop(loop)["partner"]["revoked"])
            self.assertEqual(clinic.loop(loop)["state"], "requested")
            self.assertEqual(clinic.refused("send", "-", stdin=referral())["refused"][0]["field"], "to")
            refused = network.admin("--json", "status")
            self.assertIn("revoked", refused)

    def test_status_names_members(self):
        """members and status say who is online, in words and in JSON"""
        with Network() as network:
            for member in network.members.values():
                member.wait_online()
            printed = network.admin("members")
            for word in ("oak-clinic", "elm-pantry", "administrator", "online"):
                self.assertIn(word, printed)
            self.assertIn("2", network.admin("status"))
            self.assertIn("has been running since 20", network.admin("status"))
            self.assertRegex(json.loads(network.admin("--json", "status"))["started"], r"^20\d\d-\d\d-\d\dT[0-9:.]+Z$")
            network.invite("ash-house")
            network.admin("revoke", "ash-house", "--reason", "invited by mistake", "--yes")
            keys = {member["org"]: member["key"] for member in json.loads(network.admin("--json", "members"))["members"]}
            self.assertIsNone(keys["ash-house"])
            self.assertRegex(keys["elm-pantry"], "^[0-9a-f]{32}$")
            with self.assertRaises(Failure):
                network.admin("invite", "Bad Name!", "--name", "x")
            with self.assertRaises(Failure):
                network.admin("revoke", "nobody-here", "--reason", "x", "--yes")


if __name__ == "__main__":
    unittest.main()
