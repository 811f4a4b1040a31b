"""Bad networks: twenty agents behind connections that break in every way, and agents and broker that lose each other."""
import collections
import os
import random
import select
import shutil
import subprocess
import time
import unittest

from faultproxy import FAULTS, Proxy
from ledger import Told, check, check_same, planted, receipted
from rig import LONG, PLAIN, Daemon, Network, free_port, program, referral, wait_for

AGENTS = 20
STATEMENTS = int(os.environ.get("REFLOOP_WEATHER_STATEMENTS", "20000" if LONG else "2000"))
SEED = int(os.environ.get("REFLOOP_SEED", "20261122"))
STUCK_S = 60
PER_STEP = 25  # statements between two changes of the weather
CONF = "ping_s = 1\nsilence_s = 2\nready_within_s = 2\n"


def configure(member, text):
    with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
        file.write(text)


class Weather:
    """A network whose every agent has a lane of the proxy to itself, and people who write all the time."""

    def __init__(self, network, agents):
        self.network, self.chance = network, random.Random(SEED)
        self.proxy = Proxy(network.port, lanes=agents, build=PLAIN)
        self.members, self.controls = [], {}
        self.told, self.loops, self.known = Told(), [], {}
        self.said, self.ill, self.online_at, self.longest = 0, {}, {}, 0
        self.deck = []  # faults still to come before each comes again
        for lane in range(agents):
            member = network.join(f"office-{lane}", start=False)
            configure(member, f"endpoint = tcp://127.0.0.1:{self.proxy.ports[lane]}\n{CONF}")
            self.members.append(member.start())
        for member in self.members:
            self.controls[member.org] = member.control()
            member.wait_online()
            self.online_at[member.org] = time.monotonic()

    def close(self):
        for control in self.controls.values():
            control.close()
        self.proxy.close()

    def speak(self):
        """One statement: a new referral to some office, or a note of either side of one that both know."""
        one, other = self.chance.sample(self.members, 2)
        if len(self.loops) < 3 * len(self.members) or self.chance.random() < 0.2:
            form = referral(to=other.org, person=f"Person {self.said} Example")
            loop = self.controls[one.org].call("send", files=[{"name": "form", "text": form}])["sent"][0]["loop"]
            self.loops.append((loop, one.org, other.org))
            self.said += 1
            return
        loop, source, target = self.chance.choice(self.loops[-4 * len(self.members):])
        org, text = self.chance.choice((source, target)), f"note {self.said}"
        if self.controls[org].call("step", loop=loop, event="note", text=text)["ok"]:
            self.told.add(org, loop, text)
            self.said += 1

    def change(self):
        """Somebody's weather turns bad for a while; whose turn is over gets well."""
        now = time.monotonic()
        for lane in [lane for lane, until in self.ill.items() if now >= until]:
            self.proxy.heal(lane)
            del self.ill[lane]
        lane = self.chance.randrange(len(self.members))
        if not self.deck:
            self.deck = self.chance.sample(sorted(FAULTS), len(FAULTS))
        fault = self.deck.pop()
        number = {"drip": 4000, "delay": 150}.get(fault) or self.chance.randrange(6000)
        self.proxy.arm(fault, lane, number)
        self.ill[lane] = now + self.chance.uniform(0.2, 3)

    def look(self):
        """Is every office online, and if not, for how long has it not been seen so?"""
        for org, control in self.controls.items():
            now = time.monotonic()
            if control.call("status")["link"]["state"] == "online":
                self.online_at[org] = now
            self.longest = max(self.longest, now - self.online_at[org])

    def timelines(self):
        everything = {member.org: {} for member in self.members}
        for loop, *orgs in self.loops:
            for org in orgs:
                answer = self.controls[org].call("show", loop=loop)
                if not answer["ok"] and answer["error"]["code"] != "unknown-loop":
                    raise AssertionError(f"a loop could not be read: {answer}")
                everything[org][loop] = answer.get("timeline", [])
        return everything

    def settle(self):
        """The weather is good again: everybody online with nothing waiting, within the time an agent may be stuck."""
        self.proxy.heal()
        deadline = time.monotonic() + STUCK_S

        def well(org):
            status = self.controls[org].call("status")
            return status["link"]["state"] == "online" and status["queue"]["waiting"] == 0 and status["loops"]["undelivered"] == 0
        for org in self.controls:
            wait_for(f"{org} to be well again", lambda o=org: well(o), max(1, deadline - time.monotonic()))

    def judge(self, test):
        everything = self.timelines()
        for loop, source, target in self.loops:
            pair = {org: {loop: everything[org][loop]} for org in (source, target)}
            check(receipted(pair[source]) | receipted(pair[target]), pair)
            check_same(pair[source], pair[target])
            test.assertEqual([step["event"] for step in pair[target][loop]][:1], ["request"])
        steps = {loop: everything[source][loop] for loop, source, _ in self.loops}
        self.told.check(steps)
        known = receipted(steps)
        test.assertEqual(len(known), self.said)
        test.assertEqual(planted(known, {"": steps}, self.told), 8)
        self.network.admin("verify")
        return len(known)


