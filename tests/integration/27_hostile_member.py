"""What a hostile member can say over its own, good connection: refused by name and counted as its own, and nobody else notices."""
import base64
import os
import shutil
import subprocess
import time
import unittest

from hostile_rig import Hostile
from puppet import (ACCEPT, ACKNOWLEDGE, COMPLETE, COPIES, COSIGN, DELIVERED, ENTRIES, FETCH, HELLO, NOTE, PING, PONG, PROGRESS,
                    PROVE, RECALL, RECEIPTS, REQUEST, SUBMIT, VOID, WELCOME, Puppet, Thread, field, flip, message, varint)
from rig import program, referral, wait_for

MAX32, MAX63 = 2**32 - 1, 2**63 - 1


def broker_memory(network):
    """Resident KiB of the broker."""
    with open(f"/proc/{network.broker.process.pid}/status", encoding="utf-8") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmRSS")))


class Statements(Hostile):
    def requests(self, cases):
        """A fresh request for each case, wrong in one way: {name: (changes before sealing, changes after, expected)}."""
        for name, (changes, after, expected) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.puppet.say(Thread(self.pantry_key), REQUEST, after=after, **changes), expected)
        self.assertEqual(self.logged(), 0)

    def begun(self):
        """A loop of the rogue's with the pantry, in the log."""
        thread = Thread(self.pantry_key)
        self.assertEqual(self.puppet.say(thread, REQUEST), "accepted")
        return thread

    def served(self):
        """A referral from the clinic to the rogue, heard."""
        sent = self.ask(self.clinic, "send", files=[{"name": "-", "text": referral(to="ash-rogue")}])["sent"][0]["loop"]
        thread = Thread(self.clinic_key, bytes.fromhex(sent))
        wait_for("the referral", lambda: self.puppet.listen(thread).heard)
        return thread

    def test_names(self):
        """another's name, key id or network on a statement, and keys that are nobody's"""
        victim = self.clinic_key
        self.requests({
            "author": ({}, {"author": victim.org}, "not-permitted"),
            "author and key": ({}, {"author": victim.org, "author_key": victim.id}, "malformed"),
            "key of another": ({}, {"author_key": victim.id}, "malformed"),
            "key of nobody": ({"author_key": b"\7" * 16}, {}, "not-permitted"),
            "nobody": ({}, {"author": "yew-nobody"}, "not-permitted"),
            "no author": ({}, {"author": None}, "malformed"),
            "network": ({}, {"network": flip(self.puppet.network)}, "wrong-network"),
            "suite": ({}, {"suite": 2}, "version"),
            "no name": ({}, {"author": "Ash Rogue\x1b[2J"}, "malformed"),
        })
        self.assert_counted(not_permitted=3, malformed=4, wrong_network=1, version=1)

    def test_readers(self):
        """no reader, itself, five, twice the same, one unknown, one only invited, keys that are not theirs"""
        self.network.invite("fir-invited")
        pantry = (self.pantry_key.org, self.pantry_key.id)
        many = [pantry] + [(f"org-{i}", bytes([i]) * 16) for i in range(4)]
        self.requests({
            "none": ({}, {"readers": []}, "malformed"),
            "self": ({}, {"readers": [(self.puppet.me.org, self.puppet.me.id)]}, "malformed"),
            "five": ({}, {"readers": many}, "malformed"),
            "twice": ({}, {"readers": [pantry, pantry]}, "malformed"),
            "unknown": ({"readers": [("yew-nobody", b"\5" * 16)]}, {}, "unknown-member"),
            "invited": ({"readers": [("fir-invited", b"\5" * 16)]}, {}, "unknown-member"),
            "wrong key": ({"readers": [(self.pantry_key.org, b"\5" * 16)]}, {}, "reader-key"),
            "another's key": ({"readers": [(self.pantry_key.org, self.clinic_key.id)]}, {}, "reader-key"),
        })
        self.assert_counted(malformed=4, unknown_member=2, reader_key=2)

    def test_places(self):
        """a sequence of zero, a gap, the largest there is, a wrong previous, a loop nobody began"""
        thread, other = self.begun(), Thread(self.pantry_key)
        before = self.logged()
        cases = {
            "zero": ({}, {"seq": 0}, "malformed"),
            "first again": ({"seq": 1, "previous": None}, {}, "equivocation"),
            "gap": ({"seq": 3}, {}, "sequence"),
            "largest": ({"seq": MAX32}, {}, "sequence"),
            "too large": ({}, {"seq": MAX32 + 1}, "malformed"),
            "no previous": ({}, {"previous": None}, "malformed"),
            "wrong previous": ({"previous": flip(thread.last)}, {}, "equivocation"),
            "heard what nobody said": ({"heard": b"\3" * 32}, {}, "unknown-reference"),
            "heard itself": ({"heard": thread.last}, {}, "unknown-reference"),
        }
        for name, (changes, after, expected) in cases.items():
            with self.subTest(name):
                self.assertEqual(self.puppet.say(thread, NOTE, after=after, **changes), expected)
        self.assertEqual(self.puppet.say(other, NOTE), "unknown-loop")
        self.assertEqual(self.puppet.say(other, REQUEST, after={"loop": b"\0" * 16}), "malformed")
        self.assertEqual(self.logged() - before, 0)
        self.assertEqual(self.puppet.say(thread, NOTE), "accepted")
        self.assert_counted(malformed=4, equivocation=2, sequence=2, unknown_reference=2, unknown_loop=1)

    def test_equivocation(self):
        """two statements for one place of a loop: the first stands, the second is refused, and the reader sees one"""
        thread = Thread(self.pantry_key)
        first, first_envelope = self.puppet.make(thread, REQUEST, body=b'{"need":"bread"}')
        _, second_envelope = self.puppet.make(thread, REQUEST, body=b'{"need":"a car"}')
        self.assertEqual(self.puppet.submit(first_envelope, second_envelope), ["accepted", "loop-exists"])
        self.puppet.took(thread, first)
        notes = [self.puppet.make(thread, NOTE, body=b'{"note":"%d"}' % i)[1] for i in range(8)]
        self.assertEqual(self.puppet.submit(*notes), ["accepted"] + ["equivocation"] * 7)
        self.assertEqual(self.logged(), 2)
        seen = self.arrived(self.pantry, thread)
        self.assertEqual(seen["request"].get("need"), "bread")
        self.assert_counted(equivocation=7, loop_exists=1)

    def test_replay_own(self):
        """one's own statement a hundred times: one entry, one receipt, no second effect; also after a new connection"""
        thread = Thread(self.pantry_key)
        statement, envelope = self.puppet.make(thread, REQUEST)
        self.assertEqual(self.puppet.submit(*[envelope] * 64), ["accepted"] * 64)
        self.puppet.connect()
        self.assertEqual(self.puppet.submit(*[envelope] * 36), ["accepted"] * 36)
        self.assertEqual((self.grown("duplicates"), self.logged()), (99, 1))
        self.puppet.took(thread, statement)
        self.arrived(self.pantry, thread)
        self.confirmed(thread)
        self.assertEqual(len(self.arrived(self.pantry, thread)["timeline"]), 1)

    def test_replay_others(self):
        """what others said to it, sent back as it is, and with its own signature: nothing of it is taken"""
        self.served()
        wait_for("its receipt", lambda: self.ask(self.clinic, "status")["queue"]["waiting"] == 0)
        theirs = [entry for entry in self.puppet.fetch() if entry[1] not in ("", "ash-rogue")]
        self.assertGreater(len(theirs), 2)
        entries, refused = self.status()["entries"], self.counted("signature")
        for *_, statement, envelope in theirs:
            self.assertEqual(self.puppet.submit(envelope), "signature")
            self.assertIn(self.puppet.submit(self.puppet.envelope(statement)), ("signature", "not-permitted"))
        self.assertEqual(self.status()["entries"], entries)
        self.assertGreaterEqual(self.counted("signature") - refused, len(theirs))

    def test_sealed_swap(self):
        """the sealed part of one statement under another, none at all, and one where there must be none"""
        one, other = Thread(self.pantry_key), Thread(self.pantry_key)
        statement, _ = self.puppet.make(one, REQUEST)
        foreign = self.puppet.seal(self.puppet.draft(other, REQUEST))
        self.assertEqual(self.puppet.submit(self.puppet.envelope(statement, foreign)), "signature")
        self.assertEqual(self.puppet.submit(self.puppet.envelope(statement)), "signature")
        thread = self.served()
        delivered = self.puppet.draft(thread, DELIVERED)
        self.assertEqual(self.puppet.submit(self.puppet.envelope(delivered, foreign)), "malformed")
        self.assert_counted(signature=2, malformed=1)

    def test_roles(self):
        """the source accepts its own referral, the target acknowledges, a third party speaks in a loop of others"""
        own, theirs = self.begun(), self.served()
        self.assertEqual(self.puppet.say(own, ACCEPT), "wrong-state")
        self.assertEqual(self.puppet.say(own, COMPLETE), "wrong-state")
        self.assertEqual(self.puppet.say(theirs, ACKNOWLEDGE), "wrong-state")
        self.assertEqual(self.puppet.say(theirs, PROGRESS), "wrong-state")
        self.assertEqual(self.puppet.say(theirs, VOID), "wrong-state")
        loop = bytes.fromhex(self.ask(self.clinic, "send", files=[{"name": "-", "text": referral()}])["sent"][0]["loop"])
        wait_for("it to be logged", lambda: self.ask(self.clinic, "status")["queue"]["waiting"] == 0)
        for partner in (self.clinic_key, self.pantry_key):
            foreign = Thread(partner, loop)
            self.assertIn(self.puppet.say(foreign, NOTE), ("not-permitted",))
            self.assertIn(self.puppet.say(foreign, REQUEST), ("not-permitted", "loop-exists"))
        moved = Thread(self.clinic_key, own.loop)
        moved.seq, moved.last = own.seq, own.last
        self.assertEqual(self.puppet.say(moved, NOTE), "not-permitted")
        self.assertEqual(self.arrived(self.pantry, own)["loop"]["state"], "requested")

    def test_forged_delivery(self):
        """a confirmation of what was never said, of one's own, of another loop's, of a confirmation; and a true one twice"""
        own, theirs, other = self.begun(), self.served(), self.served()
        for name in (b"\6" * 32, own.last, other.heard):
            self.assertEqual(self.puppet.say(theirs, DELIVERED, delivered=name), "unknown-reference")
        self.assertEqual(self.puppet.say(theirs, DELIVERED), "accepted")
        self.assertEqual(self.puppet.say(theirs, DELIVERED, delivered=theirs.last), "unknown-reference")
        wait_for("the clinic to see it delivered", lambda: self.arrived(self.clinic, theirs)["timeline"][0]["stage"] == "delivered")
        first = self.arrived(self.clinic, theirs)["timeline"][0]["delivered"]
        self.assertIn(self.puppet.say(theirs, DELIVERED), ("accepted", "equivocation", "unknown-reference"))
        self.assertEqual(self.puppet.say(theirs, NOTE, body=b'{"note":"after it"}'), "accepted")
        wait_for("the note", lambda: len(self.arrived(self.clinic, theirs)["timeline"]) == 2)
        self.assertEqual(self.arrived(self.clinic, theirs)["timeline"][0]["delivered"], first)
        self.assertGreaterEqual(self.ask(self.clinic, "status")["loops"]["undelivered"], 1, "the other one was never confirmed")
        self.assert_counted(unknown_reference=4)

    def test_silent_reader(self):
        """a reader that never confirms: the sender sees it as not delivered, with the step and since when"""
        thread = self.served()
        wait_for("the receipt", lambda: self.arrived(self.clinic, thread)["timeline"][0]["accepted"])
        seen = self.arrived(self.clinic, thread)
        self.assertEqual(seen["timeline"][0]["stage"], "accepted")
        self.assertIsNone(seen["timeline"][0]["delivered"])
        self.assertEqual((seen["loop"]["undelivered"], seen["loop"]["next"]["org"]), (1, "ash-rogue"))

    def test_clock_lies(self):
        """claimed times at the ends of the calendar: taken, shown sanely, and no deadline moves by them"""
        for claimed in (0, 1, 253402300799999, MAX63):
            thread = Thread(self.pantry_key)
            with self.subTest(claimed):
                self.assertEqual(self.puppet.say(thread, REQUEST, authored_ms=claimed, due_ms=claimed or None), "accepted")
                seen = self.arrived(self.pantry, thread)
                self.assertLess(abs(time.time() - parse_time(seen["loop"]["created"])), 120)
                shown = self.pantry.run("show", thread.text)
                self.assert_tame(shown, lines=True)
        self.assertEqual(self.puppet.say(Thread(self.pantry_key), REQUEST, after={"authored_ms": 2**64 - 1}), "malformed")
        self.assertEqual(self.puppet.say(Thread(self.pantry_key), REQUEST, after={"due_ms": 2**64 - 5}), "malformed")
        self.assert_tame(self.pantry.run("list", "--all"), lines=True)
        self.assert_tame(self.network.admin("loops"), lines=True)
        self.assert_counted(malformed=2)

    def test_key_validity(self):
        """an invite's key before the join, and a key after it was replaced: not one statement"""
        token = self.network.invite("bay-early")
        early = Puppet(self.rogue_home, token)
        thread = Thread(self.pantry_key)
        self.assertEqual(early.say(thread, REQUEST), "not-permitted")
        early.close()
        member = self.network.join("ivy-former", start=False)
        former = os.path.join(self.network.root, "ivy-copy")
        shutil.copytree(member.home, former)
        subprocess.run([program("refloop-agent", self.network.build), "--home", member.home, "rotate"], capture_output=True, timeout=60,
                       check=True)
        thief = Puppet(former)
        thief.meet(self.pantry.home)
        entries = self.status()["entries"]
        self.assertEqual(thief.say(Thread(self.pantry_key), REQUEST), "refused unknown-member")
        thief.send(field(FETCH, message((1, 0), (2, 1 << 18))))
        self.assertEqual(thief.answer(), "refused unknown-member")
        thief.close()
        self.assertEqual(self.status()["entries"], entries)
        self.assert_counted("ivy-former", unknown_member=2)
        self.assert_counted("bay-early", not_permitted=1)

    def test_keys_of_others(self):
        """new keys that are another's, the broker's or of small order, or whose possession is not proved"""
        def rotate(keys, possession):
            statement = self.puppet.draft(Thread(self.pantry_key), NOTE)
            part = message((1, message((1, keys[0]), (2, keys[1]), (3, keys[2]))), (2, possession))
            whole = message((1, 1), (2, statement.network), (3, statement.author), (4, statement.author_key), (5, statement.authored_ms),
                            (21, part))
            return self.puppet.submit(self.puppet.envelope(whole))

        def proof(keys):
            org = self.puppet.me.org.encode()
            return bytes.fromhex(self.puppet.ask("possess", self.puppet.network + len(org).to_bytes(4, "big") + org + b"".join(keys)))
        fresh = [bytes.fromhex(word) for word in self.puppet.ask("new").split()][1:]
        victim = [self.pantry_key.sign, self.pantry_key.seal, self.pantry_key.curve]
        zero, one = b"\1" + b"\0" * 31, b"\1" + b"\0" * 31
        for name, keys in {"all of another": victim, "sealing key of another": [fresh[0], victim[1], fresh[2]],
                           "curve key of another": [fresh[0], fresh[1], victim[2]], "network's": [self.puppet.network, *fresh[1:]],
                           "one for two": [fresh[0], fresh[1], fresh[1]], "small order": [fresh[0], one, fresh[2]],
                           "small order signs": [zero, *fresh[1:]]}.items():
            with self.subTest(name):
                self.assertIn(rotate(keys, proof(keys)), ("not-permitted", "signature"))
        self.assertEqual(rotate(fresh, flip(proof(fresh))), "signature")
        self.assertEqual(self.logged(), 0)


