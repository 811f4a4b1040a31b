"""What the tests of a hostile member share: one network for a class, one hostile member in it, and what must hold after every attack."""
import json
import os
import struct
import socket
import time
import unicodedata
import unittest

from puppet import Puppet
from rig import Control, Network, referral, wait_for

ROGUE, ROGUE_NAME = "ash-rogue", 'Ash "Rogue" <script>x</script> &amp; ]]> %s%n \u202egnp.exe\u202c \u2066a\u2069 --'
RESTART_S = 2
TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


class Hostile(unittest.TestCase):
    """Two honest members and a hostile one, for all tests of the class."""
    conf = ""

    @classmethod
    def setUpClass(cls):
        cls.network = Network(conf=cls.conf)
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.clinic, cls.pantry = cls.network["oak-clinic"], cls.network["elm-pantry"]
        cls.network.join_only(ROGUE, cls.network.invite(ROGUE, ROGUE_NAME))
        cls.rogue_home = os.path.join(cls.network.root, ROGUE)
        cls.puppet = Puppet(cls.rogue_home)
        cls.addClassCleanup(cls.puppet.close)
        cls.pantry_key, cls.clinic_key = cls.puppet.meet(cls.pantry.home), cls.puppet.meet(cls.clinic.home)
        cls.staff = {member.org: member.control() for member in (cls.clinic, cls.pantry)}
        cls.administrator = Control(os.path.join(cls.network.home, "control.sock"))
        for control in [*cls.staff.values(), cls.administrator]:
            cls.addClassCleanup(control.close)
        cls.pids = {daemon: daemon.process.pid for daemon in (cls.network.broker, cls.clinic.agent, cls.pantry.agent)}

    def setUp(self):
        self.before = self.status()
        self.said = {daemon: len(daemon.lines) for daemon in self.pids}
        self.puppet.connect()

    def tearDown(self):
        """After every attack: the three programs are the processes they were, an honest referral arrives, no log line is unclean."""
        self.assert_unharmed()
        for daemon, begin in self.said.items():
            for line in daemon.lines[begin:]:
                self.assert_tame(line)

    # --- what is seen ---

    def status(self):
        return self.administrator.call("status")

    def ask(self, member, command, **fields):
        answer = self.staff[member.org].call(command, **fields)
        self.assertTrue(answer["ok"], answer)
        return answer

    def assert_unharmed(self):
        for daemon, pid in self.pids.items():
            self.assertTrue(daemon.alive(), daemon.lines[-20:])
            self.assertEqual(daemon.process.pid, pid)
        begin = time.monotonic()
        loop = self.ask(self.clinic, "send", files=[{"name": "-", "text": referral()}])["sent"][0]["loop"]
        wait_for("an honest referral", lambda: self.staff["elm-pantry"].call("show", loop=loop)["ok"])
        self.assertLess(time.monotonic() - begin, 10)

    def grown(self, name):
        return self.status()[name] - self.before[name]

    def logged(self):
        """How many statements of the hostile member entered the log in this test."""
        return sum(author == ROGUE for _, author, *_ in self.puppet.fetch(self.before["entries"]))

    def counted(self, code, org=ROGUE):
        """How often the organization was refused for it in this test, as the administrator reads it."""
        def count(status):
            rows = [row for row in status["refused_members"] if (row["org"], row["code"]) == (org, code)]
            return rows[0]["count"] if rows else 0
        return count(self.status()) - count(self.before)

    def assert_counted(self, org=ROGUE, **counts):
        """Each code by its name, with _ for -; and the page says whose it was."""
        page = self.network.admin("status")
        for code, count in counts.items():
            code = code.replace("_", "-")
            self.assertEqual(self.counted(code, org), count, code)
            self.assertRegex(page, rf"(?m)^  {org}: \d+ refused: {code} \(since 20\d\d-.*, last 20\d\d-")

    def arrived(self, member, thread):
        """The loop as an honest member sees it, once it does."""
        return wait_for(f"{thread.text[:8]} at {member.org}", lambda: self.peek(member, thread))

    def peek(self, member, thread):
        seen = self.staff[member.org].call("show", loop=thread.text)
        return seen if seen["ok"] else None

    def confirmed(self, thread):
        """Until the partner's agent has confirmed what was said last."""
        wait_for("the confirmation", lambda: self.status() and any(
            event == 16 and loop == thread.loop for _, _, event, loop, *_ in self.puppet.fetch(self.before["entries"])))

    # --- what is printed ---

    def assert_tame(self, text, lines=False):
        """Nothing in it steers a terminal, turns text around, or pretends to be another line."""
        found = set(text.replace("\n", "") if lines else text)
        wrong = [character for character in found
                 if unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in TURNS]
        for character in wrong:
            at = text.index(character)
            self.fail(f"{character!r} in {text[max(0, at - 80):at + 80]!r}")


def raw_connection(path):
    """A control connection that does not speak the protocol."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(RESTART_S * 5)
    connection.connect(path)
    return connection


def framed(body):
    return struct.pack(">I", len(body)) + body


def dumps(value):
    return json.dumps(value).encode()