class Broken(unittest.TestCase):
    def test_weather(self):
        """20 agents through resets, stalls, cuts, drips, half-open and one-way links: 2,000 statements once, in order (20,000 --long)"""
        with Network(members=(), build=PLAIN) as network:
            weather = Weather(network, AGENTS)
            self.addCleanup(weather.close)
            began, changes = time.monotonic(), 0
            while weather.said < STATEMENTS:
                turn = time.monotonic() + weather.chance.uniform(0.1, 0.3)
                for _ in range(PER_STEP):
                    weather.speak()
                weather.look()
                weather.change()
                changes += 1
                select.select([], [], [], max(0, turn - time.monotonic()))
            bad_s = time.monotonic() - began
            weather.settle()
            counts = weather.proxy.counts()
            n = weather.judge(self)
            struck = {name: count for name, count in counts.items() if name not in ("bytes", "swallow") and count}
            print(f"        weather: seed {SEED}: {n} statements in {len(weather.loops)} loops, {changes} faults ordered in {bad_s:.0f} s, "
                  f"met: {struck}; longest not seen online {weather.longest:.0f} s", flush=True)
            for fault in ("reset", "cut", "stall", "blackhole", "half-open", "refuse", "delay", "drip"):
                self.assertGreater(counts[fault], 0, f"the fault '{fault}' met nobody")
            self.assertGreater(counts["connections"], AGENTS)
            self.assertLess(weather.longest, STUCK_S)

    def test_swallow(self):
        """one byte lost in the midst of a connection ends that connection, and no statement is lost with it"""
        with Network(members=(), build=PLAIN) as network:
            weather = Weather(network, 2)
            self.addCleanup(weather.close)
            for way in ("up", "down"):
                for at in (0, 1, 9, 100, 700):
                    before = weather.proxy.counts(0)
                    weather.proxy.order(f"swallow {way} {at}", 0)
                    for _ in range(5):
                        weather.speak()
                    wait_for("a byte to be swallowed", lambda b=before: weather.proxy.counts(0)["swallow"] > b["swallow"])
                    wait_for("the connection to be given up", lambda b=before: weather.proxy.counts(0)["connections"] > b["connections"])
                    weather.settle()
            weather.judge(self)


# --- namespaces ----------------------------------------------------------------------------------------------------------------


class Place:
    """A network of its own for the programs of one machine, ended with the process that holds it. `hosts` is its /etc/hosts."""

    def __init__(self, hosts):
        self.holder = subprocess.Popen(["unshare", "-n", "-m", "--propagation", "private", "sh", "-c",
                                        'mount --bind "$1" /etc/hosts && ip link set lo up && echo ready && exec cat', "sh", hosts],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ready = self.holder.stdout.readline() == "ready\n"
        self.inside = ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "--"]

    def ip(self, text):
        subprocess.run([*self.inside, "ip", *text.split()], check=True, capture_output=True)

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()
        self.holder.stderr.close()


class Internet:
    """A router with the broker on one side and two offices on others; every one a namespace."""

    def __init__(self, root):
        self.hosts = os.path.join(root, "hosts")
        self.name_broker("10.77.0.2")
        self.router, self.broker, self.clinic, self.pantry = self.places = [Place(self.hosts) for _ in range(4)]

    def name_broker(self, address):
        """In place: the same file is mounted in every namespace."""
        with open(self.hosts, "w", encoding="utf-8") as file:
            file.write(f"127.0.0.1 localhost\n{address} broker.example.org\n")

    def build(self):
        for number, place in enumerate((self.broker, self.clinic, self.pantry)):
            self.router.ip(f"link add to{number} type veth peer name wan netns {place.holder.pid}")
            self.router.ip(f"addr add 10.77.{number}.1/24 dev to{number}")
            self.router.ip(f"link set to{number} up")
            place.ip(f"addr add 10.77.{number}.2/24 dev wan")
            place.ip("link set wan up")
            place.ip(f"route add default via 10.77.{number}.1")
        subprocess.run([*self.router.inside, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True, capture_output=True)

    def close(self):
        for place in self.places:
            place.close()


@unittest.skipIf(os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))),
                 "network namespaces need root, ip, unshare and nsenter")
