"""Everything that proves something, by the real programs: checkpoints, evidence, verification, loops and key events."""
import base64
import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree

import rig
from rig import Failure, Network, program, referral, wait_for

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
READER = os.path.join(TESTS, "proof_reader", "read.py")
MAGIC = b"refloop-evidence-1\n"
SEED = 20261122
FLIPS = 200
EVIDENCE_MAX = 64 * 1024


def refloop_verify(file, root, *more, alone=()):
    """`refloop-verify` as an outsider has it: no home, no account, and with `alone` no network."""
    return subprocess.run([*alone, os.path.join(os.path.abspath(rig.BUILD), "broker/verify/refloop-verify"), file, "--root", root, *more],
                          capture_output=True, text=True, env={}, timeout=60, check=False)


def reader(*arguments, stdin=None):
    """The independent reader: the exit code, and what it printed."""
    done = subprocess.run([sys.executable, READER, *arguments], input=stdin, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def without_network():
    """The words before a command that take the network from it; none where that is not permitted."""
    alone = ["/usr/bin/unshare", "--user", "--map-root-user", "--net"]
    done = subprocess.run([*alone, "/bin/true"], capture_output=True, check=False) if os.path.exists(alone[0]) else None
    return alone if done and done.returncode == 0 else []


# Evidence files, read from proto/evidence.proto and proto/envelope.proto alone.


def varint(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """{field number: [values]} of one message."""
    found, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        found.setdefault(tag >> 3, []).append(value)
    return found


def one(message, number, otherwise=None):
    return message.get(number, [otherwise])[0]


class Entry:
    """One entry of an evidence file, with its leaf built by hand."""

    def __init__(self, data, checkpoints):
        entry = fields(data)
        envelope = fields(one(entry, 3))
        signature = fields(one(envelope, 2))
        self.index, self.time_ms = one(entry, 1), one(entry, 2)
        self.note = checkpoints[one(entry, 4)]
        path = one(entry, 5, b"")
        self.proof = [path[at:at + 32] for at in range(0, len(path), 32)]
        statement, path = one(envelope, 1), one(signature, 4, b"")
        self.statement = fields(statement)
        self.leaf = (self.time_ms.to_bytes(8, "big") + b"\x01" + len(statement).to_bytes(4, "big") + statement + one(signature, 1)
                     + one(signature, 2).to_bytes(4, "big") + one(signature, 3).to_bytes(4, "big") + len(path).to_bytes(4, "big") + path)


class Evidence:
    """An evidence file as an outsider who trusts none of our code would take it apart."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        assert data.startswith(MAGIC)
        message = fields(data[len(MAGIC):-32])
        self.root = one(message, 1)
        self.checkpoints = message[3]
        self.entries = [Entry(entry, self.checkpoints) for entry in message[4]]
        self.log_key = one(fields(one(self.entries[0].statement, 16)), 4)
        self.sign_keys = {}
        for entry in self.entries:
            if 18 in entry.statement:
                join = fields(one(entry.statement, 18))
                self.sign_keys[one(join, 1).decode()] = one(fields(one(join, 3)), 1)


class Proof(unittest.TestCase):
    """A network of three, all of whom have cosigned a log with one closed loop."""

    def setUp(self):
        self.network = Network(members=(), conf="witness_s = 1\n")
        self.addCleanup(self.network.__exit__, None, None, None)
        for org in ("oak-clinic", "elm-pantry", "fir-shelter"):
            self.network.join(org, start=False)
            with open(os.path.join(self.network[org].home, "agent.conf"), "a", encoding="utf-8") as file:
                file.write("ping_s = 1\nwitness_s = 1\n")
            self.network[org].start().wait_online()
        self.clinic, self.pantry, self.shelter = (self.network[org] for org in ("oak-clinic", "elm-pantry", "fir-shelter"))
        self.early = self.keep("early.note", self.network.admin("checkpoint"))
        self.loop = self.close_one(self.clinic, self.pantry)
        self.root = json.loads(self.network.admin("--json", "status"))["network"]["id"]
        wait_for("all to cosign", self.all_have_cosigned)

    def close_one(self, source, target):
        loop = source.json("send", "-", stdin=referral(to=target.org))["sent"][0]["loop"]
        target.wait_state(loop, "requested")
        target.run("accept", loop, stdin="")
        source.wait_state(loop, "accepted")
        target.run("progress", loop, "outreach", stdin="")
        target.run("complete", loop, "service-provided", "--text", "-", stdin="Three bags of groceries, and a smile")
        source.wait_state(loop, "completed")
        source.run("acknowledge", loop, stdin="")
        target.wait_state(loop, "closed")
        source.wait_quiet()
        target.wait_quiet()
        return loop

    def all_have_cosigned(self):
        seen = json.loads(self.network.admin("--json", "verify"))
        witnessed = seen["witnessed"]
        return witnessed and witnessed["size"] == seen["entries"] and len(witnessed["cosigners"]) == 3

    def keep(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def path(self, name):
        return os.path.join(self.network.root, name)

    def evidence(self, name):
        path = self.path(name)
        if not os.path.exists(path):
            self.network.admin("evidence", self.loop, "--out", path)
        return path

    def test_reader(self):
        """checkpoints, cosignatures and inclusion proofs are what their specifications say, to a reader that shares no code with us"""
        backup = self.path("backup-for-reader")
        self.network.admin("backup", backup)
        with open(os.path.join(backup, "checkpoint"), encoding="utf-8") as file:
            copied = file.read()
        evidence = Evidence(self.evidence("reader.evidence"))
        self.assertEqual(evidence.root.hex(), self.root)
        notes = [self.network.admin("checkpoint"), copied, *(member.run("checkpoint") for member in (self.clinic, self.shelter))]
        for note in notes + [note.decode() for note in evidence.checkpoints]:
            self.checkpoint(note.encode(), evidence.log_key)
        cosigned = self.network.admin("checkpoint").encode()
        for org in ("oak-clinic", "elm-pantry", "fir-shelter"):
            self.cosignature(cosigned, org, evidence.sign_keys)
        self.cosignature(self.clinic.run("checkpoint").encode(), "elm-pantry", evidence.sign_keys)
        self.assertGreaterEqual(len(evidence.entries), 3 + 2 * 4)
        for entry in evidence.entries:
            self.inclusion(entry)

    def flipped(self, data, place):
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]

    def checkpoint(self, note, key):
        code, said = reader("checkpoint", "-", "--log-key", key.hex(), stdin=note)
        self.assertEqual(code, 0, said)
        self.assertIn(f"size: {note.decode().splitlines()[1]}", said)
        end = note.index(b"\n\n")
        for place in (10, end - 10, end + len(note.split(b"\n\n")[1].split(b"\n")[0]) - 4):
            self.assertEqual(reader("checkpoint", "-", "--log-key", key.hex(), stdin=self.flipped(note, place))[0], 1, place)
        self.assertEqual(reader("checkpoint", "-", "--log-key", self.flipped(key, 31).hex(), stdin=note)[0], 1)

    def cosignature(self, note, org, keys):
        name = note.decode().split("\n")[0] + "/" + org
        line = next(line for line in note.split(b"\n") if line.startswith(f"\u2014 {name} ".encode()))
        arguments = ("cosignature", "-", "--name", name, "--key", keys[org].hex())
        code, said = reader(*arguments, stdin=note)
        self.assertEqual(code, 0, said)
        signature = bytearray(base64.b64decode(line.split(b" ")[2]))
        for place in (5, 20, len(signature) - 1):  # the time, the signature
            changed = signature.copy()
            changed[place] ^= 1
            bad = note.replace(line.split(b" ")[2], base64.b64encode(bytes(changed)))
            self.assertNotEqual(bad, note)
            self.assertEqual(reader(*arguments, stdin=bad)[0], 1, place)

    def inclusion(self, entry):
        _, size, root = entry.note.decode().split("\n")[:3]
        root = base64.b64decode(root)

        def ask(leaf, index, proof):
            return reader("inclusion", "--leaf", leaf.hex(), "--index", str(index), "--size", size, "--root", root.hex(), "--proof",
                          *(one_hash.hex() for one_hash in proof))
        self.assertEqual(ask(entry.leaf, entry.index, entry.proof)[0], 0, entry.index)
        self.assertEqual(ask(self.flipped(entry.leaf, entry.index % len(entry.leaf)), entry.index, entry.proof)[0], 1)
        self.assertEqual(ask(entry.leaf, entry.index ^ 1, entry.proof)[0], 1)
        self.assertEqual(ask(entry.leaf, entry.index, [self.flipped(entry.proof[0], 0), *entry.proof[1:]])[0], 1)

    def test_evidence(self):
        """evidence of administrator and member convinces an outsider who has the root key and nothing else; one flipped byte does not"""
        files = {"administrator": (self.path("admin.evidence"), self.network.admin), "member": (self.path("member.evidence"), self.clinic.run)}
        alone = without_network()
        for who, (file, run) in files.items():
            svg = file + ".svg"
            said = run("evidence", self.loop[:8], "--out", file, "--svg", svg)
            self.assertIn(f"--root {self.root}", " ".join(said.split()), who)
            self.assertLessEqual(os.stat(file).st_size, EVIDENCE_MAX)
            self.picture(svg)
            done = refloop_verify(file, self.root, alone=alone)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stdout.startswith("This file is true"), done.stdout)
            for word in ("Oak Clinic", "Elm Pantry", "accepted", "closed", "Fir Shelter" if who == "administrator" else "Elm Pantry"):
                self.assertIn(word, done.stdout)
            for word in ("Ana", "555-0100", "groceries"):
                self.assertNotIn(word, done.stdout, "a person in evidence without bodies")
            told = json.loads(refloop_verify(file, self.root, "--json", "--svg", svg + "2").stdout)
            self.assertEqual((told["ok"], told["loop"], told["state"], told["open"]), (True, self.loop, "closed", False))
            self.assertIn("elm-pantry", [witness["org"] for witness in told["witnesses"]])
            self.picture(svg + "2")
            fingerprint = told["network"]["fingerprint"]
            self.assertEqual(refloop_verify(file, fingerprint).returncode, 0)
            self.assertEqual(refloop_verify(file, self.root[:-1] + ("0" if self.root[-1] != "0" else "1")).returncode, 1)
            self.flip_bytes(file)
        self.assertIn("exists", self.refusal(self.clinic.run, "evidence", self.loop, "--out", files["member"][0]))

    def refusal(self, run, *arguments):
        with self.assertRaises(Failure) as caught:
            run(*arguments)
        return caught.exception.err + caught.exception.out

    def picture(self, path):
        tree = xml.etree.ElementTree.parse(path)
        self.assertTrue(tree.getroot().tag.endswith("}svg"))
        for element in tree.iter():
            self.assertFalse(element.tag.endswith("}script") or any(name.endswith("href") for name in element.attrib), element.tag)

    def flip_bytes(self, path):
        """A sample; the unit test flips every byte."""
        with open(path, "rb") as file:
            data = file.read()
        bad = path + ".bad"
        chance = random.Random(SEED)
        for place in sorted(chance.sample(range(len(data)), FLIPS)):
            with open(bad, "wb") as file:
                file.write(data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1:])
            done = refloop_verify(bad, self.root)
            self.assertEqual(done.returncode, 1, f"byte {place}: {done.stdout}")
            self.assertIn("proves nothing", done.stdout + done.stderr)

    def test_with_body(self):
        """a member can show what was said; whoever cannot open it cannot, and nobody else's loop"""
        file = self.path("body.evidence")
        self.assertIn("PERSONAL DATA", self.clinic.run("evidence", self.loop, "--with-body", "--out", file))
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        done = refloop_verify(file, self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ("Ana Example", "groceries for three", "and a smile"):
            self.assertIn(word, done.stdout)
        self.flip_bytes(file)
        self.refusal(self.shelter.run, "evidence", self.loop, "--with-body", "--out", self.path("not-ours.evidence"))
        self.assertFalse(os.path.exists(self.path("not-ours.evidence")))
        with self.assertRaises(Failure) as caught:
            self.network.admin("evidence", self.loop, "--with-body")
        self.assertEqual(caught.exception.code, 2)

    def test_verify(self):
        """verify says yes beside the broker, of an export and since an old checkpoint, and finds one changed byte in a copy"""
        self.assertIn("whole and true", self.network.admin("verify"))
        self.assertIn("goes on truly from the checkpoint", self.network.admin("verify", "--since", self.early))
        for name, options in (("export", ()), ("export-bare", ("--without-sealed",))):
            copy = self.path(name)
            self.network.admin("export", copy, *options)
            self.assertIn("whole and true", self.network.admin("verify", "--copy", copy))
            self.assertIn("goes on truly", self.network.admin("verify", "--copy", copy, "--since", self.early))
        # A checkpoint of another log, properly signed by another broker.
        with Network(members=()) as other:
            foreign = self.keep("foreign.note", other.admin("checkpoint"))
        self.refusal(self.network.admin, "verify", "--since", foreign)
        entries = json.loads(self.network.admin("--json", "verify"))["entries"]
        bad = 0
        for table, row, offset in (("log", entries - 3, 7), ("log", 5, 120), ("sealed", 0, 60), ("loops", 0, 20), ("ids", 4, 9),
                                   ("tree", 0, 100), ("mailbox", 2, 0)):
            copy = self.path(f"bent-{table}-{row}")
            shutil.copytree(self.path("export"), copy)
            self.bend(copy, table, row, offset)
            answer = self.no_of(copy)
            self.assertEqual(answer["error"]["code"], "corrupt", (table, row, answer))
            if table == "log":
                self.assertIn(f"entry {row}", answer["error"]["text"])
                self.assertIn("NO:", self.network.admin("verify", "--copy", copy, code=1))
            bad += 1
        self.assertEqual(bad, 7)

    def bend(self, copy, table, row, offset):
        tool = os.path.join(os.path.abspath(rig.BUILD), "tests/support/bend-store")
        subprocess.run([tool, os.path.join(copy, "store"), table, str(row), str(offset)], capture_output=True, check=True)

    def no_of(self, copy):
        done = subprocess.run([program("refloop-admin"), "--home", self.network.home, "--json", "verify", "--copy", copy], capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        return json.loads(done.stdout)


class Loops(unittest.TestCase):
    def test_loops(self):
        """the auditor's list: half-closed first, then what is late, then the rest; as CSV; and with coded facts for the passphrase"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            send = lambda **more: clinic.json("send", "-", stdin=referral(**more))["sent"][0]["loop"]
            loops = {name: send() for name in ("open", "closed", "half", "unmet", "void")}
            for loop in loops.values():
                pantry.wait_state(loop, "requested")
            for name in ("closed", "half"):
                pantry.run("accept", loops[name], stdin="")
                pantry.run("complete", loops[name], "service-provided", stdin="")
                clinic.wait_state(loops[name], "completed")
            pantry.run("decline", loops["unmet"], "no-capacity", stdin="")
            clinic.wait_state(loops["unmet"], "declined")
            for name in ("closed", "unmet"):
                clinic.run("acknowledge", loops[name], stdin="")
                pantry.wait_state(loops[name], "closed")
            clinic.run("void", loops["void"], "wrong-person", stdin="")
            pantry.wait_state(loops["void"], "void")
            pantry.agent.stop()
            loops["waiting"] = send()
            wait_for("its receipt", lambda: clinic.json("status")["queue"]["waiting"] == 0)
            rows = list(csv.DictReader(io.StringIO(network.admin("loops", "--csv"))))
            verdicts = {row["loop"]: row["verdict"] for row in rows}
            self.assertEqual([row["loop"] for row in rows][0], loops["half"])
            expected = {"half": "half-closed", "open": "open", "waiting": "open", "closed": "closed-met", "unmet": "closed-unmet", "void": "void"}
            self.assertEqual({name: verdicts[loop] for name, loop in loops.items()}, expected)
            order = ["half-closed", "silent", "broken", "overdue", "open", "closed-met", "closed-unmet", "void"]
            places = [order.index(row["verdict"]) for row in rows]
            self.assertEqual(places, sorted(places))
            self.assertTrue(network.admin("loops").splitlines()[1].startswith(loops["half"][:8]))
            self.assertEqual([row["loop"] for row in csv.DictReader(io.StringIO(network.admin("loops", "--csv", "--state", "closed", "--org",
                                                                                                 "elm-pantry", "--verdict", "closed-met")))],
                             [loops["closed"]])
            printed = network.admin("loops", "--facts")
            for word in ("food", "got the help asked for", "no room at the moment"):
                self.assertIn(word, printed.lower())
            self.assertNotIn("Example", printed)
            facts = {row["loop"]: row for row in csv.DictReader(io.StringIO(network.admin("loops", "--facts", "--csv")))}
            self.assertEqual((facts[loops["closed"]]["category"], facts[loops["closed"]]["outcome"]), ("food-insecurity", "service-provided"))
            self.assertEqual(facts[loops["unmet"]]["reason"], "no-capacity")
            wrong = os.path.join(network.root, "wrong")
            with open(wrong, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write("not the passphrase\n")
            done = subprocess.run([program("refloop-admin"), "--home", network.home, "--passphrase-file", wrong, "loops", "--facts"],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))


class Keys(unittest.TestCase):
    def events(self, member):
        return [(event["org"], event["event"], event["reason"]) for event in member.json("events")["events"]]

    def rotate(self, home, code=0):
        done = subprocess.run([program("refloop-agent"), "--home", home, "rotate"], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_rotate(self):
        """work, new keys, work: what was queued, on its way and unread goes on, and the partner sees one line"""
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            before = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(before, "requested")
            # On its way: the broker is away when it is said, so the old keys have signed what was never sent.
            network.broker.stop()
            clinic.run("note", before, "--text", "-", stdin="said under the old keys")
            queued = clinic.json("send", "-", stdin=referral(person="Ben Example"))["sent"][0]["loop"]
            clinic.agent.stop()
            network.broker.start()
            pantry.run("accept", before, stdin="")
            pantry.wait_online()
            self.rotate(clinic.home)
            clinic.start()
            pantry.wait_state(queued, "requested")
            clinic.wait_state(before, "accepted")
            wait_for("the note", lambda: "said under the old keys" in json.dumps(pantry.json("show", before)))
            pantry.run("complete", before, "service-provided", stdin="")
            clinic.wait_state(before, "completed")
            clinic.run("acknowledge", before, stdin="")
            pantry.wait_state(before, "closed")
            clinic.wait_quiet()
            pantry.wait_quiet()
            for member in (clinic, pantry):
                self.assertEqual([event for event in self.events(member) if event[1] == "new-keys"], [("oak-clinic", "new-keys", "")])
                lines = [line for line in member.run("events").splitlines() if "changed its keys" in line]
                self.assertEqual(len(lines), 1)
                self.assertIn("Oak Clinic", lines[0])
                self.assertEqual(member.json("status")["alarms"], [])
            self.assertEqual(network.admin("members", "--events").count("changed its keys"), 1)
            self.assertIn("whole and true", network.admin("verify"))

    def test_stolen(self):
        """keys that somebody changes with a stolen copy of the home: the true owner is told at once that it is shut out, all others see it"""
        with Network(members=("elm-pantry",)) as network:
            pantry = network["elm-pantry"]
            clinic = network.join("oak-clinic", start=False)
            with open(os.path.join(clinic.home, "agent.conf"), "a", encoding="utf-8") as file:
                file.write("ping_s = 1\n")
            stolen = os.path.join(network.root, "stolen")
            shutil.copytree(clinic.home, stolen)
            clinic.start().wait_online()
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            clinic.wait_quiet()
            self.rotate(stolen)
            wait_for("the clinic to be shut out", lambda: clinic.json("status")["link"]["trouble"] == "refused")
            status = clinic.json("status")
            self.assertTrue(status["problem"])
            self.assertIn("Tell your administrator", status["sentence"])
            wait_for("the alarm", lambda: clinic.json("status")["alarms"])
            alarms = clinic.json("status")["alarms"]
            self.assertEqual([alarm["kind"] for alarm in alarms], ["not-ours"])
            self.assertTrue(clinic.run("status").startswith("ALARM: There is an entry in our name"), clinic.run("status"))
            self.assertIn("taken this organization's keys", " ".join(clinic.run("alarms").split()))
            wait_for("the pantry to see it", lambda: self.events(pantry)[-1] == ("oak-clinic", "new-keys", ""))
            self.assertEqual(network.admin("members", "--events").count("changed its keys"), 1)
            # What the administrator does: the thief is out, and the owner comes back on a clean machine.
            network.admin("revoke", "oak-clinic", "--reason", "keys stolen", "--yes")
            self.assertIn("revoked", self.rotate(stolen, code=1))

    def test_every_change_is_seen(self):
        """a revocation and a new invite for a lost machine are one line each for every member"""
        with Network(members=("oak-clinic", "elm-pantry", "fir-shelter")) as network:
            clinic, shelter = network["oak-clinic"], network["fir-shelter"]
            network["elm-pantry"].agent.stop()
            network.admin("revoke", "elm-pantry", "--reason", "machine stolen", "--yes")
            token = network.invite("elm-pantry", "Elm Street Pantry", "--replace")
            shutil.move(network["elm-pantry"].home, network["elm-pantry"].home + ".lost")
            network.join_only("elm-pantry", token)
            network["elm-pantry"].start().wait_online()
            for member in (clinic, shelter, network["elm-pantry"]):
                wait_for(f"{member.org} to hear of it", lambda m=member: [e for e in self.events(m) if e[0] == "elm-pantry"][-1][1] == "joined-anew")
                self.assertEqual([event[1:] for event in self.events(member) if event[0] == "elm-pantry"],
                                 [("invited", ""), ("joined", ""), ("revoked", "machine stolen"), ("invited-anew", ""), ("joined-anew", "")])
                said = member.run("events")
                self.assertEqual(sum("was revoked: machine stolen" in line for line in said.splitlines()), 1, said)
                self.assertEqual(sum("was invited anew" in line for line in said.splitlines()), 1, said)
            self.assertEqual(clinic.json("status")["alarms"], [])
            printed = network.admin("members", "--events")
            for words in ("was revoked: machine stolen", "was invited anew", "joined anew"):
                self.assertEqual(sum(words in line for line in printed.splitlines()), 1, printed)


if __name__ == "__main__":
    unittest.main()
