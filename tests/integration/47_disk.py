"""Disks that fill up and stores that rot: said in plain words, nothing receipted lost, and everything goes on by itself where it can."""
import concurrent.futures
import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import unittest

from ledger import Told, check, check_same, planted, receipted
from rig import LONG, PLAIN, Failure, Network, program, referral, wait_for

ROUNDS = int(os.environ.get("REFLOOP_DISK_ROUNDS", "200" if LONG else "20"))
SEED = int(os.environ.get("REFLOOP_SEED", "20261122"))
COUNTIES = 3  # at the same time: most of a round is waiting for the next try
RESTART_S = 2
DAMAGED = 3  # exit status


class Disk:
    """A small disk of its own for one home; only root can mount one."""

    def __init__(self, root, name, mib):
        self.path = os.path.join(root, name)
        os.mkdir(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", self.path], check=True, capture_output=True)
        self.ballast = os.path.join(self.path, "ballast")

    def move_in(self, home):
        new = os.path.join(self.path, "home")
        subprocess.run(["cp", "-a", home, new], check=True)
        shutil.rmtree(home)
        return new

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)

    def free(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.ballast)

    def close(self):
        subprocess.run(["umount", self.path], check=False)


class Offices:
    """A clinic and a pantry, with the broker, each on a small disk; and what was said."""

    def __init__(self, network, disks, seed):
        self.network, self.disks, self.chance = network, disks, random.Random(seed)
        self.clinic, self.pantry = network["oak-clinic"], network["elm-pantry"]
        self.loops, self.told, self.known, self.taken, self.refused = [], Told(), {}, 0, 0

    def speak(self):
        """A referral, or a note of either side; a full disk of one's own refuses it in words."""
        refer = not self.loops or self.chance.random() < 0.3
        one = self.clinic if refer else self.chance.choice((self.clinic, self.pantry))
        control = one.control()
        if refer:
            form = referral(person=f"Person {self.taken} Example", note="x" * 6000)
            answer = control.call("send", files=[{"name": "form", "text": form}])
            answer = answer["sent"][0] if answer["ok"] else answer
            taken = "loop" in answer
            if taken:
                self.loops.append(answer["loop"])
        else:
            loop, text = self.chance.choice(self.loops[-6:]), f"note {self.taken} " + "y" * 1500
            answer = control.call("step", loop=loop, event="note", text=text)
            taken = answer["ok"]
            if taken:
                self.told.add(one.org, loop, text)
        control.close()
        if taken:
            self.taken += 1
        elif answer["error"]["code"] in ("disk-full", "unknown-loop"):  # the pantry may not know it yet
            self.refused += answer["error"]["code"] == "disk-full"
        else:
            raise AssertionError(f"refused with other words: {answer}")

    def note_receipts(self):
        for member in (self.clinic, self.pantry):
            for loop in self.loops[-3:]:
                control = member.control()
                self.known.update(receipted({loop: control.call("show", loop=loop).get("timeline", [])}))
                control.close()

    def is_full(self, victim):
        if victim is self.network.broker:
            return '"read_only": true' in self.network.admin("--json", "status").replace('":', '": ').replace(":  ", ": ")
        return victim.json("status")["queue"]["disk_full"]

    def words(self, victim):
        return self.network.admin("status") if victim is self.network.broker else victim.run("status")

    def words_when_full(self, victim):
        """Started anew it finds out with the first thing that it should write."""
        def found():
            self.speak()
            return self.is_full(victim)
        wait_for("the full disk to be noticed again", found)
        return self.words(victim)

    def restart(self, victim):
        """The power goes while the disk is full: it starts, and says the same."""
        daemon = victim if victim is self.network.broker else victim.agent
        daemon.kill()
        began = time.monotonic()
        daemon.start()
        return time.monotonic() - began

    def timelines(self):
        seen = {}
        for member in (self.clinic, self.pantry):
            control = member.control()
            seen[member.org] = {loop: control.call("show", loop=loop)["timeline"] for loop in self.loops}
            control.close()
        return seen


