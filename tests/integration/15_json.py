"""docs/json.md's promise: the exact fields of every answer, as tables. A field may be added here and in the page, never renamed."""
import unittest

from rig import Network, referral

TEXT, FLAG, NUMBER, TIME, LIST, OBJECT = "text", "flag", "number", "time", "list", "object"
MAYBE = " or null"

LOOP = {
    "loop": TEXT, "role": TEXT, "partner": OBJECT, "person": TEXT, "category": TEXT, "service": TEXT, "need": TEXT, "priority": TEXT,
    "state": TEXT, "queued_state": TEXT, "open": FLAG, "created": TIME, "since": TIME, "needed_by": TIME + MAYBE, "due": TIME + MAYBE,
    "next": OBJECT + MAYBE, "needs_me": FLAG, "no_contact": FLAG, "waiting": NUMBER, "undelivered": NUMBER, "refused": NUMBER, "notice": TEXT,
}
PARTNER = {"org": TEXT, "name": TEXT, "revoked": FLAG}
NEXT = {"who": TEXT, "org": TEXT, "step": TEXT, "since": TIME}
LIST_ANSWER = {"ok": FLAG, "loops": LIST, "total": NUMBER, "matched": NUMBER}
SHOW = {"ok": FLAG, "loop": OBJECT, "request": OBJECT, "timeline": LIST, "cut": FLAG}
STEP = {
    "n": NUMBER, "event": TEXT, "by": TEXT, "org": TEXT, "mine": FLAG, "stage": TEXT, "authored": TIME, "accepted": TIME + MAYBE,
    "delivered": TIME + MAYBE, "index": NUMBER + MAYBE, "state_after": TEXT + MAYBE, "superseded": FLAG, "automatic": FLAG, "unreadable": FLAG,
    "refusal": OBJECT + MAYBE, "due": TIME + MAYBE, "facts": OBJECT, "body": OBJECT, "id": TEXT + MAYBE,
}
SEND = {"ok": FLAG, "sent": LIST, "refused": LIST, "notices": LIST, "carried": LIST}
SENT = {"loop": TEXT + MAYBE, "to": TEXT, "row": NUMBER + MAYBE}
REFUSED = {"row": NUMBER + MAYBE, "field": TEXT, "text": TEXT}
ERROR = {"code": TEXT, "text": TEXT}
MEMBER = {"org": TEXT, "name": TEXT, "state": TEXT, "me": FLAG}
CODE = {"code": TEXT, "words": TEXT, "needs_text": FLAG}
CODE_LISTS = {"decline", "progress", "hold", "cancel", "release", "complete", "fail", "withdraw", "acknowledge", "void", "category", "basis"}
STATUS = {
    "ok": FLAG, "schema": NUMBER, "version": TEXT, "organization": OBJECT, "network": OBJECT, "link": OBJECT, "queue": OBJECT, "log": OBJECT,
    "loops": OBJECT, "sentence": TEXT, "problem": FLAG,
}
STATUS_PARTS = {
    "organization": {"org": TEXT, "name": TEXT},
    "network": {"name": TEXT, "fingerprint": TEXT, "endpoint": TEXT},
    "link": {"state": TEXT, "since": TIME + MAYBE, "last_heard": TIME + MAYBE, "trouble": TEXT},
    "queue": {"waiting": NUMBER, "oldest": TIME + MAYBE, "disk_full": FLAG},
    "log": {"read": NUMBER, "head": NUMBER, "broker_clock_ahead_ms": NUMBER},
    "loops": {"total": NUMBER, "open": NUMBER, "needs_me": NUMBER, "undelivered": NUMBER, "refused": NUMBER},
}
TYPES = {TEXT: str, FLAG: bool, NUMBER: int, LIST: list, OBJECT: dict}

GOOD_ROW = "elm-pantry,food-insecurity,Ana Example,treatment\n"
BAD_ROW = "elm-pantry,food-insecurity,,treatment\n"
COLUMNS = "to,category,name,basis\n"


