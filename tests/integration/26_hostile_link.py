"""What can be done to a broker, and to an agent, with connections and frames alone: nothing that others notice.

Every case ends the same way: the broker is the process it was, a referral goes through between two honest members, its memory has not
grown by more than the case may cost, and `refloop-admin status` has counted what happened and says it in words.
"""
import json
import os
import random
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

from rig import BUILD, PLAIN, Network, program, referral, wait_for

HOSTILE = os.path.join(os.path.abspath(BUILD), "tests/support/hostile-link")
TARGET = os.environ.get("REFLOOP_HOSTILE_BUILD", PLAIN)  # with a sanitized build, memory says nothing
MIB = 1024 if TARGET == PLAIN else 1 << 30  # KiB
SEED = int(os.environ.get("REFLOOP_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


def greeting(version=(3, 1), mechanism=b"CURVE"):
    """The 64 bytes with which a ZMTP 3 peer begins."""
    return b"\xff" + bytes(7) + b"\x01\x7f" + bytes(version) + mechanism.ljust(20, b"\0") + bytes(32)


def memory_kib(pid, field="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError(f"no {field} of {pid}")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Rig(unittest.TestCase):
    """One network for all cases of a class; the plain build, because memory is measured."""

    members, conf = ("oak-clinic", "elm-pantry"), ""

    @classmethod
    def setUpClass(cls):
        cls.network = Network(members=cls.members, build=TARGET, conf=cls.conf)
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.clinic, cls.pantry = (cls.network[org] for org in cls.members)
        cls.rogue = cls.network.join("ash-rogue", start=False)
        cls.deliver()

    @classmethod
    def deliver(cls):
        loop = cls.clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
        cls.pantry.wait_state(loop, "requested")
        cls.pantry.run("accept", loop, stdin="")
        cls.clinic.wait_state(loop, "accepted")

    def status(self):
        return json.loads(self.network.admin("--json", "status"))

    def closed(self, reason):
        return self.status()["connections"]["closed"][reason]

    def attack(self, mode, argument="0"):
        """What the hostile program printed, as pairs of what it did and what it heard."""
        done = subprocess.run([HOSTILE, self.rogue.home, mode, str(argument)], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(line.split(": ", 1) for line in done.stdout.splitlines())

    def hold(self, mode, argument, word):
        """Starts a mode that holds what it has until told; returns once it has printed `word`."""
        process = subprocess.Popen([HOSTILE, self.rogue.home, mode, str(argument)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True)
        self.addCleanup(self.release, process)
        for line in process.stdout:
            if line.startswith(word):
                return process, line.split(": ", 1)[1].strip()
        raise AssertionError(f"the hostile program ended before '{word}'")

    @staticmethod
    def release(process):
        if process.returncode is None:
            process.communicate("\n", timeout=60)


class Case(Rig):
    """One case: what it finds before, and what must be as it was after."""

    def setUp(self):
        self.broker = self.network.broker
        self.pid = self.broker.process.pid
        self.before = self.status()
        self.kib = memory_kib(self.pid)
        self.may_grow_kib = 8 * MIB

    def tearDown(self):
        self.unharmed()

    def unharmed(self):
        self.assertTrue(self.broker.alive())
        self.assertEqual(self.broker.process.pid, self.pid)
        self.deliver()
        grown = memory_kib(self.pid) - self.kib
        self.assertLess(grown, self.may_grow_kib, f"the broker's memory has grown by {grown} KiB")

    def dial(self, data=b""):
        guest = socket.create_connection(("127.0.0.1", self.network.port), timeout=20)
        self.addCleanup(guest.close)
        guest.sendall(data)
        return guest

    def until_cut(self, guest, data=b""):
        """Reads until the broker hangs up; `data` goes on being said. Returns how many bytes of it were taken."""
        said = 0
        guest.settimeout(20)
        try:
            while data and said < 300 * 1024 * 1024:
                said += guest.send(data)
            while guest.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        return said

    def counted(self, name, least):
        """Waits until status has counted so many more connections of this kind, closed for this reason."""
        wait_for(f"{least} more connections closed as {name}",
                 lambda: self.closed(name) - self.before["connections"]["closed"][name] >= least)

    def no_handshake(self):
        """Nothing of it shook hands or was refused as a key: it never got so far."""
        after = self.status()
        self.assertGreater(after["connections"]["came"], self.first["connections"]["came"])
        self.assertEqual(after["connections"]["handshakes"], self.before["connections"]["handshakes"])
        self.assertEqual(after["handshakes_refused"], self.before["handshakes_refused"])


class Strangers(Case):
    """Before anybody is anybody. Cases that end by the time allowed for a handshake begin together, before the others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.first, cls.began = json.loads(cls.network.admin("--json", "status")), time.monotonic()
        old = b"\x01\x00"  # ZMTP 1.0: an anonymous identity, then frames
        two = b"\xff" + bytes(7) + b"\x01\x7f\x01\x05" + b"\x00\x00"
        cls.downgraded = [cls.early(hello) for hello in (
            old + b"\x05\x00ping", two + b"\x00\x04ping", greeting((3, 0), b"NULL"), greeting((3, 1), b"NULL"), greeting((2, 0)),
            greeting((1, 0)), greeting((9, 9), b""))]
        cls.claims = [cls.early(greeting() + struct.pack(">BQ", flags, size) + b"x" * 100) for flags in (0x06, 0x02, 0x00)
                      for size in (1 << 46, (1 << 63) - 1, (1 << 64) - 1, 300 << 20, (256 << 10) + 1)]
        cls.halves = [cls.early(greeting()[: 1 + place % 63]) for place in range(100)]
        cls.drips = [cls.early() for _ in range(50)]
        threading.Thread(target=cls.drip, args=(cls.drips,), daemon=True).start()

    @staticmethod
    def drip(guests):
        """One byte of the greeting to each, several times a second, and then of what follows it."""
        sent, refused = 0, 0
        while refused < len(guests):
            refused = 0
            for guest in guests:
                try:
                    guest.send((greeting() + bytes(1000))[sent:sent + 1])
                except OSError:
                    refused += 1  # its time was over
            sent += 1
            select.select([], [], [], 0.15)

    @classmethod
    def early(cls, data=b""):
        guest = socket.create_connection(("127.0.0.1", cls.network.port), timeout=20)
        cls.addClassCleanup(guest.close)
        guest.sendall(data)
        return guest

    def in_time(self, guests):
        """All of them are cut off, by the broker's own clock for handshakes and not by our patience."""
        for guest in guests:
            self.until_cut(guest)
        self.assertLess(time.monotonic() - self.began, 60)

    def test_random_greeting(self):
        """100 connections that begin with random bytes are cut off, one by one"""
        print(f"        seed {SEED}")
        dice = random.Random(SEED)
        for _ in range(100):
            guest = self.dial(dice.randbytes(dice.randrange(1, 200)))
            try:
                guest.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # cut off already
            self.until_cut(guest)
        self.no_handshake()

    def test_web(self):
        """a browser, plain or with TLS, is cut off"""
        hello = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00\x00\x00"
        for text in (b"GET / HTTP/1.1\r\nHost: broker.example.org\r\n\r\n", hello,
                     b"POST /control HTTP/1.0\r\nContent-Length: 9999999999\r\n\r\n"):
            self.until_cut(self.dial(text))
        self.no_handshake()

    def test_downgrade(self):
        """greetings of ZMTP 1.0, 2.0 and 3.0 without encryption get nowhere"""
        self.in_time(self.downgraded)
        self.no_handshake()

    def test_mechanism(self):
        """a client that offers PLAIN or no security hears nothing"""
        self.assertEqual(self.attack("mechanisms"), {"plain": "silence", "null": "silence"})
        self.no_handshake()

    def test_claimed_size(self):
        """a frame that claims 2^46 bytes before the handshake costs no memory"""
        self.in_time(self.claims)
        self.may_grow_kib = 4 * MIB
        self.no_handshake()

    def test_endless_handshake(self):
        """300 MiB of one handshake frame are not read: the connection is cut at once"""
        guest = self.dial(greeting() + struct.pack(">BQ", 0x06, 300 << 20))
        said = self.until_cut(guest, b"x" * 65536)
        self.assertLess(said, 32 << 20, "it went on reading")
        self.may_grow_kib = 4 * MIB
        self.no_handshake()

    def test_half_greeting(self):
        """100 connections that stop within the greeting are let go"""
        self.in_time(self.halves)
        self.no_handshake()

    def test_drip(self):
        """handshakes that come one byte at a time keep nobody waiting, and end with the time allowed for one"""
        self.in_time(self.drips)
        self.no_handshake()

    def test_half_open(self):
        """connections whose other end is gone without a word are let go"""
        before = descriptors(self.pid)
        for _ in range(50):
            guest = socket.create_connection(("127.0.0.1", self.network.port))
            try:
                guest.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: close() then sends nothing
            except OSError:
                self.skipTest("no repair mode here")
            finally:
                guest.close()
        wait_for("the broker to let go of 50 half-open connections", lambda: descriptors(self.pid) <= before + 2)
        self.no_handshake()

    def test_stranger_ids(self):
        """strangers that claim ZeroMQ's own next routing ids are kept out before ids are looked at"""
        self.assertEqual(self.attack("stranger-ids"), {"answered": "0"})
        self.assertGreaterEqual(self.status()["handshakes_refused"] - self.before["handshakes_refused"], 4)

    def test_stranger_storm(self):
        """a storm of unknown keys is refused one by one and counted, while others go on"""
        process = threading.Thread(target=self.attack, args=("stranger-storm", 2000))
        process.start()
        self.deliver()
        process.join()
        self.may_grow_kib = 16 * MIB
        refused = wait_for("the refusals to be counted", lambda: self.status()["handshakes_refused"] - self.before["handshakes_refused"])
        print(f"        {refused} handshakes refused in 2 s")
        self.assertIn("with an unknown key", self.network.admin("status"))

    def test_plain_storm(self):
        """a storm of connections with a wrong mechanism disturbs nobody"""
        process = threading.Thread(target=self.attack, args=("plain-storm", 2000))
        process.start()
        self.deliver()
        process.join()
        self.may_grow_kib = 16 * MIB
        self.no_handshake()


class Members(Case):
    """With a key that is let in. Those that never say a word begin before the other cases, for they take the longest."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        process = subprocess.Popen([HOSTILE, cls.rogue.home, "mute", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.release, process)
        assert process.stdout.readline() == "welcomed: 0\n"

    def test_steal(self):
        """a member that takes another's live routing id gets none of its messages, and the other goes on"""
        heard = self.attack("steal", self.network.join("yew-victim", start=False).home)
        self.assertEqual(heard, {"victim": "welcome", "thief": "silence", "victim again": "pong", "thief again": "silence"})

    def test_odd_ids(self):
        """routing ids that are missing, short or long: dropped, counted, and said"""
        heard = self.attack("odd-ids")
        self.assertEqual(set(heard.values()), {"silence"}, heard)
        self.assertGreaterEqual(self.status()["dropped"] - self.before["dropped"], 4)
        self.assertIn("without a shape or a sender", self.network.admin("status"))

    def test_sizes(self):
        """a frame of exactly the limit comes through; one byte more is refused in words; far more ends the connection"""
        heard = self.attack("sizes")
        self.assertEqual([heard[name] for name in ("largest", "one over", "far over")], ["refused", "refused", "silence"])

    def test_tiny(self):
        """60,000 empty and one-byte frames: over the share they are dropped unread, and counted as such"""
        self.may_grow_kib = 24 * MIB
        process, _ = self.hold("tiny", 60000, "sent")
        wait_for("the frames to be refused as too many", lambda: self.status()["refused"].get("quota", 0) > 10000)
        self.release(process)

    def test_endless(self):
        """a message of 400 MiB in 2,000 frames is cut off long before its end, and what was kept of it is given back"""
        self.may_grow_kib = 64 * MIB
        process, _ = self.hold("endless", 400, "sent")
        self.counted("unfinished", 1)
        peak = memory_kib(self.pid, "VmHWM") - self.kib
        print(f"        at most {peak // MIB} MiB more at any time")
        self.assertLess(peak, 160 * MIB)
        self.release(process)
        self.assertIn("for sending what has no end", self.network.admin("status"))

    def test_deaf(self):
        """a member that asks 4,000 times and never reads costs a bounded queue, and no one else's time"""
        self.may_grow_kib = 64 * MIB
        process, _ = self.hold("deaf", 4000, "asked")
        self.unharmed()
        self.release(process)

    def test_many(self):
        """of 100 connections with one key the newest few are kept, and the others are closed and counted"""
        self.may_grow_kib = 16 * MIB
        process, welcomed = self.hold("many", 100, "welcomed")
        self.assertEqual(welcomed, "100")
        self.counted("crowded", 90)
        self.assertIn("more than a member may have with one key", self.network.admin("status"))
        self.release(process)

    def test_wordless(self):
        """100 connections that shook hands and never said a word are closed, and counted"""
        wait_for("100 silent connections to be closed", lambda: self.closed("silent") >= 100)
        self.assertIn("for never saying a word", self.network.admin("status"))

    def test_member_storm(self):
        """a member that connects over and over, as fast as it can, delays nobody's referral for long"""
        self.may_grow_kib = 16 * MIB
        process = threading.Thread(target=self.attack, args=("member-storm", 2000))
        process.start()
        self.deliver()
        process.join()
        came = self.status()["connections"]["came"] - self.before["connections"]["came"]
        print(f"        {came} connections in 2 s")
        self.assertGreater(came, 50)

    def test_hung(self):
        """a member whose process hangs takes nothing from others, and gets all of it when it goes on"""
        other = self.network.join("fir-shelter")
        other.wait_online()
        other.agent.process.send_signal(signal.SIGSTOP)
        try:
            loops = [self.clinic.json("send", "-", stdin=referral(to="fir-shelter"))["sent"][0]["loop"] for _ in range(20)]
            self.unharmed()
        finally:
            other.agent.process.send_signal(signal.SIGCONT)
        for loop in loops:
            other.wait_state(loop, "requested")
        other.agent.stop()


class Descriptors(Case):
    """A broker with very few file descriptors."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.network.broker.stop()
        cls.network.broker.argv = ["prlimit", "--nofile=64:64", *cls.network.broker.argv]
        cls.network.broker.start()
        cls.deliver()

    def test_exhaustion(self):
        """200 silent connections against 64 descriptors: members are served, the administrator is answered, and both are told"""
        self.assertTrue(any("descriptors.few" in line for line in self.broker.lines))
        self.may_grow_kib = 24 * MIB  # a broker just started has not touched all of its memory yet
        guests = [self.dial() for _ in range(200)]
        self.counted("short", 20)
        begin = time.monotonic()
        self.clinic.agent.stop()
        self.clinic.start()
        self.clinic.wait_online()
        print(f"        a member is in again {time.monotonic() - begin:.1f} s after its start")
        self.deliver()
        self.assertIn("room was needed", self.network.admin("status"))
        for guest in guests:
            guest.close()


class Start(unittest.TestCase):
    def test_port_taken(self):
        """a broker whose port is taken says so in one line and ends; the one that has it goes on"""
        with Network(members=(), build=PLAIN) as network, Network(members=(), build=PLAIN) as other:
            other.broker.stop()
            conf = os.path.join(other.home, "broker.conf")
            with open(conf, encoding="utf-8") as file:
                text = file.read()
            with open(conf, "w", encoding="utf-8") as file:
                file.write(text.replace(f":{other.port}", f":{network.port}"))
            done = subprocess.run([program("refloop-broker", PLAIN), "--home", other.home], capture_output=True, text=True, timeout=30,
                                  check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"cannot listen on tcp://127.0.0.1:{network.port}: Address already in use", done.stderr)
            self.assertTrue(network.broker.alive())
            network.admin("status")


class Fake:
    """Something at the broker's address that is no broker: `behave(guest)` is what it does with each connection."""

    def __init__(self, port, behave):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.behave, self.met, self.guests = behave, [], []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                guest, _ = self.listener.accept()
            except OSError:
                return
            self.met.append(time.monotonic())
            self.guests.append(guest)
            threading.Thread(target=self._run, args=(guest,), daemon=True).start()

    def _run(self, guest):
        try:
            guest.settimeout(20)
            self.behave(guest)
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for guest in self.guests:
            guest.close()


def say_web_page(guest):
    guest.recv(64)
    guest.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example.net/\r\nContent-Length: 0\r\n\r\n")
    guest.close()


def say_garbage(guest):
    guest.sendall(random.Random(SEED).randbytes(100000))
    guest.close()


def hang_up(guest):
    guest.close()


def say_nothing(guest):
    while guest.recv(4096):
        pass


def say_giant(guest):
    """A broker's greeting, and then a frame without an end."""
    guest.sendall(greeting() + struct.pack(">BQ", 0x06, 1 << 40))
    for _ in range(3200):
        guest.sendall(b"x" * 65536)


class Agent(unittest.TestCase):
    """The agent's side: what is at the broker's address is not the broker."""

    @classmethod
    def setUpClass(cls):
        cls.network = Network(build=PLAIN)
        cls.addClassCleanup(cls.network.__exit__, None, None, None)
        cls.clinic, cls.pantry = cls.network["oak-clinic"], cls.network["elm-pantry"]
        cls.clinic.agent.stop()
        with open(os.path.join(cls.clinic.home, "agent.conf"), "a", encoding="utf-8") as file:
            file.write("ready_within_s = 1\n")
        cls.clinic.start()
        cls.clinic.wait_online()

    def survive(self, behave, *troubles, more=5):
        agent = self.clinic.agent.process.pid
        kib = memory_kib(agent)
        self.network.broker.stop()
        fake = Fake(self.network.port, behave)
        try:
            loop = self.clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            wait_for(f"the agent to say one of {troubles}", lambda: self.clinic.json("status")["link"]["trouble"] in troubles)
            wait_for("the first attempt", lambda: fake.met)
            first = len(fake.met)
            wait_for(f"{more} more attempts", lambda: len(fake.met) >= first + more)
            pace = more / (fake.met[first + more - 1] - fake.met[first - 1])
            print(f"        {pace:.1f} connections a second")
            self.assertLess(pace, 40, "it does not back off")
            self.assertRegex(self.clinic.json("status")["sentence"], " wait|nothing is sent")
        finally:
            fake.close()
            self.network.broker.start()
        self.clinic.wait_online()
        self.pantry.wait_state(loop, "requested")
        self.assertEqual(self.clinic.agent.process.pid, agent)
        grown = memory_kib(agent, "VmHWM") - kib
        self.assertLess(grown, 16 * MIB, f"the agent's memory has grown by {grown} KiB")

    def test_web_page(self):
        """at the broker's address is a web page: the agent says so, tries on with pauses, and is back when the broker is"""
        self.survive(say_web_page, "not-a-broker")

    def test_garbage(self):
        """... random bytes"""
        self.survive(say_garbage, "not-a-broker")

    def test_hang_up(self):
        """... something that hangs up at once"""
        self.survive(hang_up, "no-answer", "not-a-broker", "wrong-key")

    def test_silence(self):
        """... something that takes the connection and says nothing"""
        self.survive(say_nothing, "no-answer", "interrupted", more=2)

    def test_giant(self):
        """... a broker's greeting and a frame without an end, of which nothing is kept"""
        self.survive(say_giant, "no-answer", "wrong-key", "not-a-broker")


class Checkers(Rig):
    """Each thing that the cases above rely on can fail."""

    def test_memory_is_seen(self):
        """40 MiB that a process takes, and a descriptor it opens, are seen by what the cases measure with"""
        code = "import os, sys\nprint(1, flush=True)\nsys.stdin.readline()\nx = b'x' * (40 << 20)\nf = open('/dev/null')\n" \
               "print(2, flush=True)\nsys.stdin.readline()\n"
        with subprocess.Popen(["python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            before, open_before = memory_kib(process.pid), descriptors(process.pid)
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            self.assertGreater(memory_kib(process.pid) - before, 30 * MIB)
            self.assertEqual(descriptors(process.pid), open_before + 1)
            process.stdin.close()

    def test_harm_is_seen(self):
        """a broker that was killed and started again is not taken for unharmed"""
        class Harmed(Case):
            def runTest(self):
                """harmed"""
        Harmed.network, Harmed.clinic, Harmed.pantry, Harmed.rogue = self.network, self.clinic, self.pantry, self.rogue
        case = Harmed()
        case.setUp()
        self.network.broker.kill()
        self.assertRaises(AssertionError, case.unharmed)
        self.network.broker.start()
        self.assertRaises(AssertionError, case.unharmed)
        case.pid, case.kib = self.network.broker.process.pid, 0
        self.assertRaisesRegex(AssertionError, "memory", case.unharmed)


if __name__ == "__main__":
    unittest.main()
