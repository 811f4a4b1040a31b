"""Wrong clocks: agents and brokers whose time is off, or jumps. Time changes no state, no order and no effect; it is only said."""
import glob
import json
import os
import random
import tempfile
import unittest

from ledger import check, check_same, planted, receipted
from rig import LONG, PLAIN, Failure, Network, referral, wait_for

LIBRARY = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)
SEED = int(os.environ.get("REFLOOP_SEED", "20261122"))
ROUNDS = 10 if LONG else 1
RIGHT, DAY, YEARS = 0, 86400, 10 * 365 * 86400
WORDS = {RIGHT: "right", DAY: "a day ahead", -DAY: "a day behind", YEARS: "ten years ahead", -YEARS: "ten years behind"}


class Clock:
    """The wall clock of one program, in seconds off; boot time stays true, as on a real machine. Setting it takes effect at once."""

    def __init__(self, directory, name, offset=RIGHT):
        self.path = os.path.join(directory, name + ".clock")
        self.env = {"LD_PRELOAD": LIBRARY or "", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_TIMESTAMP_FILE": self.path}
        self.set(offset)

    def set(self, offset):
        self.offset = offset
        temporary = self.path + ".new"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{offset:+d}\n")
        os.rename(temporary, self.path)


def give(daemon, clock):
    """Starts a daemon again under a clock of its own."""
    daemon.stop()
    daemon.env = clock.env
    daemon.start()


class World:
    """A network in which every program has a clock of its own."""

    def __init__(self, test, clocks=(RIGHT, RIGHT, RIGHT)):
        self.test = test
        self.directory = tempfile.TemporaryDirectory(prefix="refloop-clock-")
        test.addCleanup(self.directory.cleanup)
        self.network = Network(members=(), build=PLAIN)
        test.addCleanup(self.network.__exit__, None, None, None)
        self.broker = Clock(self.directory.name, "broker", clocks[0])
        self.clocks = {"oak-clinic": Clock(self.directory.name, "clinic", clocks[1]),
                       "elm-pantry": Clock(self.directory.name, "pantry", clocks[2])}
        for org in self.clocks:
            member = self.network.join(org, start=False)
            with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
                file.write("ping_s = 1\nwitness_s = 1\n")
        give(self.network.broker, self.broker)
        for org, clock in self.clocks.items():
            self.network[org].start(wait=False).agent.stop()
            give(self.network[org].agent, clock)
        self.clinic, self.pantry = self.network["oak-clinic"], self.network["elm-pantry"]
        self.loops, self.known, self.waiting = [], {}, []

    def everything(self):
        sides = {}
        for member in (self.clinic, self.pantry):
            control = member.control()
            sides[member.org] = {loop: control.call("show", loop=loop)["timeline"] for loop in self.loops}
            control.close()
        return sides

    def loop_through(self, jump=None, at=0):
        """One referral from request to closed; before its step `at` the clocks do what `jump` says. Another one is left open."""
        steps = [("elm-pantry", "accept", {}), ("oak-clinic", "note", {"text": "before the visit"}),
                 ("elm-pantry", "complete", {"outcome": "service-provided"}), ("oak-clinic", "acknowledge", {"next": "none"})]
        controls = {"oak-clinic": self.clinic.control(), "elm-pantry": self.pantry.control()}
        # Without the day on which consent was signed: staff may not name one that is yet to come by their own clock.
        form = [{"name": "form", "text": referral(consent={"basis": "treatment"})}]
        loop, still = (controls["oak-clinic"].call("send", files=form)["sent"][0]["loop"] for _ in range(2))
        self.loops += [loop, still]
        self.waiting.append(still)
        for number, (org, event, fields) in enumerate(steps):
            wait_for(f"{org} to see what stands before its {event} in {loop[:8]}",
                     lambda c=controls[org], n=number: len(c.call("show", loop=loop).get("timeline", [])) == n + 1)
            if number == at and jump:
                jump()
                for control in controls.values():
                    control.close()
                controls = {"oak-clinic": self.clinic.control(), "elm-pantry": self.pantry.control()}
            answer = controls[org].call("step", loop=loop, event=event, **fields)
            self.test.assertTrue(answer["ok"], answer)
        for control in controls.values():
            wait_for(f"{loop[:8]} to be closed on both sides", lambda c=control: c.call("show", loop=loop)["loop"]["state"] == "closed")
            control.close()
        return loop

    def judge(self):
        """Order, effect and state are what they would be without any clock. Returns both sides' records."""
        for member in (self.clinic, self.pantry):
            member.wait_quiet()
        sides = self.everything()
        for side in sides.values():
            self.known.update(receipted(side))
        check(self.known, sides)
        check_same(*sides.values())
        wanted = ["request", "accept", "note", "complete", "acknowledge"]
        for side in sides.values():
            for loop, steps in side.items():
                self.test.assertEqual([step["event"] for step in steps], wanted[:1] if loop in self.waiting else wanted)
                self.test.assertFalse([step for step in steps if step["superseded"] or step["refusal"]])
        for member in (self.clinic, self.pantry):
            states = {row["loop"]: row["state"] for row in member.json("list", "--all", "--limit", "1000")["loops"]}
            self.test.assertEqual({states[loop] for loop in self.waiting}, {"requested"})
            self.test.assertFalse(member.json("status")["stopped"], member.json("status")["warning"])
        self.test.assertEqual(json.loads(self.network.admin("--json", "status"))["refused"], {})
        return sides

    def judge_log(self):
        """The broker's own verification, under its own clock: times of entries only ever rise."""
        self.network.admin("verify")

    def says_clock(self, member, off):
        """`off`: the broker's clock minus this agent's, in seconds."""
        word = "behind" if off > 0 else "ahead"

        def right():
            status = member.json("status")
            if off == 0:
                return "clock" not in status["sentence"]
            return "This machine's clock is" in status["sentence"] and word in status["sentence"] and status["problem"]
        wait_for(f"{member.org} to say that its clock is {off} s off", right)

    def says_clocks(self):
        for member, clock in ((self.clinic, self.clocks["oak-clinic"]), (self.pantry, self.clocks["elm-pantry"])):
            self.says_clock(member, self.broker.offset - clock.offset)

    def admit(self, org, clock):
        """An invite made now lets a new office in, whatever the office's own clock, and a referral reaches it."""
        newcomer = Clock(self.directory.name, org, clock)
        token = os.path.join(self.network.root, org + ".token")
        with_clock(self.broker, lambda: self.network.admin("invite", org, "--name", "New Office", "--out", token))
        with_clock(newcomer, lambda: self.network.join_only(org, token))
        said = with_clock(self.broker, lambda: self.network.admin("members"))
        self.test.assertNotIn("expired", said)

    def admin_status(self):
        return with_clock(self.broker, lambda: self.network.admin("status"))


def with_clock(clock, run):
    """A command that is started meanwhile runs under that clock."""
    kept = {name: os.environ.get(name) for name in clock.env}
    os.environ.update(clock.env)
    try:
        return run()
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@unittest.skipIf(LIBRARY is None, "libfaketime is not installed")
class Clocks(unittest.TestCase):
    def setUp(self):
        self.chance = random.Random(SEED)

    def tell(self, runs, sides):
        steps = sum(len(steps) for steps in sides["oak-clinic"].values())
        print(f"        clock: seed {SEED}: {runs} runs, {steps} statements checked", flush=True)

    def test_agents(self):
        """27 runs with agents whose clocks are or go up to ten years off: same order, same states, said in their status"""
        world = World(self)
        orgs = (("oak-clinic",), ("elm-pantry",), ("oak-clinic", "elm-pantry"))
        starts = [(who, None, off) for who in orgs for off in (DAY, -DAY, YEARS, -YEARS)]
        jumps = [(who, *pair) for who in orgs for pair in ((RIGHT, DAY), (RIGHT, -DAY), (RIGHT, YEARS), (YEARS, RIGHT), (DAY, -DAY))]
        runs = (starts + jumps) * ROUNDS
        self.chance.shuffle(runs)
        for who, first, then in runs:
            for org, clock in world.clocks.items():
                clock.set(RIGHT if org not in who else then if first is None else first)
            if first is None:
                for org in who:
                    give(world.network[org].agent, world.clocks[org])
                world.loop_through()
            else:
                world.loop_through(lambda w=who, t=then: [world.clocks[org].set(t) for org in w], self.chance.randrange(4))
            world.says_clocks()
        sides = world.judge()
        world.judge_log()
        planted(world.known, sides)
        self.tell(len(runs), sides)

    def test_newcomers(self):
        """4 runs: an invite does not expire by the clock of the office that joins with it"""
        world = World(self)
        for number, off in enumerate((DAY, -DAY, YEARS, -YEARS)):
            world.admit(f"office-{number}", off)
        world.loop_through()
        self.tell(4, world.judge())

    def broker_run(self, first, then, crash=False, agents=RIGHT):
        """A broker whose clock is wrong, and goes wrong or right under way; later it is right, and new members can still join."""
        world = World(self, (first, agents, agents))
        world.loop_through()
        world.says_clocks()
        if then is not None:
            def jump():
                world.broker.set(then)
                if crash:
                    world.network.broker.kill()
                    world.network.broker.start()
            world.loop_through(jump, self.chance.randrange(4))
            world.says_clocks()
        sides = world.judge()
        highest = max(step["index"] for steps in sides["oak-clinic"].values() for step in steps)
        accepted = sorted((step["index"], step["accepted"]) for steps in sides["oak-clinic"].values() for step in steps)
        self.assertEqual([time for _, time in accepted], sorted(time for _, time in accepted))
        self.assertGreater(highest, 0)
        world.admit("office-now", RIGHT)
        world.broker.set(RIGHT)
        world.loop_through()
        world.says_clocks()
        ahead = max(first, then or RIGHT, RIGHT) > RIGHT
        said = world.admin_status()
        (self.assertIn if ahead else self.assertNotIn)("ahead of this machine's clock", said)
        world.admit("office-later", RIGHT)
        sides = world.judge()
        world.judge_log()
        return sides

    def test_broker(self):
        """16 runs with a broker whose clock is or goes off: entries keep their order, invites work, and both ends say what is wrong"""
        runs = [(off, None) for off in (DAY, -DAY, YEARS, -YEARS)]
        runs += [(RIGHT, DAY), (RIGHT, -DAY), (RIGHT, YEARS), (YEARS, RIGHT), (DAY, RIGHT), (-DAY, RIGHT)]
        runs += [(RIGHT, YEARS, True), (YEARS, RIGHT, True), (DAY, -DAY, True)]
        runs += [(DAY, None, False, -DAY), (-DAY, DAY, False, DAY), (YEARS, RIGHT, True, -DAY)]
        sides = None
        for run in runs * ROUNDS:
            words = " then ".join(WORDS[off] for off in run[:2] if off is not None)
            with self.subTest(broker=words):
                sides = self.broker_run(*run)
                self.doCleanups()
        planted(receipted(sides["oak-clinic"]), sides)
        self.tell(len(runs) * ROUNDS, sides)

    def test_told(self):
        """the checks of this file notice: a clock that is off and not said, and an invite that has expired"""
        world = World(self, (RIGHT, -DAY, RIGHT))
        world.says_clock(world.clinic, DAY)
        with self.assertRaises(AssertionError):
            patience(world, lambda: world.says_clock(world.pantry, DAY))
        token = os.path.join(world.network.root, "late.token")
        world.network.admin("invite", "late", "--name", "Late Office", "--out", token, "--expires-h", "1")
        world.broker.set(DAY)
        with self.assertRaises(Failure) as refused:
            world.network.join_only("late", token)
        self.assertIn("expired", str(refused.exception))
        self.assertIn("expired", with_clock(world.broker, lambda: world.network.admin("members")))


def patience(world, run):
    """A wait that must end in vain is not given the patience of the others."""
    import rig
    kept, rig.wait_for.__defaults__ = rig.wait_for.__defaults__, (3,)
    try:
        return run()
    finally:
        rig.wait_for.__defaults__ = kept


if __name__ == "__main__":
    unittest.main()
