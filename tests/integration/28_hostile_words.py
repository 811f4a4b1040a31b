"""What a hostile member can make others read, and what a hostile user of the same machine can ask: nothing steers a screen, breaks a file,
writes a log line of its own, or keeps a daemon from its work."""
import base64
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import unittest
import xml.etree.ElementTree

from hostile_rig import ROGUE, Hostile, dumps, framed, raw_connection
from puppet import ACCEPT, COMPLETE, DECLINE, JOIN, NOTE, PROGRESS, REQUEST, Puppet, Thread, digest, flip, message, parse
from rig import Failure, program, referral, wait_for

NOBODY = 65534
# What each would do on a screen that shows it raw: colours, a title, a cursor, a line of its own, text turned around, a bell.
EVIL = ("\x1b[31;5m", "\x1b]0;evil\x07", "\x9b2J", "\x90tmux\x9c", "\r\nok      broker.ready forged=yes", "\u202egnp.exe\u202c",
        "\u2066a\u2069", "\x08\x08",
        "\x7f", "\u2028next\u2029", "\ufeff", "<script>alert(1)</script>", "\"'><svg onload=x>", "]]>&amp;", "%s%n%x", "'; DROP TABLE",
        "\U000e0001",
        "A" * 300, "e" + "\u0301" * 200, "\ufdfd" * 20, "\\u0000")
SVG = "{http://www.w3.org/2000/svg}"


def evil(name):
    return name + " " + " ".join(EVIL)


