"""The operator is blind: what people write is nowhere at the broker, on the wire or in a log."""
import os
import unittest

import blindness
from rig import PLAIN, Network, free_port, referral

MARKERS = {"name": "Zyxwname Qvortexperson", "need": "Zyxwneed of quince marmalade", "note": "Zyxwnote about the blue door", "reason": "Zyxwreason the van broke down",
           "phone": "555-0173-Zyxwphone", "answer": "Zyxwanswer after seven"}


class Blind(unittest.TestCase):
    def test_blind(self):
        """marker strings in name, note, need and reason are not in the broker's store, its memory, the traffic, or any log"""
        front, back = free_port(), free_port()
        network = Network(members=(), build=PLAIN, port=front)
        network.broker.stop()
        conf = os.path.join(network.home, "broker.conf")
        with open(conf, encoding="utf-8") as file:
            text = file.read()
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text.replace(f"tcp://127.0.0.1:{front}", f"tcp://127.0.0.1:{back}"))
        tap = blindness.Tap(front, back)
        network.broker.start()
        with network:
            clinic, pantry = network.join("oak-clinic"), network.join("elm-pantry")
            form = referral(person=MARKERS["name"], need=MARKERS["need"], note=MARKERS["note"])
            form = form.replace("555-0100", MARKERS["phone"])
            loop = clinic.json("send", "-", stdin=form)["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            pantry.run("ask", loop, "--text", "-", stdin=MARKERS["note"])
            clinic.wait_state(loop, "info-requested")
            clinic.run("answer", loop, "--text", "-", stdin=MARKERS["answer"])
            pantry.wait_state(loop, "requested")
            pantry.run("decline", loop, "other", "--text", "-", stdin=MARKERS["reason"])
            clinic.wait_state(loop, "declined")
            refused = clinic.refused("send", "-", stdin=form.replace("food-insecurity", "no-such-category"))
            clinic.wait_quiet()
            pantry.wait_quiet()
            # The rig really carried them, and the search really finds them where they belong.
            shown = clinic.run("show", loop)
            self.assertIn(MARKERS["reason"], shown)
            self.assertEqual(blindness.search([shown.encode()], MARKERS.values()) >= {MARKERS["name"], MARKERS["reason"]}, True)
            self.assertFalse(blindness.search([str(refused).encode()], MARKERS.values()))
            self.assertGreater(len(tap.bytes), 10000)
            self.assertFalse(blindness.search([bytes(tap.bytes)], MARKERS.values()), "on the wire")
            self.assertFalse(blindness.search(blindness.files_below(network.home), MARKERS.values()), "in the broker's files")
            logs = [daemon.lines for daemon in (network.broker, clinic.agent, pantry.agent)]
            self.assertFalse(blindness.search(["\n".join(lines).encode() for lines in logs], MARKERS.values()), "in a log")
            for member in (clinic, pantry):
                self.assertFalse(blindness.search(blindness.files_below(member.home), MARKERS.values()), f"in clear in {member.org}'s files")
            try:
                pieces = blindness.memory_of(network.broker.process.pid)
                first = next(pieces)
            except PermissionError:
                self.skipTest("reading another process's memory needs root; everything else was searched")
            # Something that is there shows that the search of memory works.
            everything = [first, *pieces]
            self.assertTrue(blindness.search(everything, ["elm-pantry"]))
            self.assertFalse(blindness.search(everything, MARKERS.values()), "in the broker's memory")
        tap.close()


if __name__ == "__main__":
    unittest.main()