class Partition(unittest.TestCase):
    def setUp(self):
        self.network = Network(members=(), build=PLAIN)
        self.addCleanup(self.network.__exit__, None, None, None)
        self.internet = Internet(self.network.root)
        self.addCleanup(self.internet.close)
        try:
            ready = all(place.ready for place in self.internet.places)
            if ready:
                self.internet.build()
        except subprocess.CalledProcessError:
            ready = False
        if not ready:
            self.skipTest("network namespaces cannot be made here")
        port = free_port()
        for org, place in (("oak-clinic", self.internet.clinic), ("elm-pantry", self.internet.pantry)):
            member = self.network.join(org, start=False)
            configure(member, f"endpoint = tcp://broker.example.org:{port}\n{CONF}")
            argv = [*place.inside, program("refloop-agent", PLAIN), "--home", member.home]
            member.agent = Daemon(argv, "agent.ready")
        self.network.broker.stop()
        conf = os.path.join(self.network.home, "broker.conf")
        with open(conf, encoding="utf-8") as file:
            text = file.read().replace(f"tcp://127.0.0.1:{self.network.port}", f"tcp://0.0.0.0:{port}")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.network.broker.argv = self.internet.broker.inside + self.network.broker.argv
        self.network.broker.start()
        self.clinic, self.pantry = self.network["oak-clinic"], self.network["elm-pantry"]
        for member in (self.clinic, self.pantry):
            member.agent.start()
            member.wait_online()
        self.addCleanup(self.stop)

    def stop(self):
        for member in (self.clinic, self.pantry):
            member.agent.stop()

    def deliver(self, **more):
        """A referral there and an answer back, however the network is just now."""
        loop = self.clinic.json("send", "-", stdin=referral(**more))["sent"][0]["loop"]
        self.pantry.wait_state(loop, "requested")
        self.pantry.run("accept", loop, stdin="")
        self.clinic.wait_state(loop, "accepted")

    def lose(self, member, *words):
        """What is said while the link is gone: a name, and a sentence that tells since when and what waits."""
        loop = member.json("send", "-", stdin=referral(to="elm-pantry" if member is self.clinic else "oak-clinic"))["sent"][0]["loop"]
        wait_for(f"{member.org} to say one of {words}", lambda: member.json("status")["link"]["trouble"] in words)
        status = member.json("status")
        self.assertEqual(status["link"]["state"], "offline")
        self.assertTrue(status["problem"])
        self.assertRegex(status["sentence"], r"^Offline since .*; 1 referral waits on this machine and goes out by itself\.$")
        return loop

    def back(self, member, loop):
        member.wait_online()
        member.wait_quiet()
        self.deliver()
        status = member.json("status")
        self.assertFalse(status["problem"], status["sentence"])
        self.assertEqual(len(member.json("show", loop)["timeline"]), 1)

    def test_link_down(self):
        """an office's network cable is pulled: it says so, and is back by itself when it is put in again"""
        self.deliver()
        self.internet.clinic.ip("link set wan down")
        loop = self.lose(self.clinic, "interrupted", "no-answer")
        wait_for("the attempts to fail, too", lambda: self.clinic.json("status")["link"]["trouble"] == "no-answer")
        self.internet.clinic.ip("link set wan up")
        self.internet.clinic.ip("route replace default via 10.77.1.1")
        self.back(self.clinic, loop)

    def test_new_address(self):
        """an office's machine gets another address under way: the old connection is given up and a new one made"""
        self.deliver()
        self.internet.clinic.ip("addr add 10.77.1.99/24 dev wan")
        self.internet.clinic.ip("addr del 10.77.1.2/24 dev wan")
        self.internet.clinic.ip("addr replace 10.77.1.99/24 dev wan")
        self.internet.clinic.ip("route replace default via 10.77.1.1")
        self.deliver()
        self.clinic.wait_quiet()

    def test_blackhole(self):
        """packets vanish without a word, to the broker or on the way back: said within seconds, healed when they pass again"""
        for victim in ("10.77.0.2/32", "10.77.1.2/32"):
            self.deliver()
            self.internet.router.ip(f"route add blackhole {victim}")
            loop = self.lose(self.clinic, "interrupted", "no-answer")
            self.internet.router.ip(f"route del blackhole {victim}")
            self.back(self.clinic, loop)

    def test_all_lose_the_broker(self):
        """the broker's own link goes down: everybody says so; each is back by itself, and what crossed arrives"""
        self.deliver()
        self.internet.broker.ip("link set wan down")
        loops = [(member, self.lose(member, "interrupted", "no-answer")) for member in (self.clinic, self.pantry)]
        self.internet.broker.ip("link set wan up")
        self.internet.broker.ip("route replace default via 10.77.0.1")
        for member, loop in loops:
            self.back(member, loop)

    def test_small_packets(self):
        """a path that takes packets of 576 bytes at most carries the longest notes, and their answers"""
        self.internet.router.ip("link set to1 mtu 576")
        self.internet.clinic.ip("link set wan mtu 576")
        self.clinic.agent.kill()
        self.clinic.agent.start()
        self.clinic.wait_online()
        for _ in range(5):
            self.deliver(note="x" * 7900)
        self.assertFalse(self.clinic.json("status")["problem"])

    def test_broker_moves(self):
        """the broker's name leads to another address: offices say that nobody answers, and find it there by themselves"""
        self.deliver()
        self.internet.broker.ip("addr add 10.77.0.9/24 dev wan")
        self.internet.broker.ip("addr del 10.77.0.2/24 dev wan")
        self.internet.broker.ip("addr replace 10.77.0.9/24 dev wan")
        self.internet.broker.ip("route replace default via 10.77.0.1")
        loops = [(member, self.lose(member, "interrupted", "no-answer")) for member in (self.clinic, self.pantry)]
        self.internet.name_broker("10.77.0.9")
        for member, loop in loops:
            self.back(member, loop)


if __name__ == "__main__":
    unittest.main()
