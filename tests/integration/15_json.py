"""docs/json.md's promise: the exact fields of every answer, as tables. A field may be added here and in the page, never renamed."""
import json
import os
import tempfile
import unittest

from rig import Network, referral, wait_for

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
    "refusal": OBJECT + MAYBE, "due": TIME + MAYBE, "facts": OBJECT, "body": OBJECT, "id": TEXT + MAYBE, "proved": FLAG, "unproved": TEXT + MAYBE,
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
    "loops": OBJECT, "proof": OBJECT, "sentence": TEXT, "problem": FLAG, "stopped": FLAG, "warning": TEXT, "alarms": LIST,
}
STATUS_PARTS = {
    "organization": {"org": TEXT, "name": TEXT},
    "network": {"name": TEXT, "fingerprint": TEXT, "endpoint": TEXT},
    "link": {"state": TEXT, "since": TIME + MAYBE, "last_heard": TIME + MAYBE, "trouble": TEXT},
    "queue": {"waiting": NUMBER, "oldest": TIME + MAYBE, "disk_full": FLAG},
    "log": {"read": NUMBER, "head": NUMBER, "broker_clock_ahead_ms": NUMBER},
    "proof": {"entries": NUMBER, "proved": TIME + MAYBE, "confirmed": NUMBER, "confirmed_at": TIME + MAYBE, "witnesses": NUMBER,
              "wanted": NUMBER, "unproved": NUMBER, "recovering": FLAG, "sentence": TEXT, "problem": FLAG},
    "loops": {"total": NUMBER, "open": NUMBER, "needs_me": NUMBER, "undelivered": NUMBER, "refused": NUMBER},
}
ADMIN_STATUS = {
    "ok": FLAG, "version": TEXT, "started": TIME, "listen": TEXT, "network": OBJECT, "entries": NUMBER, "loops": NUMBER, "log_time": TIME, "clock": TIME,
    "members_online": NUMBER, "checkpoint_size": NUMBER, "witnesses": OBJECT + MAYBE, "recovery": OBJECT + MAYBE, "read_only": FLAG,
    "fill_percent": NUMBER, "accepted": NUMBER, "superseded": NUMBER, "duplicates": NUMBER, "refused": OBJECT, "handshakes_refused": NUMBER,
    "dropped": NUMBER, "refused_members": LIST, "refused_members_more": NUMBER, "connections": OBJECT,
}
ADMIN_STATUS_PARTS = {
    "network": {"id": TEXT, "name": TEXT, "fingerprint": TEXT, "endpoint": TEXT},
    "witnesses": {"size": NUMBER, "cosigned": NUMBER, "members": NUMBER, "since": TIME + MAYBE},
    "recovery": {"began_at": NUMBER, "entries": NUMBER, "goal": NUMBER, "unheard": NUMBER, "helpers": NUMBER, "forked": FLAG, "missing": LIST},
}
ADMIN_RECOVER = {"ok": FLAG, "entries": NUMBER, "recovery": OBJECT + MAYBE, "members": LIST}
ADMIN_RECOVER_MEMBER = {"org": TEXT, "name": TEXT, "online": FLAG, "heard": FLAG}
EVENT = {"index": NUMBER, "time": TIME, "org": TEXT, "name": TEXT, "event": TEXT, "reason": TEXT, "key": TEXT + MAYBE}
CHECKPOINT = {"ok": FLAG, "note": TEXT, "size": NUMBER, "root": TEXT}
COMPARED = {"ok": FLAG, "verdict": TEXT, "text": TEXT, "ours": OBJECT, "theirs": OBJECT}
EVIDENCE = {
    "ok": FLAG, "loop": TEXT, "file": TEXT, "svg": TEXT + MAYBE, "bytes": NUMBER, "state": TEXT, "steps": NUMBER, "entries": NUMBER,
    "cosigners": NUMBER, "with_body": FLAG, "root": TEXT,
}
ADMIN_NOTE = {"size": NUMBER, "root": TEXT, "note": TEXT, "cosigners": LIST}
ADMIN_VERIFY = {
    "ok": FLAG, "network": OBJECT, "backup": FLAG, "entries": NUMBER, "loops": NUMBER, "from": NUMBER, "to": NUMBER, "statements": NUMBER,
    "signatures": NUMBER, "elapsed_ms": NUMBER, "log_time": TIME, "checkpoint": OBJECT, "witnessed": OBJECT + MAYBE,
}
ADMIN_COPY = {"ok": FLAG, "dir": TEXT, "entries": NUMBER, "bytes": NUMBER, "backup": FLAG, "sealed": FLAG, "checkpoint": OBJECT}
ADMIN_EVIDENCE = {**EVIDENCE, "source": TEXT, "target": TEXT}
ADMIN_LOOPS = {"ok": FLAG, "loops": LIST, "total": NUMBER, "matched": NUMBER, "counts": OBJECT}
ADMIN_LOOP = {
    "loop": TEXT, "verdict": TEXT, "source": TEXT, "target": TEXT, "state": TEXT, "open": FLAG, "priority": TEXT, "requested": TIME,
    "since": TIME, "due": TIME + MAYBE, "waits_on": TEXT + MAYBE, "step": TEXT, "statements": NUMBER, "undelivered": NUMBER,
}
ADMIN_FACTS = {"category": TEXT, "reason": TEXT, "outcome": TEXT, "words": TEXT}
ADMIN_EVENT = {"index": NUMBER, "time": TIME, "org": TEXT, "name": TEXT, "event": TEXT, "reason": TEXT}
VERDICTS = ["half-closed", "silent", "broken", "overdue", "open", "closed-met", "closed-unmet", "void"]
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
            self.proving(clinic, loop)
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

    def test_admin(self):
        """the administrator's status and recover hold exactly the fields of docs/json.md"""
        with Network(conf="witness_s = 1\n") as network:
            for member in network.members.values():
                member.wait_online()
            wait_for("a checkpoint to be put before the members", lambda: self.admin(network, "status")["witnesses"])
            status = self.admin(network, "status")
            self.matches(ADMIN_STATUS, status)
            self.matches(ADMIN_STATUS_PARTS["network"], status["network"])
            self.matches(ADMIN_STATUS_PARTS["witnesses"], status["witnesses"])
            self.assertIsNone(status["recovery"])
            self.assertEqual(status["checkpoint_size"], status["entries"])
            self.assertEqual(status["witnesses"]["members"], 2)
            self.assertIn("asked since", network.admin("status"))
            recover = self.admin(network, "recover")
            self.matches(ADMIN_RECOVER, recover)
            self.assertIsNone(recover["recovery"])
            self.assertEqual([member["org"] for member in recover["members"]], ["oak-clinic", "elm-pantry"])
            for member in recover["members"]:
                self.matches(ADMIN_RECOVER_MEMBER, member)
            self.assertIn("The broker is whole", network.admin("recover"))
            self.assertIn("nobody to go on without", network.admin("recover", "--go-on", "--yes", code=1))

    def admin(self, network, *command):
        return json.loads(network.admin("--json", *command))

    def test_audit(self):
        """the auditor's commands hold exactly the fields of docs/json.md, beside a running broker and on copies"""
        with Network(conf="witness_s = 1\n") as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            loops = [clinic.json("send", "-", stdin=referral())["sent"][0]["loop"] for _ in range(2)]
            for loop in loops:
                pantry.wait_state(loop, "requested")
            pantry.run("decline", loops[0], "safety")
            clinic.wait_state(loops[0], "declined")
            wait_for("the members to cosign", lambda: self.admin(network, "verify")["witnessed"])
            copies = [os.path.join(network.root, name) for name in ("backup", "export")]
            self.copying(network, *copies)
            self.verifying(network, copies)
            self.listing(network, loops)
            self.evidence(network, loops[0])
            self.revoking(network, loops)

    def copying(self, network, backup, export):
        answer = self.admin(network, "backup", backup)
        self.matches(ADMIN_COPY, answer)
        self.assertEqual((answer["backup"], answer["sealed"]), (True, True))
        answer = self.admin(network, "export", export, "--without-sealed")
        self.matches(ADMIN_COPY, answer)
        self.assertEqual((answer["backup"], answer["sealed"]), (False, False))

    def verifying(self, network, copies):
        for more in ((), ("--copy", copies[0]), ("--copy", copies[1]), ("--since", os.path.join(copies[0], "checkpoint"))):
            answer = self.admin(network, "verify", *more)
            self.matches(ADMIN_VERIFY, answer)
            for note in (answer["checkpoint"], answer["witnessed"]):
                self.matches(ADMIN_NOTE, note)
            self.assertEqual(answer["backup"], copies[0] in more and "--copy" in more)
            for cosigner in answer["witnessed"]["cosigners"]:
                self.matches({"org": TEXT, "time": TIME}, cosigner)
        checkpoint = self.admin(network, "checkpoint")
        self.matches({"ok": FLAG, "checkpoint": OBJECT}, checkpoint)
        self.matches(ADMIN_NOTE, checkpoint["checkpoint"])
        self.assertEqual(network.admin("checkpoint"), checkpoint["checkpoint"]["note"])

    def listing(self, network, loops):
        answer = self.admin(network, "loops")
        self.matches(ADMIN_LOOPS, answer)
        self.assertEqual(list(answer["counts"]), VERDICTS)
        for loop in answer["loops"]:
            self.matches(ADMIN_LOOP, loop)
        self.assertEqual([(loop["loop"], loop["verdict"]) for loop in answer["loops"]], [(loops[0], "half-closed"), (loops[1], "open")])
        answer = self.admin(network, "loops", "--facts", "--limit", "1")
        self.assertEqual((len(answer["loops"]), answer["matched"]), (1, 2))
        self.matches({**ADMIN_LOOP, "facts": OBJECT}, answer["loops"][0])
        self.matches(ADMIN_FACTS, answer["loops"][0]["facts"])
        self.assertEqual(answer["loops"][0]["facts"]["reason"], "sensitive", "a reason that no list shows")
        self.assertIn("food-insecurity,sensitive,", network.admin("loops", "--facts", "--csv"))
        self.assertNotIn("Example", network.admin("loops", "--facts"), "a person in the auditor's list")

    def evidence(self, network, loop):
        file, svg = (os.path.join(network.root, name) for name in ("proof", "picture"))
        answer = self.admin(network, "evidence", loop[:8], "--out", file, "--svg", svg)
        self.matches(ADMIN_EVIDENCE, answer)
        self.assertEqual((answer["loop"], answer["file"], answer["svg"], answer["with_body"]), (loop, file, svg, False))
        self.assertEqual(os.stat(file).st_size, answer["bytes"])
        self.assertIn("is not written over", network.admin("evidence", loop, "--out", file, code=1))

    def revoking(self, network, loops):
        answer = self.admin(network, "revoke", "elm-pantry", "--reason", "machine stolen", "--yes")
        self.matches({"ok": FLAG, "org": TEXT, "receipt": OBJECT, "open_loops": LIST}, answer)
        self.assertEqual({loop["loop"] for loop in answer["open_loops"]}, set(loops))
        for loop in answer["open_loops"]:
            self.matches({"loop": TEXT, "other": TEXT, "state": TEXT}, loop)
            self.assertEqual(loop["other"], "oak-clinic")
        events = self.admin(network, "members", "--events")
        self.matches({"ok": FLAG, "events": LIST}, events)
        for event in events["events"]:
            self.matches(ADMIN_EVENT, event)
        self.assertEqual([event["event"] for event in events["events"]], ["founded", "invited", "joined", "invited", "joined", "revoked"])
        self.assertEqual(events["events"][-1]["reason"], "machine stolen")

    def proving(self, clinic, loop):
        self.assertEqual(clinic.json("alarms"), {"ok": True, "stopped": False, "warning": "", "alarms": []})
        events = clinic.json("events")
        self.assertEqual(set(events), {"ok", "events", "total"})
        self.assertEqual(events["events"][0]["event"], "founded")
        for event in events["events"]:
            self.matches(EVENT, event)
        ours = clinic.json("checkpoint")
        self.matches(CHECKPOINT, ours)
        with tempfile.TemporaryDirectory() as directory:
            note, file, svg = (os.path.join(directory, name) for name in ("note", "file", "picture"))
            with open(note, "w", encoding="utf-8") as out:
                out.write(ours["note"])
            compared = clinic.json("checkpoint", "--check", note)
            self.matches(COMPARED, compared)
            self.assertEqual(compared["ours"], {"size": ours["size"], "root": ours["root"]})
            self.assertIn(compared["verdict"], ("same", "other-size"))
            answer = clinic.json("evidence", loop, "--with-body", "--out", file, "--svg", svg)
            self.matches(EVIDENCE, answer)
            self.assertEqual((answer["file"], answer["svg"], answer["with_body"], answer["loop"]), (file, svg, True, loop))
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600, "a file with personal data")
            self.assertEqual(os.stat(file).st_size, answer["bytes"])
            self.assertEqual(clinic.refused("evidence", loop, "--out", file)["error"]["code"], "exists")
        control = clinic.control()
        refused = control.call("settle", newest=0)
        self.assertEqual(refused["error"]["code"], "not-found")
        self.assertEqual(control.call("alarm", n=1)["error"]["code"], "not-found")
        control.close()

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