class County:
    """A network on small disks, and the rounds in which they fill up."""

    def __init__(self, test, seed):
        self.test, self.disks, self.seed, self.restarts = test, {}, seed, []
        self.network = Network(members=(), build=PLAIN)
        test.addCleanup(shutil.rmtree, self.network.root, True)
        for name, mib in (("oak-clinic", 20), ("elm-pantry", 20), ("broker", 24)):
            self.disks[name] = Disk(self.network.root, "disk-" + name, mib)
            test.addCleanup(self.disks[name].close)
        self.network.broker.stop()
        self.network.home = self.disks["broker"].move_in(self.network.home)
        self.network.broker.argv = [program("refloop-broker", PLAIN), "--home", self.network.home]

    def move_in(self):
        self.network.broker.start()
        for org in ("oak-clinic", "elm-pantry"):
            member = self.network.join(org, start=False)
            member.home = self.disks[org].move_in(member.home)
            member.start()
        for member in self.network.members.values():
            member.wait_online()

    def run(self, rounds):
        with self.network as network:
            self.move_in()
            offices = Offices(network, self.disks, self.seed)
            victims = {"broker": network.broker, "elm-pantry": offices.pantry, "oak-clinic": offices.clinic}
            for number in range(rounds):
                name = sorted(victims)[number % 3]
                self.round(offices, name, victims[name], kill=number % 2 == 1)
            self.judge(offices)
            for disk in self.disks.values():
                disk.free()
        return offices

    def round(self, offices, name, victim, kill):
        for _ in range(offices.chance.randrange(12)):
            offices.speak()
        self.disks[name].fill()

        def pushed():
            offices.speak()
            return offices.is_full(victim)
        wait_for(f"{name} to say that its disk is full", pushed)
        offices.note_receipts()
        self.test.assertIn("disk is full", offices.words(victim).lower())
        if victim is offices.network.broker:
            wait_for("a member to be told to wait", lambda: any(member.json("status")["link"]["trouble"] == "broker-busy"
                     or member.json("status")["queue"]["waiting"] > 0 for member in (offices.clinic, offices.pantry)))
        if kill:
            self.restarts.append(offices.restart(victim))
            self.test.assertIn("disk is full", offices.words_when_full(victim).lower())
        for _ in range(3):
            offices.speak()
        self.disks[name].free()
        wait_for(f"{name} to go on", lambda: not offices.is_full(victim))
        for member in (offices.clinic, offices.pantry):
            member.wait_quiet()

    def judge(self, offices):
        everything = offices.timelines()
        offices.known.update(receipted(everything["oak-clinic"]))
        check(offices.known, everything)
        check_same(everything["oak-clinic"], everything["elm-pantry"])
        for member in (offices.clinic, offices.pantry):
            offices.told.check(everything[member.org])
            self.test.assertTrue(member.json("verify")["ok"])
        self.test.assertEqual(planted(offices.known, everything, offices.told, "elm-pantry"), 8)
        self.test.assertTrue(self.network.admin("verify"))
        self.test.assertEqual(len(offices.known), offices.taken)


