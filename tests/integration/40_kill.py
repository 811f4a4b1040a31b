"""kill -9 of broker and agents under load, at random moments and at exact ones: nothing receipted is lost, nothing is applied twice."""
import collections
import os
import pathlib
import random
import select
import signal
import statistics
import tempfile
import threading
import time
import unittest

from ledger import Told, check, check_same, planted, receipted
from rig import LONG, PATIENCE_S, PLAIN, Daemon, Failure, Network, referral, wait_for

CYCLES = int(os.environ.get("REFLOOP_KILL_CYCLES", "10000" if LONG else "1000"))
POINTS = int(os.environ.get("REFLOOP_KILL_POINTS", "60"))
SEED = int(os.environ.get("REFLOOP_SEED", "20261122"))
RESTART_S = 2
POINT_LOOPS = 80
LOOPS_PER_NETWORK = 400  # a `show` of all of them at the end stays short


class Timed(Daemon):
    """A daemon that knows how long it took from exec to its ready line, and can be waited for without asking."""

    def __init__(self, like):
        super().__init__(like.argv, like.ready, like.env)
        self.lines, self.process, self.reader = like.lines, like.process, like.reader
        self.took, self.began, self.is_ready = [], 0, threading.Event()

    def start(self, wait=True, env=None):
        self.is_ready.clear()
        self.env, self.began = env, time.monotonic()
        super().start(wait=False)
        if wait:
            self.wait_ready()
        return self

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))
            if self.ready in line:
                self.took.append(time.monotonic() - self.began)
                self.is_ready.set()

    def wait_ready(self):
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_ready.wait(0.5):
            if not self.alive() or time.monotonic() > deadline:
                self.reader.join(5)
                raise AssertionError(f"{self.argv[0]} is not ready:\n" + "\n".join(self.lines[-30:]))

    def kill(self):
        """The reader is not waited for: it ends with the pipe, and the next start has a list of its own."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def pause(chance, most_s):
    """Not for readiness: a random moment of whatever is going on."""
    select.select([], [], [], chance.uniform(0, most_s))


def timeline(control, loop):
    """The steps of a loop, none when it is not known there (yet). A failed read is no loss, and must not look like one."""
    answer = control.call("show", loop=loop)
    if not answer["ok"] and answer["error"]["code"] != "unknown-loop":
        raise AssertionError(f"a loop could not be read: {answer}")
    return answer.get("timeline", [])


def timelines(member, loops):
    control = member.control()
    try:
        return {loop: timeline(control, loop) for loop in loops}
    finally:
        control.close()


class Rig:
    """A network under kills, what its people have said, and what they have seen receipted."""

    def __init__(self, seed, in_memory=False):
        """`in_memory`: where only the order of commits matters, and thousands of them are waited for, no disk need turn."""
        self.chance = random.Random(seed)
        tempfile.tempdir = "/dev/shm" if in_memory and os.access("/dev/shm", os.W_OK) else None
        self.network = Network(build=PLAIN, conf="gather_ms = 0\n" if in_memory else "")
        tempfile.tempdir = None
        self.clinic, self.pantry = self.network["oak-clinic"], self.network["elm-pantry"]
        self.members = (self.clinic, self.pantry)
        self.network.broker = Timed(self.network.broker)
        for member in self.members:
            member.agent = Timed(member.agent)
            conf = os.path.join(member.home, "agent.conf")
            text = pathlib.Path(conf).read_text(encoding="utf-8")
            pathlib.Path(conf).write_text(text.replace("backoff_min_ms = 50", "backoff_min_ms = 10"), encoding="utf-8")
        self.loops, self.told, self.known, self.n = [], Told(), {}, 0

    def everybody(self):
        return [self.network.broker, self.clinic.agent, self.pantry.agent]

    def refer(self, control):
        self.n += 1
        form = [{"name": "form", "text": referral(person=f"Person {self.n} Example")}]
        self.loops.append(control.call("send", files=form)["sent"][0]["loop"])

    def say(self, member, control, loop):
        """One note. An answer that does not come leaves open whether it was taken."""
        self.n += 1
        text = f"note {self.n}"
        try:
            answer = control.call("step", loop=loop, event="note", text=text)
        except (ConnectionError, TimeoutError):
            self.told.add(member.org, loop, text, taken=False)
            raise
        if answer["ok"]:
            self.told.add(member.org, loop, text)

    def look(self, control, loop):
        self.known.update(receipted({loop: timeline(control, loop)}))

    def settle(self):
        def quiet():
            states = [member.json("status") for member in self.members]
            return all(state["queue"]["waiting"] == 0 and state["loops"]["undelivered"] == 0 for state in states)
        wait_for("everything to arrive", quiet, 120)

    def judge(self):
        """The end of it: everything against everything. Returns the timelines."""
        self.settle()
        everything = {member.org: timelines(member, self.loops) for member in self.members}
        for org in everything:
            self.known.update(receipted(everything[org]))
        check(self.known, everything)
        check_same(*everything.values())
        for side in everything.values():
            self.told.check(side)
        self.network.admin("verify")
        for member in self.members:
            if not member.json("verify")["ok"]:
                raise AssertionError(f"{member.org}: the store differs from its statements")
        return everything


class Kill(unittest.TestCase):
    def test_kill(self):
        """1,000 kill -9 cycles of broker and of agent under load (10,000 with --long): none lost, none doubled, up in 2 s"""
        took, done, statements, early = collections.defaultdict(list), 0, 0, 0
        while done < CYCLES:
            rig = Rig(SEED + done)
            with rig.network:
                cycles = min(LOOPS_PER_NETWORK, CYCLES - done)
                for cycle in range(cycles):
                    early += self.cycle(rig, cycle)
                everything = rig.judge()
                self.assertGreater(len(rig.known), cycles)
                self.assertGreaterEqual(planted(rig.known, everything, rig.told, "elm-pantry"), 8)
                for daemon in rig.everybody():
                    took[daemon.ready] += daemon.took
            done += cycles
            statements += len(rig.known)
        self.report(took, f"seed {SEED}: {CYCLES} cycles, {early} kills more while starting, {statements} statements receipted")

    def report(self, took, volume):
        """Prints what was measured, and holds every restart to its limit."""
        words = [f"{ready} {statistics.median(times) * 1000:.0f}/{max(times) * 1000:.0f} ms" for ready, times in sorted(took.items())]
        print(f"        kill: {volume}; restart median/max: {', '.join(words)}", flush=True)
        slow = {ready: max(times) for ready, times in took.items() if max(times) > RESTART_S}
        self.assertFalse(slow, "a restart took longer than it may")

    def cycle(self, rig, cycle):
        """Work, kills in the midst of it, starts; some of those are killed before they are ready. Returns how many of these."""
        chance, early = rig.chance, 0
        control = rig.clinic.control()
        grown = control.call("status")["log"]["read"]
        rig.refer(control)
        for _ in range(3):
            rig.say(rig.clinic, control, chance.choice(rig.loops[-5:]))
        # Not before this cycle's work has begun to arrive at the broker, then at a random moment of it.
        deadline = time.monotonic() + PATIENCE_S
        while control.call("status")["log"]["read"] <= grown:
            self.assertLess(time.monotonic(), deadline, "the log does not grow")
            select.select([], [], [], 0.001)
        for _ in range(chance.randrange(8)):
            rig.look(control, chance.choice(rig.loops[-3:]))
        control.close()
        victims = [rig.network.broker, rig.clinic.agent if cycle % 2 else rig.pantry.agent]
        chance.shuffle(victims)
        for victim in victims:
            victim.kill()
        for victim in victims:
            victim.start(wait=False)
        if chance.random() < 0.2:
            pause(chance, 0.06)
            for victim in victims:
                early += not victim.is_ready.is_set()
                victim.kill()
                victim.start(wait=False)
        for victim in victims:
            victim.wait_ready()
        return early

    def test_points(self):
        """death at each exact commit, before, after and halfway through what is said then: none lost, none doubled, up in 2 s"""
        rig, deaths = Rig(SEED, in_memory=True), 0
        points = [(moment, number) for moment in ("before", "after", "half") for number in range(1, POINTS + 1)]
        partners = points[:]
        rig.chance.shuffle(points)
        rig.chance.shuffle(partners)
        with rig.network:
            crashing = {"broker": os.path.abspath(os.path.join(PLAIN, "tests/support/crash-broker")),
                        "agent": os.path.abspath(os.path.join(PLAIN, "tests/support/crash-agent"))}
            for daemon in rig.everybody():
                daemon.stop()
                daemon.argv = [crashing["broker" if daemon is rig.network.broker else "agent"], *daemon.argv[1:]]
                daemon.start()
            control = rig.clinic.control()
            for _ in range(POINT_LOOPS):
                rig.refer(control)
            control.close()
            for place, (of_broker, of_agent) in enumerate(zip(points, partners)):
                victim = rig.members[place % 2]
                deaths += self.die(rig, {rig.network.broker: of_broker, victim.agent: of_agent})
            everything = rig.judge()
            planted(rig.known, everything, rig.told, "elm-pantry")
            took = {daemon.ready: daemon.took for daemon in rig.everybody()}
        self.assertEqual(deaths, 2 * len(points))
        self.report(took, f"seed {SEED}: {deaths} deaths at exact commits, 1 to {POINTS} from the start, {rig.told.count()} notes, "
                          f"{len(rig.known)} statements receipted")

    def die(self, rig, points):
        """Starts each daemon with its point, and lets people work until every one of them has died there."""
        for daemon, (moment, number) in points.items():
            daemon.kill()
            daemon.start(wait=False, env={"REFLOOP_CRASH": f"{moment}:{number}"})
        waiting, died, controls = dict(points), 0, {}
        deadline = time.monotonic() + PATIENCE_S
        while waiting:
            self.assertLess(time.monotonic(), deadline, f"not reached: {waiting.values()}")
            for daemon in list(waiting):
                code = daemon.process.poll()
                if code is not None:
                    self.assertEqual(code, -signal.SIGKILL, "\n".join(daemon.lines[-5:]))
                    del waiting[daemon]
                    died += 1
                    daemon.start(wait=False, env={})
            for member in rig.members:
                self.work(rig, member, controls)
        for control in controls.values():
            control.close()
        for daemon in rig.everybody():
            daemon.wait_ready()
        return died

    def work(self, rig, member, controls):
        """One note of one side, if its agent is there to take it."""
        try:
            if member.org not in controls:
                controls[member.org] = member.control()
            control, loop = controls[member.org], rig.chance.choice(rig.loops)
            if rig.chance.random() < 0.1:
                rig.look(control, loop)
            rig.say(member, control, loop)
        except (ConnectionError, FileNotFoundError, TimeoutError, Failure):
            if member.org in controls:
                controls.pop(member.org).close()
            select.select([], [], [], 0.002)  # it starts: not to take its processor


if __name__ == "__main__":
    unittest.main()
