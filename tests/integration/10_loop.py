"""The main job: one referral from request to the source's signature, and every other way a loop can go."""
import json
import os
import unittest

from rig import Failure, Network, referral


class Loop(unittest.TestCase):
    def setUp(self):
        self.network = Network()
        self.network.__enter__()
        self.clinic, self.pantry = self.network["oak-clinic"], self.network["elm-pantry"]

    def tearDown(self):
        failed = bool(self._outcome.errors and self._outcome.errors[-1][1]) if hasattr(self._outcome, "errors") else False
        self.network.__exit__(AssertionError if failed else None, None, None)

    def send(self, **more):
        sent = self.clinic.json("send", "-", stdin=referral(**more))
        loop = sent["sent"][0]["loop"]
        self.pantry.wait_state(loop, "requested")
        return loop

    def step(self, who, *arguments, state, text=None):
        who.run(*arguments, stdin=text or "")
        loop = arguments[1]
        for member in (self.clinic, self.pantry):
            member.wait_state(loop, state)

    def test_to_closed(self):
        """one referral, sent sealed, answered step by step, ends closed by the source's signature"""
        loop = self.send()
        self.step(self.pantry, "ask", loop, "--text", "-", state="info-requested", text="Which day suits?")
        self.step(self.clinic, "answer", loop, "--text", "-", state="requested", text="Tuesday after five.")
        self.step(self.pantry, "accept", loop, "--due", "2030-01-15", state="accepted")
        for kind in ("outreach", "scheduled", "no-show", "appointment-cancelled", "service-delivered", "interim-note"):
            text = "called twice" if kind == "interim-note" else None
            self.step(self.pantry, "progress", loop, kind, *(["--text", "-"] if text else []), state="in-progress", text=text)
        self.step(self.pantry, "hold", loop, "waitlist", "--due", "2030-02-01", state="on-hold")
        self.step(self.pantry, "complete", loop, "service-provided", state="completed")
        self.step(self.clinic, "acknowledge", loop, state="closed")
        self.clinic.wait_quiet()
        self.pantry.wait_quiet()
        shown = self.clinic.json("show", loop)
        self.assertEqual([step["stage"] for step in shown["timeline"]], ["delivered"] * 13)
        self.assertEqual(shown["request"]["person"]["name"], "Ana Example")
        for one, other in zip(shown["timeline"], self.pantry.json("show", loop)["timeline"]):
            self.assertEqual((one["id"], one["index"], one["state_after"]), (other["id"], other["index"], other["state_after"]))
        self.assertFalse(self.clinic.json("list", "--open")["loops"])
        self.assertEqual(self.clinic.json("list", "--closed")["loops"][0]["loop"], loop)

    def test_all_ends(self):
        """decline, fail, withdraw, cancel and release, retract, void: each reaches both sides and is closed"""
        ends = [
            ([(self.pantry, "decline", "no-capacity")], "declined"),
            ([(self.clinic, "withdraw", "no-longer-needed")], "withdrawn"),
            ([(self.pantry, "accept"), (self.pantry, "fail", "unable-to-reach")], "not-completed"),
            ([(self.pantry, "accept"), (self.clinic, "cancel", "served-elsewhere"), (self.pantry, "release", "source-cancelled")], "withdrawn"),
            ([(self.pantry, "accept"), (self.clinic, "cancel", "no-longer-needed"), (self.clinic, "retract"), (self.pantry, "release", "declined-after-accept")], "withdrawn"),
            ([(self.pantry, "accept"), (self.clinic, "cancel", "no-longer-needed"), (self.pantry, "complete", "service-provided")], "completed"),
        ]
        for steps, state in ends:
            loop = self.send()
            for who, event, *reason in steps:
                before = self.clinic.loop(loop)["since"], len(self.clinic.json("show", loop)["timeline"])
                who.run(event, loop, *reason, stdin="")
                for member in (self.clinic, self.pantry):
                    from rig import wait_for
                    wait_for(f"{event} at {member.org}", lambda m=member, n=before[1]: len([s for s in m.json("show", loop)["timeline"] if s["index"]]) > n)
            for member in (self.clinic, self.pantry):
                self.assertEqual(member.loop(loop)["state"], state, steps)
            self.step(self.clinic, "acknowledge", loop, state="closed")
        loop = self.send()
        self.step(self.clinic, "void", loop, "wrong-person", state="void")
        self.assertIsNone(self.clinic.loop(loop)["next"])

    def test_refusals(self):
        """an illegal step is refused with the state and what is possible now; nothing is queued"""
        loop = self.send()
        error = self.pantry.refused("complete", loop, "service-provided")["error"]
        self.assertEqual(error["code"], "wrong-state")
        for word in ("requested", "accept", "decline", "ask"):
            self.assertIn(word, error["text"])
        self.assertEqual(self.clinic.refused("accept", loop)["error"]["code"], "wrong-state")
        self.assertEqual(self.pantry.refused("decline", loop, "because")["error"]["code"], "invalid")
        self.assertEqual(self.pantry.refused("decline", loop, "other", stdin="")["error"]["code"], "invalid")
        self.assertEqual(self.pantry.refused("accept", "0000")["error"]["code"], "unknown-loop")
        self.assertEqual(len(self.pantry.json("show", loop[:8])["timeline"]), 1)
        self.assertEqual(self.clinic.json("status")["queue"]["waiting"], 0)

    def test_lists(self):
        """list shows who must act next and since when; --needs-me differs by side; short ids work as git's do"""
        loop = self.send()
        mine, theirs = self.clinic.json("list", "--needs-me"), self.pantry.json("list", "--needs-me")
        self.assertEqual((len(mine["loops"]), len(theirs["loops"])), (0, 1))
        row = theirs["loops"][0]
        self.assertEqual((row["next"]["who"], row["next"]["org"], row["person"]), ("target", "elm-pantry", "Ana Example"))
        self.assertTrue(row["next"]["since"].endswith("Z"))
        self.assertEqual(self.clinic.loop(loop[:6])["loop"], loop)
        for width in ("80", "200"):
            os.environ["COLUMNS"] = width
            printed = self.clinic.run("list")
            self.assertTrue(all(len(line) <= int(width) for line in printed.splitlines()), printed)
        self.assertIn("Ana Example", printed)

    def test_input_errors(self):
        """what is missing or contradictory is refused by the field's name, before anything is sent"""
        for broken, field in (({"consent": {}}, "consent.basis"), ({"to": "nobody-here"}, "to"), ({"category": "hunger"}, "category"),
                              ({"person": {}}, "person.name"), ({"persn": {}}, "persn"), ({"to": "oak-clinic"}, "to")):
            answer = self.clinic.refused("send", "-", stdin=referral(**broken))
            self.assertFalse(answer["ok"])
            self.assertIn(field, json.dumps(answer))
        with self.assertRaises(Failure):
            self.clinic.run("send", "/nonexistent.json")
        self.assertEqual(self.clinic.json("list", "--all")["total"], 0)

    def test_csv(self):
        """a CSV of many referrals: good rows go, bad rows are reported by number and column"""
        rows = ["to,category,name,need,basis,signed_on"]
        rows += [f"elm-pantry,food-insecurity,Person {i} Example,food,consent,2026-11-20" for i in range(30)]
        rows.insert(8, "elm-pantry,food-insecurity,,food,consent,2026-11-20")
        rows.insert(15, "nobody,food-insecurity,Bo Example,food,consent,2026-11-20")
        answer = self.clinic.refused("send", "-", stdin="\r\n".join(rows) + "\r\n")
        self.assertEqual(len(answer["sent"]), 30)
        self.assertEqual([row["row"] for row in answer["refused"]], [9, 16])
        self.assertIn("name", answer["refused"][0]["field"])
        self.clinic.wait_quiet()
        self.assertEqual(self.pantry.json("list", "--open", "--limit", "100")["total"], 30)


if __name__ == "__main__":
    unittest.main()