@unittest.skipIf(os.geteuid() != 0, "mounting a small disk needs root")
class Full(unittest.TestCase):
    def test_full(self):
        """disks of broker and agents fill up under load, 20 rounds (200 --long): said, nothing lost or doubled, resumes by itself"""
        try:
            counties = [County(self, SEED + number) for number in range(COUNTIES)]
        except subprocess.CalledProcessError:
            self.skipTest("mounting a small disk is not possible here")
        each = -(-ROUNDS // COUNTIES)
        with concurrent.futures.ThreadPoolExecutor(COUNTIES) as pool:
            all_offices = list(pool.map(lambda county: county.run(each), counties))
        restarts = [took for county in counties for took in county.restarts]
        self.assertLess(max(restarts, default=0), RESTART_S)
        print(f"        {each * COUNTIES} rounds (seed {SEED}): {sum(o.taken for o in all_offices)} statements taken, "
              f"{sum(o.refused for o in all_offices)} refused in words, {sum(len(o.known) for o in all_offices)} receipted; "
              f"{len(restarts)} starts on a full disk, at most {max(restarts, default=0):.2f} s")


def smash(store):
    """The root of the tables becomes a branch without branches: LMDB ends whoever reads it."""
    with open(os.path.join(store, "data.mdb"), "r+b") as file:
        heads = [file.read(4096) for _ in range(2)]
        newest = max(heads, key=lambda head: struct.unpack_from("<Q", head, 16 + 128)[0])
        (root,) = struct.unpack_from("<Q", newest, 16 + 24 + 48 + 40)
        file.seek(root * 4096 + 10)
        file.write(struct.pack("<HHH", 0x01, 16, 4096))


def cut(store):
    os.truncate(os.path.join(store, "data.mdb"), 3 * 4096)


def garbage(store):
    with open(os.path.join(store, "data.mdb"), "r+b") as file:
        file.write(b"\x5a" * 8192)


def run(name, *arguments):
    return subprocess.run([program(name, PLAIN), *arguments], capture_output=True, text=True, timeout=60, check=False)


class Rotten(unittest.TestCase):
    def start(self, name, home):
        """A program that is not to come up: its status and what it said."""
        began = time.monotonic()
        done = run(name, "--home", home)
        self.assertLess(time.monotonic() - began, RESTART_S)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.returncode, done.stderr

    def test_agent(self):
        """an agent whose store is smashed says which and what to do, with status 3; moved aside, it is read afresh from the broker"""
        with Network(build=PLAIN) as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            clinic.wait_quiet()
            before = clinic.json("show", loop)["timeline"]
            for number, harm in enumerate((smash, cut, garbage)):
                self.assertEqual(clinic.agent.stop(), 0)
                store = os.path.join(clinic.home, "store")
                harm(store)
                status, said = self.start("refloop-agent", clinic.home)
                self.assertEqual(status, DAMAGED, said)
                self.assertIn(store + " is damaged", said)
                self.assertIn("Move it aside and start again", said)
                os.rename(store, f"{store}.{number}")
                clinic.start().wait_online()
                clinic.wait_state(loop, "requested")
                self.assertEqual([step["id"] for step in clinic.json("show", loop)["timeline"]], [step["id"] for step in before])
            clinic.wait_quiet()

    def test_broker(self):
        """a broker whose store is smashed says which and what to do, with status 3; even from its first backup members bring back all"""
        with Network(members=(), build=PLAIN) as network:
            backup = os.path.join(network.root, "backup")
            network.admin("backup", backup)
            clinic, pantry = network.join("oak-clinic"), network.join("elm-pantry")
            loops = [clinic.json("send", "-", stdin=referral())["sent"][0]["loop"] for _ in range(3)]
            for loop in loops:
                pantry.wait_state(loop, "requested")
            clinic.wait_quiet()
            network.broker.stop()
            store = os.path.join(network.home, "store")
            sound = os.path.join(network.root, "sound")
            shutil.copytree(store, sound)
            for harm in (smash, cut, garbage):
                shutil.rmtree(store)
                shutil.copytree(sound, store)
                harm(store)
                status, said = self.start("refloop-broker", network.home)
                self.assertEqual(status, DAMAGED, said)
                self.assertIn(store + " is damaged", said)
                self.assertIn("restore the newest backup", said)
                for command in (["backup", os.path.join(network.root, "never")], ["verify"], ["loops"]):
                    with self.assertRaises(Failure) as caught:
                        network.admin(*command)
                    self.assertEqual(caught.exception.code, 1, command)
                    self.assertNotEqual(caught.exception.err.strip(), "", command)
                self.assertFalse(os.path.exists(os.path.join(network.root, "never")))
            shutil.rmtree(store)
            shutil.copytree(os.path.join(backup, "store"), store)
            network.broker.start()
            wait_for("the broker to be whole", lambda: "The broker is whole" in network.admin("recover"))
            clinic.wait_online()
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            self.assertTrue(network.admin("verify"))

    def test_fault(self):
        """a fault of memory while it runs is told with the store's name before the process dies of it"""
        with Network(members=("oak-clinic",), build=PLAIN) as network:
            for daemon, home in ((network["oak-clinic"].agent, network["oak-clinic"].home), (network.broker, network.home)):
                os.kill(daemon.process.pid, signal.SIGSEGV)
                self.assertEqual(daemon.process.wait(10), -signal.SIGSEGV)
                daemon.reader.join(10)
                self.assertIn(f"damaged page of the store in {home}/store", daemon.lines[-1])

    def test_sound(self):
        """a sound store is asked about in a few tens of milliseconds, and the question leaves nothing behind"""
        with Network(members=("oak-clinic",), build=PLAIN) as network:
            clinic = network["oak-clinic"]
            clinic.wait_online()
            clinic.agent.stop()
            network.broker.stop()
            for name, home in (("refloop-agent", clinic.home), ("refloop-broker", network.home)):
                before, took = sorted(os.listdir(home)), []
                for _ in range(5):
                    began = time.monotonic()
                    done = run(name, "--home", home, "--probe-store")
                    took.append(time.monotonic() - began)
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                self.assertEqual(sorted(os.listdir(home)), before)
                print(f"        {name}: {min(took) * 1000:.0f} ms")
                self.assertNotIn("probe", run(name, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
