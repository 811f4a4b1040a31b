"""kill -9 of broker and agents under load: nothing receipted is lost, nothing is applied twice."""
import copy
import os
import random
import unittest

from ledger import Loss, check, receipted
from rig import LONG, PLAIN, Network, referral, wait_for

CYCLES = int(os.environ.get("REFLOOP_KILL_CYCLES", "3000" if LONG else "300"))
SEED = 20261121


def timelines(member, loops):
    control = member.control()
    try:
        return {loop: control.call("show", loop=loop).get("timeline", []) for loop in loops}
    finally:
        control.close()


class Kill(unittest.TestCase):
    def test_kill(self):
        """300 kill -9 cycles of broker and of agent under load (3,000 with --long): no receipted statement lost, none applied twice"""
        chance = random.Random(SEED)
        with Network(build=PLAIN) as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            loops, known, sent_notes, grown = [], {}, {}, 0
            for cycle in range(CYCLES):
                control = clinic.control()
                loop = control.call("send", files=[{"name": "form", "text": referral(person=f"Person {cycle} Example")}])["sent"][0]["loop"]
                loops.append(loop)
                for number in range(3):
                    target = chance.choice(loops[-5:])
                    if control.call("step", loop=target, event="note", text=f"{cycle}.{number}")["ok"]:
                        sent_notes.setdefault(target, []).append(f"{cycle}.{number}")
                # Not before this cycle's work has begun to arrive at the broker, then at a random moment of it.
                wait_for("the log to grow", lambda c=control, n=grown: c.call("status")["log"]["read"] > n)
                for _ in range(chance.randrange(12)):
                    seen = chance.choice(loops[-3:])
                    known.update(receipted({seen: control.call("show", loop=seen)["timeline"]}))
                grown = control.call("status")["log"]["read"]
                control.close()
                victims = [network.broker, clinic.agent if cycle % 2 else pantry.agent]
                chance.shuffle(victims)
                for victim in victims:
                    victim.kill()
                for member in (clinic, pantry):
                    if not member.agent.alive():
                        member.agent.start(wait=False)
                if not network.broker.alive():
                    network.broker.start(wait=False)
                network.broker.wait_line("broker.ready")
                clinic.agent.wait_line("agent.ready")
                pantry.agent.wait_line("agent.ready")
            wait_for("everything to arrive", lambda: clinic.json("status")["queue"]["waiting"] == 0
                     and clinic.json("status")["loops"]["undelivered"] == 0, 120)
            everything = {member.org: timelines(member, loops) for member in (clinic, pantry)}
            known.update(receipted(everything["oak-clinic"]))
            check(known, everything)
            for loop in loops:
                notes = [step["body"]["note"] for step in everything["elm-pantry"][loop] if step["event"] == "note"]
                self.assertEqual(notes, sent_notes.get(loop, []))
            self.assertGreater(len(known), CYCLES)
            self.assertTrue(network.admin("verify"))
            for member in (clinic, pantry):
                self.assertTrue(member.json("verify")["ok"])
            self.planted(known, everything)

    def planted(self, known, everything):
        """The checker itself: a planted loss, a planted double and a planted move are each found."""
        for plant in ("loss", "double", "move"):
            forged = copy.deepcopy(everything)
            steps = forged["elm-pantry"][next(iter(forged["elm-pantry"]))]
            if plant == "loss":
                steps.pop()
            elif plant == "double":
                steps.append(dict(steps[-1]))
            else:
                steps[-1]["index"] += 1000000
            with self.assertRaises(Loss):
                check(known, forged)


if __name__ == "__main__":
    unittest.main()