def parse_time(text):
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone


class Messages(Hostile):
    def test_broker_messages(self):
        """what only the broker may say: forged receipts, entries, a welcome, a recall: refused, by kind"""
        receipt = message((1, b"\1" * 32), (2, 3), (3, 4), (4, 0))
        for kind, body in {WELCOME: message((1, b"\1" * 16), (2, 1), (3, 1), (7, 1)), RECEIPTS: message((1, receipt)),
                           ENTRIES: message((1, 0), (2, 0)),
                           PONG: message((1, 1), (2, 1), (3, 1)), RECALL: message((1, 1))}.items():
            with self.subTest(kind):
                self.assertEqual(self.puppet.talk(kind, body), "refused not-permitted")
        self.assert_counted(not_permitted=5)

    def test_hello(self):
        """another protocol, another network, a checkpoint that is none, a version that would be a log line of its own"""
        for changes, expected in (({"protocol": 1}, "refused version"), ({"protocol": 99}, "refused version"),
                                  ({"network": b"\1" * 32}, "refused wrong-network"), ({"network": b"\1"}, "refused malformed"),
                                  ({"checkpoint": b"no note"}, "refused malformed"), ({"checkpoint": b"n" * 4096}, "refused too-large"),
                                  ({"version": "1\nbroker.ready"}, "refused malformed"),
                                  ({"version": "\x1b]0;evil\x07"}, "refused malformed"),
                                  ({"version": b"\xff\xfe"}, "refused malformed"), ({"version": b"a\0b"}, "refused malformed"),
                                  ({"version": "v" * 24}, "refused malformed"), ({"cursor": 2**64 - 1}, "welcome")):
            with self.subTest(str(changes)[:60]):
                self.assertIn(self.puppet.hello(**changes), (expected, expected.replace("too-large", "malformed")))
        self.assertNotIn("broker.ready", "\n".join(self.network.broker.lines[self.said[self.network.broker]:]))

    def test_forged_checkpoint(self):
        """a checkpoint with the broker's name and somebody else's signature does not put the broker into recovery"""
        text = f"refloop.org/{self.puppet.network.hex()}\n999999\n{'A' * 43}=\n"
        signature = bytes.fromhex(self.puppet.ask("sign-note", text.encode()))
        note = (text + "\n— broker " + base64.b64encode(b"\1\2\3\4" + signature).decode() + "\n").encode()
        self.assertIn(self.puppet.hello(checkpoint=note), ("refused signature", "refused malformed"))
        self.assertIsNone(self.status()["recovery"])

    def test_cosignatures(self):
        """cosignatures that are forged, of another size, of the end of time, in masses: none is kept"""
        size = wait_for("a round of witnesses", lambda: (self.status()["witnesses"] or {}).get("size"))
        for body in (message((1, size), (2, 1), (3, b"\1" * 64)), message((1, size), (2, 2**64 - 1), (3, b"\2" * 64))):
            self.assertIn(self.puppet.talk(COSIGN, body), ("refused signature",))
        for body in (message((1, 2**64 - 1), (2, 1), (3, b"\1" * 64)), message((1, size + 7), (2, 1), (3, b"\1" * 64))):
            self.assertEqual(self.puppet.talk(COSIGN, body, 300), "silence")
        self.assertEqual(self.puppet.talk(COSIGN, message((1, 0), (2, 1), (3, b"\1" * 63))), "refused malformed")
        self.puppet.send(field(COSIGN, message((1, size), (2, 1), (3, b"\1" * 64))), 300)
        self.assertEqual(set(self.puppet.drain()) - {"refused signature"}, set())
        self.assertGreaterEqual(self.counted("signature"), 302)
        self.assertLessEqual(self.status()["witnesses"]["cosigned"], 2)

    def test_prove(self):
        """proofs of entries that are not there, of none, of too many, and two hundred frames of as many as may be asked at once"""
        entries = self.status()["entries"]
        for body in (message((1, entries + 1), (2, 0)), message((1, 2**64 - 1), (2, 2**64 - 2)), message((1, 3), (2, 3)), message((1, 3)),
                     message((1, 3), (2, [0] * 65)), message((1, 0), (2, 0))):
            self.assertRegex(self.puppet.talk(PROVE, body), "refused (invalid|malformed|too-large|unknown-reference)")
        self.puppet.send(field(PROVE, message((1, entries), (2, [0] * 64))), 200)
        heard = self.puppet.drain()
        self.assertEqual(set(heard) - {"proofs", "refused quota"}, set(), heard)

    def test_copies(self):
        """copies that nobody asked for, empty, forged, large: nothing of it is taken, nothing grows"""
        copy = message((1, 2), (2, 1), (3, b"e" * 200000), (4, b"c" * 2000))
        for body in (b"", message((1, copy)), message((2, 1)), message((1, [message((1, 1), (2, 1), (3, b"e"), (4, b"c"))] * 65))):
            self.assertIn(self.puppet.talk(COPIES, body, 500), ("silence", "refused malformed", "refused too-large"))
        self.assertEqual(self.logged(), 0)

    def test_nested(self):
        """ten thousand levels of messages in one another, in every place that takes one: refused, no stack is used up"""
        for kind in (HELLO, SUBMIT, FETCH, PING, COPIES, PROVE, RECEIPTS, 99):
            deep = b""
            for _ in range(10000):
                deep = field(1, deep)
            with self.subTest(kind):
                self.assertRegex(self.puppet.talk(kind, deep[:200000]), "refused|receipt|malformed")
        envelope = message((1, b"\xa2\x01" * 2000), (2, message((1, b"s" * 64), (2, 1), (3, 0))))
        self.assertRegex(self.puppet.submit(envelope), "signature|malformed")
        self.assertGreaterEqual(self.counted("malformed") + self.counted("signature") + self.counted("too-large"), 8)

    def test_amplified(self):
        """a quarter of a mebibyte of empty messages, fields, receipts, readers: refused, and the broker's memory stays what it was"""
        before = broker_memory(self.network)
        empty = {SUBMIT: b"\x0a\x00", COPIES: b"\x0a\x00", PROVE: b"\x10\x01", RECEIPTS: b"\x0a\x00", ENTRIES: b"\x1a\x00",
                 HELLO: b"\x22\x00"}
        for kind, grain in empty.items():
            for _ in range(5):
                self.assertRegex(self.puppet.talk(kind, grain * (250000 // len(grain))), "refused (malformed|too-large)")
        self.assertEqual(self.counted("malformed") + self.counted("too-large"), 30)
        grown = broker_memory(self.network) - before
        print(f"hostile_member: 30 amplified frames of 250 kB, the broker grew by {grown} KiB")
        self.assertLess(grown, 64 * 1024)

    def test_encodings(self):
        """overlong numbers, fields twice, unknown fields and values, false written out: there is one form of one statement"""
        thread = Thread(self.pantry_key)
        good = self.puppet.draft(thread, REQUEST)
        self.puppet.attach(good, self.puppet.seal(good))
        suite = b"\x08\x01"
        cases = {
            "unknown field": good.encode() + field(99, 1), "unknown in the loop": good.set(loop_extra=field(99, b"x")).encode(),
            "author twice": good.set(loop_extra=b"").encode() + field(3, "oak-clinic"),
                 "event twice": good.set(loop_extra=field(2, 14)).encode(),
            "loop twice": good.set(loop_extra=b"").encode() + field(20, b""), "two kinds": good.encode() + field(18, b""),
            "overlong suite": b"\x08" + varint(1, 1) + good.encode()[2:], "overlong tag": b"\x88\x00" + good.encode()[1:],
            "unknown event": good.set(event=17).encode(), "event past an int": good.set(event=2**31).encode(),
            "unknown priority": good.set(event=0, priority=3).encode(), "unknown class": good.set(priority=1, body_class=5).encode(),
            "false written out": good.set(body_class=0, automatic=0).encode(),
                 "fixed64": good.set(automatic=None).encode() + b"\x29" + b"\0" * 8,
            "group": good.encode() + b"\x33\x34", "cut": good.encode()[:-1], "eleven byte number": suite + b"\x28" + b"\xff" * 10 + b"\1",
            "5 KiB": good.encode() + field(3, "a" * 5000), "empty": b"",
        }
        self.assertEqual(good.encode()[:2], suite)
        for name, statement in cases.items():
            with self.subTest(name):
                self.assertIn(self.puppet.submit(self.puppet.envelope(statement, b"s")),
                              ("malformed", "too-large", "refused malformed", "refused too-large"))
        self.assertEqual(self.logged(), 0)
        self.assertEqual(self.counted("malformed") + self.counted("too-large"), len(cases))

    def test_envelopes(self):
        """envelopes whose signature claims another tree, place or path, and frames of sixty-five"""
        _, envelope = self.puppet.make(Thread(self.pantry_key), REQUEST)
        data = self.puppet.draft(Thread(self.pantry_key), REQUEST).encode()
        root = bytes.fromhex(self.puppet.ask("sign", data))
        for name, signature in {"size 0": message((1, root), (2, 0), (3, 0)), "size 2, no path": message((1, root), (2, 2), (3, 0)),
                                "index past": message((1, root), (2, 1), (3, 1)),
                                "huge tree": message((1, root), (2, MAX32), (3, 5), (4, b"p" * 1024)),
                                "path": message((1, root), (2, 2), (3, 1), (4, b"p" * 32)),
                                "half a hash": message((1, root), (2, 2), (3, 1), (4, b"p" * 31)),
                                "zeros": message((1, b"\0" * 64), (2, 1), (3, 0)),
                                "short": message((1, root[:63]), (2, 1), (3, 0))}.items():
            with self.subTest(name):
                self.assertRegex(str(self.puppet.submit(message((1, data), (2, signature), (3, b"s")))),
                                 "^(refused )?(signature|malformed|too-large)$")
        self.assertRegex(self.puppet.talk(SUBMIT, message((1, [envelope[:2000]] * 65))), "refused (malformed|too-large)")
        self.assertEqual(self.puppet.talk(SUBMIT, b""), "refused malformed")
        self.assertEqual(self.logged(), 0)

    def test_selftest(self):
        """the measures themselves fail where they must: a harmed broker, an uncounted refusal, an unclean line"""
        self.assertEqual(self.puppet.say(Thread(self.pantry_key), REQUEST), "accepted")
        with self.assertRaises(AssertionError):
            self.assert_counted(signature=1)
        for line in ("a\x1b[31m", "a\x9b31m", "a\nbroker.ready", "a\u202eb"):
            with self.assertRaises(AssertionError):
                self.assert_tame(line)
        pid = self.pids[self.network.broker]
        self.pids[self.network.broker] = 1
        with self.assertRaises(AssertionError):
            self.assert_unharmed()
        self.pids[self.network.broker] = pid


class Masses(Hostile):
    """A small share, so that it is soon used up."""
    conf = "statements_per_minute = 300\n"

    def test_giant_number_of_loops(self):
        """a member that begins loops without end is told to come back; another's referral is not even late"""
        made = [self.puppet.make(Thread(self.pantry_key), REQUEST)[1] for _ in range(60)]
        self.assertEqual(set(self.puppet.submit(*made)), {"accepted"})
        answers = []
        for _ in range(8):
            answers += self.puppet.submit(*[self.puppet.make(Thread(self.pantry_key), REQUEST)[1] for _ in range(40)])
        self.assertEqual(answers.count("accepted"), 240)
        self.assertEqual(answers.count("quota"), 80)
        self.assert_unharmed()
        self.assertEqual(self.counted("quota"), 80)
        wait_for("the pantry to have them all", lambda: self.staff["elm-pantry"].call("list", show="all", limit=1)["total"] >= 300)
        self.assertEqual(len(self.ask(self.pantry, "list", show="all", limit=5)["loops"]), 5)
        self.assertEqual(self.counted("quota", "oak-clinic"), 0)

    def test_messages_without_end(self):
        """three thousand messages in one go: past its share nothing of them is even read, others are served"""
        self.puppet.send(field(PING, message((1, 1))), 3000)
        self.assert_unharmed()
        heard = self.puppet.drain()
        self.assertLessEqual(heard.get("pong", 0), 1800)
        self.assertGreaterEqual(self.counted("quota"), 1000)
        self.assertEqual(set(heard) - {"pong", "refused quota"}, set())


if __name__ == "__main__":
    unittest.main()
