"""A member in our hands: it says, byte by byte, what no agent of ours would say.

Protobuf, statements and messages are made and read here, so that every field can be wrong; tests/support/hostile_member.c lends the keys
and the connection. Field numbers are those of proto/envelope.proto and proto/session.proto.
"""
import collections
import hashlib
import os
import re
import subprocess
import time

from rig import BUILD

PROGRAM = os.path.join(os.path.abspath(BUILD), "tests/support/hostile-member")
ERR_H = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib/base/err.h")
PATIENCE_MS, SILENCE_MS = 20000, 400

(REQUEST, ASK, ANSWER, ACCEPT, DECLINE, PROGRESS, HOLD, CANCEL, RETRACT, RELEASE, COMPLETE, FAIL, WITHDRAW, ACKNOWLEDGE, VOID, NOTE,
 DELIVERED) = range(17)
HELLO, SUBMIT, FETCH, PING, BYE, WELCOME, RECEIPTS, ENTRIES, PONG, REFUSED, COSIGN, RECALL, COPIES, PROVE, PROOFS = range(1, 16)
KINDS = ["", "hello", "submit", "fetch", "ping", "bye", "welcome", "receipts", "entries", "pong", "refused", "cosign", "recall", "copies",
         "prove", "proofs"]
JOIN, LOOP = 18, 20

Key = collections.namedtuple("Key", "org id sign seal curve")


def codes():
    """The peer's faults by number, as lib/base/err.h lists them."""
    with open(ERR_H, encoding="utf-8") as file:
        return {int(number): name for number, name in re.findall(r'X\(ERR_\w+, (\d+), PEER, "([a-z-]+)"', file.read())}


CODES = codes()


# --- protobuf ---------------------------------------------------------------------------------------------------------------------

def varint(value, padding=0):
    """With `padding`, in a longer form than needed."""
    out = b""
    while value > 0x7f or padding > 0:
        if value <= 0x7f:
            padding -= 1
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*fields):
    """Of (number, value); a list is repeated, None is absent."""
    out = b""
    for number, value in fields:
        for one in value if isinstance(value, list) else [value]:
            out += b"" if one is None else field(number, one)
    return out


def parse(data):
    """What was sent by an honest program: {number: [values]}."""
    out, at = collections.defaultdict(list), 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = take()
        value = take()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        out[tag >> 3].append(value)
    return out


def digest(tag, data):
    return hashlib.blake2b(tag.encode() + b"\0" + data, digest_size=32).digest()