class Json(unittest.TestCase):
    def matches(self, table, value):
        self.assertEqual(set(table), set(value))
        for name, kind in table.items():
            given = value[name]
            if given is None:
                self.assertTrue(kind.endswith(MAYBE), f"{name} is null")
                continue
            kind = kind.removesuffix(MAYBE)
            if kind == TIME:
                self.assertRegex(given, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", name)
            else:
                self.assertIs(type(given), TYPES[kind], name)

    def is_loop(self, value):
        self.matches(LOOP, value)
        self.matches(PARTNER, value["partner"])
        if value["next"]:
            self.matches(NEXT, value["next"])

    def test_fields(self):
        """the answers of every command hold exactly the fields of docs/json.md"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            self.sending(clinic)
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            self.stepping(pantry, loop)
            clinic.wait_state(loop, "in-progress")
            self.looking(clinic, loop)
            self.defaults(clinic, loop)
            self.watching(clinic, loop)

    def sending(self, clinic):
        form = referral()
        answer = clinic.json("send", "-", stdin=form)
        self.matches(SEND, answer)
        self.matches(SENT, answer["sent"][0])
        self.assertIsNone(answer["sent"][0]["row"], "a row of input that is no CSV")
        answer = clinic.json("send", "--check", "-", stdin=form)
        self.matches(SEND, answer)
        self.assertIsNone(answer["sent"][0]["loop"], "a loop of a mere check")
        control = clinic.control()
        answer = control.call("send", files=[{"name": "x.csv", "text": COLUMNS + BAD_ROW + GOOD_ROW}])
        self.matches(SEND, answer)
        self.assertEqual([row["row"] for row in answer["refused"] + answer["sent"]], [2, 3], "rows count as a spreadsheet does")
        self.matches(REFUSED, answer["refused"][0])
        # Nothing could be sent: the first refused row is the error too.
        answer = control.call("send", files=[{"name": "x.csv", "text": COLUMNS + BAD_ROW}])
        self.matches({**SEND, "error": OBJECT}, answer)
        self.matches({**ERROR, "field": TEXT}, answer["error"])
        self.assertEqual((answer["ok"], answer["error"]["field"], answer["error"]["text"]), (False, "name", answer["refused"][0]["text"]))
        # Several forms are one referral each; a CSV file comes alone.
        two = [{"name": name, "text": form} for name in ("a.json", "b.json")]
        self.assertEqual(len(control.call("check", files=two)["sent"]), 2)
        answer = control.call("check", files=[two[0], {"name": "x.csv", "text": COLUMNS + GOOD_ROW}])
        self.matches({"ok": FLAG, "error": OBJECT}, answer)
        self.matches(ERROR, answer["error"])
        control.close()

    def stepping(self, pantry, loop):
        control = pantry.control()
        for step in ({"event": "accept", "due": "2030-12-01", "staff": "Pat Sample"},
                     {"event": "progress", "kind": "scheduled", "appointment": "2030-11-24T14:30:00Z", "automatic": True}):
            answer = control.call("step", loop=loop, **step)
            self.matches({"ok": FLAG, "loop": OBJECT}, answer)
            self.is_loop(answer["loop"])
        # Who must act is said of the state the queue leads to.
        self.assertEqual(answer["loop"]["queued_state"], "in-progress")
        self.assertEqual(answer["loop"]["next"]["step"], "report progress or the outcome")
        self.assertTrue(answer["loop"]["needs_me"])
        control.close()
        refused = pantry.refused("accept", loop)
        self.matches({"ok": FLAG, "error": OBJECT}, refused)
        self.matches(ERROR, refused["error"])

    def looking(self, clinic, loop):
        show = clinic.json("show", loop)
        self.matches(SHOW, show)
        self.is_loop(show["loop"])
        for step in show["timeline"]:
            self.matches(STEP, step)
        self.assertEqual(show["timeline"][1]["body"]["staff"], "Pat Sample")
        self.assertTrue(show["timeline"][2]["automatic"])
        status = clinic.json("status")
        self.matches(STATUS, status)
        for name, table in STATUS_PARTS.items():
            self.matches(table, status[name])
        self.assertEqual(status["schema"], 1)
        members = clinic.json("members")
        self.assertEqual(set(members), {"ok", "members"})
        for member in members["members"]:
            self.matches(MEMBER, member)
        lists = clinic.json("codes")
        self.assertEqual(set(lists), {"ok", "lists"})
        self.assertEqual(set(lists["lists"]), CODE_LISTS)
        for code in (code for codes in lists["lists"].values() for code in codes):
            self.matches(CODE, code)
        self.assertEqual(clinic.json("verify"), {"ok": True})
        self.assertEqual(set(clinic.json("export", loop)), {"ok", "bundle"})

    def defaults(self, clinic, loop):
        control = clinic.control()
        answer = control.call("list")
        self.matches(LIST_ANSWER, answer)
        for row in answer["loops"]:
            self.is_loop(row)
        self.assertEqual(len(control.call("list", limit=1)["loops"]), 1)
        self.assertEqual(control.call("step", loop=loop, event="void", reason="wrong-person")["ok"], True)
        clinic.wait_state(loop, "void")
        ids = [row["loop"] for row in control.call("list")["loops"]]
        self.assertNotIn(loop, ids, "open is the default")
        self.assertIn(loop, [row["loop"] for row in control.call("list", show="closed")["loops"]])
        self.assertIsNone(clinic.loop(loop)["next"], "nobody must act on a void loop")
        control.close()

    def watching(self, clinic, loop):
        control = clinic.control()
        self.assertEqual(control.call("watch"), {"ok": True, "more": True})
        clinic.network.broker.stop()
        change = control.next()
        while change["loop"] is not None:
            self.is_loop(change["loop"])
            change = control.next()
        self.assertEqual(set(change), {"ok", "more", "loop", "status"})
        self.matches(STATUS, change["status"])
        control.close()


if __name__ == "__main__":
    unittest.main()