class Words(Hostile):
    def utter(self, thread, event, body, facts=None):
        answer = self.puppet.say(thread, event, body=dumps(body) if not isinstance(body, bytes) else body,
                                 facts=dumps(facts if facts is not None else {"v": 1, "category": "food-insecurity", "basis": "consent"}))
        self.assertEqual(answer, "accepted")
        return thread

    def everything(self, member, thread):
        """All that staff can read of the loop, in every form; each is tame and well formed."""
        run, loop = member.run, thread.text
        for words in (("show", loop), ("list", "--all"), ("status",), ("members",), ("events",)):
            self.assert_tame(run(*words), lines=True)
            self.assertIsInstance(json.loads(run("--json", *words)), dict)
        self.assertEqual(json.loads(run("export", loop))["resourceType"], "Bundle")
        for words in (("--json", "show", loop), ("export", loop), ("show", loop)):
            self.assert_tame(on_terminal(program("refloop", self.network.build), "--home", member.home, *words), lines=True)
        return self.arrived(member, thread)

    def picture(self, member, thread):
        out = os.path.join(self.network.root, thread.text)
        member.run("evidence", thread.text, "--with-body", "--out", out + ".evidence", "--svg", out + ".svg", timeout=120)
        with open(out + ".svg", encoding="utf-8") as file:
            drawn = file.read()
        self.assert_tame(drawn, lines=True)
        for element in xml.etree.ElementTree.fromstring(drawn).iter():
            self.assertNotIn(element.tag, (SVG + "script", SVG + "foreignObject", SVG + "a", SVG + "image", SVG + "animate", SVG + "set"))
            for name in element.attrib:
                self.assertFalse(name.lower().startswith("on") or "href" in name.lower(), name)
        verified = subprocess.run([os.path.join(os.path.dirname(program("refloop-broker", self.network.build)), "../verify/refloop-verify"),
                                   out + ".evidence", "--root", self.puppet.network.hex()], capture_output=True, text=True, timeout=60,
                                  check=False)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        self.assert_tame(verified.stdout, lines=True)
        self.assert_tame(on_terminal(verified.args[0], *verified.args[1:], "--json"), lines=True)

    def test_every_text(self):
        """escapes, bells, false lines, turned text and markup in every field of a referral and of every step, read in every way there is"""
        thread = Thread(self.pantry_key)
        watch = subprocess.Popen([program("refloop", self.network.build), "--home", self.pantry.home, "watch"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.wait, 10)
        self.addCleanup(watch.terminate)
        person = {name: evil(name) for name in ("name", "birth_date", "phone", "email", "address", "language")}
        person["identifiers"] = [{"system": evil("s"), "value": evil("v"), evil("k"): evil("x")}] * 3
        body = {"v": 1, "person": person, "contact": {"prohibited": False, "how": evil("h"), "when": evil("w")}, "need": evil("need"),
                "consent": {name: evil(name) for name in ("basis", "signed_on", "expires_on", "covers", "source")}, "note": evil("n"),
                "staff": evil("staff"), evil("key"): {evil("in"): [evil("list")]}}
        facts = {"v": 1, "category": EVIL[0], "service": EVIL[1], "codes": [{"system": EVIL[2], "code": EVIL[4]}], "basis": EVIL[5],
                 EVIL[6]: 1}
        self.utter(thread, REQUEST, body, facts)
        self.utter(thread, NOTE, {"v": 1, "note": evil("note"), "missing": evil("m"), "answer": evil("a"), "contact_name": evil("c"),
                                 "contact_phone": evil("p"), "appointment": evil("t"), "staff": evil("s")},
                   {"v": 1, "reason": EVIL[0], "outcome": EVIL[5]})
        wait_for("both", lambda: len(self.arrived(self.pantry, thread)["timeline"]) == 2)
        self.everything(self.pantry, thread)
        self.picture(self.pantry, thread)
        self.assert_tame(self.network.admin("loops"), lines=True)
        self.assertTrue(select.select([watch.stdout], [], [], 20)[0])
        self.assert_tame(watch.stdout.readline().rstrip("\n"))

    def test_steps_of_a_target(self):
        """the same in what a target answers: accept, progress, complete, and decline"""
        for steps in ((ACCEPT, PROGRESS, COMPLETE), (DECLINE,)):
            sent = self.ask(self.clinic, "send", files=[{"name": "-", "text": referral(to=ROGUE)}])["sent"][0]["loop"]
            thread = Thread(self.clinic_key, bytes.fromhex(sent))
            wait_for("the referral", lambda: self.puppet.listen(thread).heard)
            for event in steps:
                self.utter(thread, event, {"v": 1, "note": evil("n"), "contact_name": evil("c"), "contact_phone": evil("p"),
                                           "appointment": evil("t")},
                          {"v": 1, "reason": EVIL[0], "outcome": EVIL[5], "kind": EVIL[2]})
            wait_for("the steps", lambda: len(self.arrived(self.clinic, thread)["timeline"]) == len(steps) + 1)
            self.everything(self.clinic, thread)
            self.picture(self.clinic, thread)
            self.clinic.run("acknowledge", sent)
            self.clinic.wait_state(sent, "closed")

    def test_shapes_of_content(self):
        """content that is no JSON, no object, deep, doubled, of wrong types, no UTF-8, with NUL, empty: unreadable or left out"""
        deep = b'{"need":' + b"[" * 60000 + b"]" * 60000 + b"}"
        cases = [b"", b"\0\0\0", b"[]", b"null", b'"x"', b'{"need":"a","need":"b"}', deep,
                 b'{"need":"\xff\xfe"}', b'{"need":"a\\u0000b"}', b'{"need":"\\ud800"}', b'{"need":1e999}', b'{"need":NaN}',
                 b'{"person":"text","need":{"a":1},"contact":[],"consent":7,"v":"x","fhir":[1],"staff":{}}',
                 b'{"person":{"name":["a"],"identifiers":{"system":1}},"need":true}',
                 b'{"fhir":{"resourceType":"Bundle","entry":[{"resource":' + b'{"a":' * 40 + b"1" + b"}" * 43 + b"]}}",
                 b'{"need":"' + b"\xcc\x81" * 90000 + b'"}', b'{"' + b"k" * 190000 + b'":1}']
        for place, body in enumerate(cases):
            with self.subTest(body[:40]):
                facts = body if len(body) < 900 and place % 2 else b"{}"
                thread = Thread(self.pantry_key)
                self.assertEqual(self.puppet.say(thread, REQUEST, body=body, facts=facts), "accepted")
                seen = self.arrived(self.pantry, thread)
                self.assertIsInstance(seen["request"], dict)
                self.assert_tame(self.pantry.run("show", thread.text), lines=True)
                json.loads(self.pantry.run("export", thread.text))
        self.assert_tame(self.pantry.run("list", "--all"), lines=True)

    def test_sealed(self):
        """a wrong commitment, swapped and broken wraps, points of small order, cut, a class that is a lie: unreadable at most"""
        def edited(edit, event=REQUEST, **more):
            thread = Thread(self.pantry_key)
            statement = self.puppet.draft(thread, event)
            parts = parse(self.puppet.seal(statement, b'{"v":1,"need":"bread"}', b'{"v":1}'))
            compartments = {number: parse(parts[number][0]) for number in (1, 2)}
            edit(compartments)
            sealed = message(*((number, message(*((inner, compartments[number][inner]) for inner in (1, 2, 3, 4)))) for number in (1, 2)))
            self.puppet.attach(statement, sealed).set(**more)
            answer = self.puppet.submit(self.puppet.envelope(statement, sealed))
            if answer == "accepted":
                self.puppet.took(thread, statement)
            return answer, thread

        def wraps(change):
            def edit(parts):
                for part in parts.values():
                    part[3] = [change(dict_of(wrap)) for wrap in part[3]]
            return edit

        def dict_of(wrap):
            fields = parse(wrap)
            return fields[1][0], fields[2][0]

        def bend(number, at):
            def edit(parts):
                for part in parts.values():
                    part[number] = [flip(part[number][0], at)]
            return edit

        def swap(parts):
            for part in parts.values():
                (one, first), (two, second) = dict_of(part[3][0]), dict_of(part[3][1])
                part[3][0:2] = [message((1, one), (2, second)), message((1, two), (2, first))]
        unreadable = {"commitment": bend(1, 0), "nonce": bend(2, 3), "ciphertext": bend(4, 100), "tag": bend(4, 1024),
                      "wraps swapped": swap,
                      "zero point": wraps(lambda pair: message((1, pair[0]), (2, b"\0" * 80))),
                      "small order": wraps(lambda pair: message((1, pair[0]), (2, b"\1" + b"\0" * 31 + pair[1][32:]))),
                      "another's wrap": wraps(lambda pair: message((1, pair[0]), (2, flip(pair[1], 70)))),
                      "body shown as facts": lambda parts: parts.update({1: parts[2] if len(parts[2][3]) == 2 else {**parts[2],
                                                                                                                    3: parts[2][3][:2]}})}
        for name, edit in unreadable.items():
            with self.subTest(name):
                answer, thread = edited(edit)
                self.assertEqual(answer, "accepted", name)
                seen = self.arrived(self.pantry, thread)
                self.assertTrue(seen["timeline"][0]["unreadable"])
                self.assertIn("cannot be", seen["loop"]["notice"])
                self.assertNotIn("bread", json.dumps(seen))
                self.confirmed(thread)
        refused = {"cut": lambda parts: parts[1].update({4: [parts[1][4][0][:-1]]}), "no wrap": lambda parts: parts[1].update({3: []}),
                   "one wrap": lambda parts: parts[1].update({3: parts[1][3][:1]}),
                   "wrap twice": lambda parts: parts[2].update({3: parts[2][3] + parts[2][3][:1]}),
                   "nine wraps": lambda parts: parts[2].update({3: parts[2][3] + [message((1, bytes([i]) * 16),
                                                                                          (2, b"w" * 80)) for i in range(9)]}),
                   "foreign wrap in the body": lambda parts: parts[1].update({3: parts[1][3] + [message((1, b"\5" * 16), (2, b"w" * 80))]}),
                   "short wrap": wraps(lambda pair: message((1, pair[0]), (2, pair[1][:79]))),
                   "no ciphertext": lambda parts: parts[2].update({4: []})}
        for name, edit in refused.items():
            with self.subTest(name):
                self.assertIn(edited(edit)[0], ("malformed", "too-large"))
        for body_class in (1, 2, 3, 4):
            self.assertEqual(edited(lambda parts: None, body_class=body_class)[0], "malformed")
        self.assert_counted(malformed=len(refused) + 4)

    def test_large_texts(self):
        """192 KiB of text in one statement passes and can be read; a mebibyte does not fit, and staff are told so"""
        thread = Thread(self.pantry_key)
        self.utter(thread, REQUEST, {"v": 1, "person": {"name": "N" * 90000}, "need": "w " * 45000})
        self.everything(self.pantry, thread)
        told = self.clinic.refused("send", "-", stdin=referral(need="x" * 2**20))
        self.assertIn("longer than", json.dumps(told))
        told = self.clinic.refused("send", "-", stdin=referral(person="y" * 2**20))
        self.assertIn("longer than", json.dumps(told))

    def test_evil_names(self):
        """an organization whose name turns text around or is very long; names that steer a screen are not let into the network at all"""
        for name in ("Ash\x1b[31m", "Ash\nbroker.ready", "Ash\x9b2J", "a" * 121):
            with self.assertRaises(Failure):
                self.network.invite("bad-name", name)
        turned = "Fir \u202egnp.exe\u202c <b>&amp;</b> " + "x" * 60
        told = self.network.join_only("turned-name", self.network.invite("turned-name", turned))
        self.assert_tame(told, lines=True)
        self.assert_tame(self.network.admin("members"), lines=True)
        wait_for("the new member", lambda: "turned-name" in self.pantry.run("members"))
        for member in (self.pantry, self.clinic):
            self.assert_tame(member.run("members"), lines=True)
            self.assert_tame(member.run("events"), lines=True)


class Tokens(Hostile):
    def test_altered(self):
        """every altered, cut, doubled or guessed invite is refused offline, with one sentence"""
        path = self.network.invite("fir-shelter")
        with open(path, encoding="utf-8") as file:
            text = file.read().strip()
        before = self.status()["handshakes_refused"]
        changed = [text[:at] + ("B" if text[at] != "B" else "C") + text[at + 1:] for at in range(20, len(text), len(text) // 12)]
        guessed = "refloop-invite-1:" + base64.urlsafe_b64encode(os.urandom(700)).decode().rstrip("=")
        for wrong in [*changed, text[:-4], text + "AAAA", text + text, guessed, "refloop-invite-1:", "", "\x1b[31m",
                      text.replace("invite-1", "invite-9")]:
            with open(path, "w", encoding="utf-8") as file:
                file.write(wrong + "\n")
            told = self.network.join_only("fir-shelter", path, code=1)
            self.assertRegex(told, "damaged or was changed|of a newer refloop")
            self.assert_tame(told, lines=True)
        self.assertEqual(self.status()["handshakes_refused"], before, "nothing of it reached the broker")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.assertIn("Done", self.network.join_only("fir-shelter", path))

    def test_race(self):
        """two machines join with one invite at the same moment: one is the member, the other is told in a clear sentence"""
        for attempt in range(3):
            org = f"race-{'abc'[attempt]}"
            token = self.network.invite(org)
            start, told = threading.Barrier(2), {}

            def join(home):
                start.wait()
                told[home] = subprocess.run([program("refloop-agent", self.network.build), "--home", os.path.join(self.network.root, home),
                                             "join", token],
                                            capture_output=True, text=True, timeout=120, check=False)
            threads = [threading.Thread(target=join, args=(f"{org}-{which}",)) for which in "xy"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            codes = sorted(done.returncode for done in told.values())
            self.assertEqual(codes, [0, 1], [done.stderr for done in told.values()])
            (loser,) = [done.stderr for done in told.values() if done.returncode]
            self.assertIn("used", loser)
            members = [row for row in json.loads(self.network.admin("--json", "members"))["members"] if row["org"] == org]
            self.assertEqual([row["state"] for row in members], ["active"])

    def join_as(self, keys, possession, org="yew-thief", once=None):
        """A JOIN with these keys, signed by the invite's own."""
        token = os.path.join(self.network.root, "yew-thief.token")
        puppet = Puppet(self.rogue_home, token)
        with open(token, encoding="utf-8") as file:
            parts = parse(base64.urlsafe_b64decode(file.read().strip().split(":")[1] + "==="))
        once_sign = parse(parse(parse(parts[2][0])[1][0])[17][0])[3][0]
        invite = once or digest("refloop.key.v1", once_sign + b"\0" * 64)[:16]
        fresh = [bytes.fromhex(word) for word in puppet.ask("new").split()][1:]
        keys = keys or fresh
        signed = puppet.network + len(org).to_bytes(4, "big") + org.encode() + b"".join(keys)
        proof = possession or bytes.fromhex(puppet.ask("possess", signed))
        part = message((1, org), (2, invite), (3, message(*enumerate(keys, 1))), (4, proof))
        answer = puppet.submit(puppet.envelope(message((1, 1), (2, puppet.network), (3, org), (4, invite), (5, 1), (JOIN, part))))
        puppet.close()
        return answer

    def test_keys_of_others(self):
        """an invited stranger that joins with another's keys, without possession, for another organization, by another invite"""
        self.network.invite("yew-thief")
        pantry, clinic = self.pantry_key, self.clinic_key
        self.assertIn(self.join_as([pantry.sign, pantry.seal, pantry.curve], None), ("not-permitted", "signature"))
        self.assertEqual(self.join_as(None, b"\1" * 64), "signature")
        self.assertIn(self.join_as(None, None, org=clinic.org), ("not-permitted", "token-spent", "signature"))
        self.assertIn(self.join_as(None, None, once=b"\2" * 16), ("not-permitted", "unknown-member", "token-spent"))
        rows = {row["org"]: row for row in self.administrator.call("members")["members"]}
        self.assertEqual((rows["yew-thief"]["state"], rows["elm-pantry"]["state"]), ("invited", "active"))
        self.assertEqual(rows["elm-pantry"]["key"], pantry.id.hex())
        self.assertGreaterEqual(self.counted("signature", "yew-thief") + self.counted("not-permitted", "yew-thief"), 3)
        self.assertEqual(self.join_as(None, None), "accepted")
        self.assertEqual(self.join_as(None, None), "token-spent")


class ControlSockets(Hostile):
    def sockets(self):
        return [os.path.join(home, "control.sock") for home in (self.network.home, self.pantry.home)]

    @unittest.skipIf(os.geteuid() != 0, "needs root to become another user")
    def test_another_user(self):
        """another user of the machine gets nothing from a control socket, even where somebody has opened the directory and the file"""
        knock = ("import os, socket, sys\nos.setgroups([])\nos.setgid({0})\nos.setuid({0})\n"
                 "s = socket.socket(socket.AF_UNIX)\ns.settimeout(10)\n"
                 "try:\n s.connect(sys.argv[1])\n s.sendall(b'\\0\\0\\0\\x14{{\"command\":\"status\"}}')\n print(len(s.recv(100)))\n"
                 "except OSError as error:\n print(type(error).__name__)\n").format(NOBODY)

        def try_it(path):
            return subprocess.run([sys.executable, "-c", knock, path], capture_output=True, text=True, timeout=30,
                                  check=True).stdout.strip()
        for path in self.sockets():
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            self.assertEqual(os.stat(os.path.dirname(path)).st_mode & 0o077, 0)
            self.assertEqual(try_it(path), "PermissionError")
        opened = [self.network.root, *(os.path.dirname(path) for path in self.sockets()), *self.sockets()]
        modes = {path: os.stat(path).st_mode & 0o777 for path in opened}
        try:
            for path in opened:
                os.chmod(path, 0o777 if path.endswith(".sock") else 0o755)
            for path in self.sockets():
                self.assertIn(try_it(path), ("0", "ConnectionResetError", "BrokenPipeError"))
        finally:
            for path, mode in modes.items():
                os.chmod(path, mode)

    def test_lengths(self):
        """lengths of nothing, past the limit, of four gibibytes, and a request cut in the middle: closed, and the next one is answered"""
        for path in self.sockets():
            for said in (struct.pack(">I", 0), struct.pack(">I", 4 * 2**20 + 1), b"\xff\xff\xff\xff" + b"x" * 100,
                         b"GET / HTTP/1.1\r\n\r\n",
                         framed(b"\xff" * 1000), framed(b"\0" * 10)):
                connection = raw_connection(path)
                connection.sendall(said)
                heard = b""
                while piece := receive(connection):
                    heard += piece
                    if len(heard) > 4 and len(heard) >= 4 + struct.unpack(">I", heard[:4])[0]:
                        break
                self.assertTrue(heard == b"" or b'"ok": false' in heard or b'"ok":false' in heard, heard[:80])
                connection.close()
            half = raw_connection(path)
            half.sendall(framed(b'{"command":"status"}')[:9])
            half.close()
            self.assert_answers(path)

    def assert_answers(self, path):
        connection = raw_connection(path)
        connection.sendall(framed(b'{"command":"status"}'))
        self.assertGreater(len(receive(connection)), 4)
        connection.close()

    def test_bodies(self):
        """JSON that is none, deep, doubled, with NUL, of half a million numbers, with commands of wrong types: each is refused"""
        deep = b'{"command":' + b"[" * 200000 + b"]" * 200000 + b"}"
        for path in self.sockets():
            for body in (b"{", b"null", b"[]", b'"status"', b"{}", b'{"command":7}', b'{"command":"nothing"}',
                         b'{"command":"status","command":"check"}', deep,
                         b'{"command":"sta\\u0000tus"}', b'{"command":"\xff"}', b'{"command":["status"]}',
                         b'{"command":"status","x":[' + b"1," * 500000 + b"1]}",
                         b'{"command":"submit","envelope":"!!"}', b'{"command":"show","loop":{"a":1}}',
                         b'{"command":"send","files":[{"name":1}]}',
                         b'{"command":"send","files":' + b"[" * 2000 + b"]" * 2000 + b"}"):
                connection = raw_connection(path)
                try:
                    connection.sendall(framed(body))
                except OSError:
                    pass
                heard = receive(connection)
                if heard[4:]:
                    answer = json.loads(heard[4:])
                    self.assertIn(answer["ok"], (False, True))
                    self.assertTrue(not answer["ok"] or b"status" in body, body[:60])
                connection.close()
            self.assert_answers(path)

    def test_many_connections(self):
        """two hundred connections that say nothing or half a request: the daemons go on, and answer when they are gone"""
        for path in self.sockets():
            held = []
            for place in range(200):
                connection = socket.socket(socket.AF_UNIX)
                connection.setblocking(False)
                try:
                    connection.connect(path)
                    connection.send(framed(b'{"command":"status"}')[:place % 8])
                except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                    pass
                held.append(connection)
            self.assert_unharmed()
            for connection in held:
                connection.close()
            self.assert_answers(path)

    def test_deaf(self):
        """a client that asks much and reads nothing costs one answer, no more, and delays nobody"""
        before = memory(self.pantry.agent)
        deaf = raw_connection(self.sockets()[1])
        deaf.setblocking(False)
        try:
            for _ in range(20000):
                deaf.send(framed(b'{"command":"list","show":"all"}'))
        except BlockingIOError:
            pass
        self.assert_unharmed()
        self.assertLess(memory(self.pantry.agent) - before, 80 * 1024)
        deaf.close()


def on_terminal(*argv):
    """What a program writes where a person sees it, without its colours and the terminal's carriage returns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"})
    os.close(theirs)
    heard = b""
    try:
        while piece := os.read(ours, 65536):
            heard += piece
    except OSError:
        pass  # the other end is closed
    os.close(ours)
    process.wait(30)
    return re.sub(r"\x1b\[[0-9;]*m", "", heard.decode().replace("\r\n", "\n"))


def receive(connection):
    try:
        return connection.recv(2**20)
    except OSError:
        return b""


def memory(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmRSS")))


if __name__ == "__main__":
    unittest.main()