def flip(data, at=0):
    """The same with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


# --- statements -------------------------------------------------------------------------------------------------------------------

class Statement:
    """The clear part of a loop statement; every field may be changed, also to what is not allowed."""
    PARTS = (("loop", 1), ("event", 2), ("seq", 3), ("previous", 4), ("heard", 5), ("delivered", 6), ("readers", 7), ("priority", 8),
             ("due_ms", 9), ("automatic", 10), ("sealed_digest", 11), ("body_class", 12))

    def __init__(self, **fields):
        self.suite, self.kind = 1, LOOP
        self.previous = self.heard = self.delivered = self.due_ms = self.automatic = self.sealed_digest = self.body_class = None
        self.extra = self.loop_extra = b""
        self.set(**fields)

    def set(self, **fields):
        for name, value in fields.items():
            setattr(self, name, value)
        return self

    def encode(self):
        readers = [message((1, org), (2, key)) for org, key in self.readers]
        loop = message(*((number, readers if name == "readers" else getattr(self, name)) for name, number in self.PARTS)) + self.loop_extra
        return message((1, self.suite), (2, self.network), (3, self.author), (4, self.author_key), (5, self.authored_ms),
                       (self.kind, loop)) + self.extra


class Thread:
    """A loop as one side of it goes on."""

    def __init__(self, partner, loop=None):
        self.partner, self.loop = partner, loop or os.urandom(16)
        self.seq, self.last, self.heard = 0, None, None

    @property
    def text(self):
        return self.loop.hex()


class Puppet:
    def __init__(self, home, token=None):
        self.process = subprocess.Popen([PROGRAM, home] + ([token] if token else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.me = self.key(home)
        words = [bytes.fromhex(word) for word in self.ask("network").split()]
        self.network, self.auditor = words[0], Key("", *words[1:])
        self.seals = {self.me.id: self.me.seal}
        self.connect()

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        if code != 0:
            raise AssertionError(f"hostile-member ended with {code}")

    def ask(self, *words):
        """One command: one line."""
        self.process.stdin.write(" ".join((word.hex() or "-") if isinstance(word, bytes) else str(word) for word in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"hostile-member ended with {self.process.wait(5)}")
        return line.rstrip("\n")

    def key(self, home):
        org, *keys = self.ask("key", home).split()
        return Key(org, *(bytes.fromhex(key) for key in keys))

    def meet(self, home):
        """Another member, by its home."""
        key = self.key(home)
        self.seals[key.id] = key.seal
        return key

    # --- the connection ---

    def connect(self):
        self.ask("connect")

    def send(self, frame, count=1):
        self.ask("send", count, frame)

    def hear(self, patience_ms=PATIENCE_MS):
        """(kind, fields) of the next message, None for silence."""
        line = self.ask("hear", patience_ms)
        if line == "silence":
            return None
        ((kind, (body,)),) = parse(bytes.fromhex(line)).items()
        return kind, parse(body)

    def answer(self, patience_ms=PATIENCE_MS):
        """The next message in words; receipts as a list of words."""
        heard = self.hear(patience_ms)
        while heard and heard[0] == ENTRIES:  # of a fetch that was waiting
            heard = self.hear(patience_ms)
        if heard is None:
            return "silence"
        kind, fields = heard
        if kind == REFUSED:
            return "refused " + CODES[fields[1][0]]
        if kind != RECEIPTS:
            return KINDS[kind]
        words = []
        for receipt in map(parse, fields[1]):
            words.append({1: "accepted", 2: "superseded"}.get(receipt[2][0]) or CODES[receipt[3][0]])
        return words[0] if len(words) == 1 else words

    def talk(self, kind, body, patience_ms=PATIENCE_MS):
        self.send(field(kind, body))
        return self.answer(patience_ms)

    def hello(self, patience_ms=PATIENCE_MS, **changes):
        fields = {"protocol": 2, "network": self.network, "cursor": 0, "version": "hostile", "checkpoint": None, **changes}
        return self.talk(HELLO, message(*enumerate(fields.values(), 1)), patience_ms)

    def drain(self, patience_ms=SILENCE_MS):
        """What is heard until silence: {words: count}."""
        counts = collections.Counter()
        while True:
            answer = self.answer(patience_ms)
            if answer == "silence":
                return dict(counts)
            for word in answer if isinstance(answer, list) else [answer]:
                counts[word] += 1

    def fetch(self, cursor=0):
        """[(index, author, event, loop, id, statement, envelope)] from the cursor on; all of the log that is ours."""
        out, head = [], None
        while head is None or cursor < head:
            self.send(field(FETCH, message((1, cursor), (2, 1 << 18))))
            self.send(field(PING, message((1, 7))))
            heard = self.hear()
            if heard is None or heard[0] == PONG:
                return out  # nothing is there, so the fetch waits
            while self.hear()[0] != PONG:
                pass
            for entry in map(parse, heard[1][3]):
                statement = parse(entry[3][0])[1][0]
                fields = parse(statement)
                loop = parse(fields[LOOP][0]) if LOOP in fields else {1: [b""], 2: [None]}
                out.append((entry[1][0], fields[3][0].decode() if fields[3] else "", loop[2][0], loop[1][0],
                            digest("refloop.id.v1", statement),
                            statement, entry[3][0]))
            cursor, head = heard[1][1][0], heard[1][2][0]
        return out

    # --- statements ---

    def draft(self, thread, event, **changes):
        """The next statement of ours in the loop, as it should be but for the changes."""
        delivered = thread.heard if event == DELIVERED else None
        sealed = event != DELIVERED
        return Statement(network=self.network, author=self.me.org, author_key=self.me.id, authored_ms=int(time.time() * 1000),
                         loop=thread.loop, event=event, seq=thread.seq + 1, previous=thread.last, heard=thread.heard, delivered=delivered,
                         readers=[(thread.partner.org, thread.partner.id)], priority=1, sealed_digest=b"\1" * 32 if sealed else None,
                         body_class=0 if sealed else None).set(**changes)

    def seal(self, statement, body=b"{}", facts=b"{}", keys=None):
        """For the sides the statement names (or `keys`: {key id: sealing key}), and the auditor."""
        seals = keys or self.seals
        sides = [(key, seals.get(key, self.me.seal)) for _, key in statement.readers] + [(statement.author_key, self.me.seal)]
        words = [word for pair in sides + [(self.auditor.id, self.auditor.seal)] for word in pair]
        return bytes.fromhex(self.ask("seal", statement.encode(), body, facts, len(sides), *words))

    @staticmethod
    def attach(statement, sealed, body=b"{}"):
        sizes = (1, 4, 16, 64, 192)
        body_class = next(place for place, size in enumerate(sizes) if len(body) + 4 <= size * 1024)
        return statement.set(sealed_digest=digest("refloop.sealed.v1", sealed), body_class=body_class)

    def envelope(self, statement, sealed=None):
        """Signed as it is; `statement` may be bytes."""
        data = statement if isinstance(statement, bytes) else statement.encode()
        signature = message((1, bytes.fromhex(self.ask("sign", data))), (2, 1), (3, 0))
        return message((1, data), (2, signature), (3, sealed))

    def submit(self, *envelopes):
        return self.talk(SUBMIT, message((1, list(envelopes))))

    def make(self, thread, event, body=b"{}", facts=b"{}", after=None, **changes):
        """An envelope. `changes` are of before it is sealed; `after` is a dictionary of those that no reader would decode."""
        statement = self.draft(thread, event, **changes)
        sealed = self.seal(statement, body, facts) if statement.sealed_digest else None
        if sealed:
            self.attach(statement, sealed, body)
        statement.set(**(after or {}))
        return statement, self.envelope(statement, sealed)

    def say(self, thread, event, **how):
        """Makes and submits; a statement that was taken has its place in the thread."""
        statement, envelope = self.make(thread, event, **how)
        answer = self.submit(envelope)
        if answer in ("accepted", "superseded"):
            self.took(thread, statement)
        return answer

    @staticmethod
    def took(thread, statement):
        thread.seq, thread.last = statement.seq, digest("refloop.id.v1", statement.encode())

    def listen(self, thread):
        """Notes what the other side said last."""
        for _, author, event, loop, name, _, _ in self.fetch():
            if loop == thread.loop and author == thread.partner.org and event != DELIVERED:
                thread.heard = name
        return thread
