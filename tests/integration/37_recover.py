"""The drill of docs/operation.md: the broker's store is lost, an old copy of it is put back, and its members refill it."""
import json
import os
import shutil
import subprocess
import time
import unittest

from ledger import check, receipted
from rig import Network, program, referral, wait_for

# A broker that is being refilled does not welcome anybody; an agent that took that for a failed attempt would hang up after this long.
READY_WITHIN_S = 1
AGENT_CONF = f"ping_s = 1\nready_within_s = {READY_WITHIN_S}\nwitness_s = 1\n"


def size_of(note):
    """How many entries a checkpoint note is of."""
    return int(note.split("\n")[1])


def timelines(member):
    """{loop: steps} of everything a member has."""
    control = member.control()
    try:
        loops = [row["loop"] for row in control.call("list", show="all", limit=1000)["loops"]]
        return {loop: control.call("show", loop=loop)["timeline"] for loop in loops}
    finally:
        control.close()


class Drill(Network):
    """A network whose agents are impatient, with what a drill does to it."""

    def __init__(self, members):
        super().__init__(members=(), conf="witness_s = 1\n")
        for org in members:
            self.join(org)

    def join(self, org, start=True):
        member = super().join(org, start=False)
        with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
            file.write(AGENT_CONF)
        if start:
            member.start().wait_online()
        return member

    def send(self, source, target, person="Ana Example"):
        return self[source].json("send", "-", stdin=referral(to=target, person=person))["sent"][0]["loop"]

    def closed_loop(self, source, target):
        """A referral through to its end, everything delivered."""
        loop = self.send(source, target)
        self[target].wait_state(loop, "requested")
        self[target].run("accept", loop, stdin="")
        self[source].wait_state(loop, "accepted")
        self[target].run("complete", loop, "service-provided", stdin="")
        self[source].wait_state(loop, "completed")
        self[source].run("acknowledge", loop, stdin="")
        self[target].wait_state(loop, "closed")
        return loop

    def wait_receipted(self, org):
        wait_for(f"{org} to have receipts for all", lambda: self[org].json("status")["queue"]["waiting"] == 0)

    def entries(self):
        return json.loads(self.admin("--json", "status"))["entries"]

    def recovery(self):
        return json.loads(self.admin("--json", "status"))["recovery"]

    def wait_recovery(self, what, question):
        """Until `question` holds of the recovery, which is returned."""
        return wait_for(what, lambda: (lambda seen: seen if seen and question(seen) else None)(self.recovery()))

    def wait_whole(self):
        wait_for("the broker to be whole", lambda: self.recovery() is None)

    def wait_heard(self, org):
        def heard():
            members = json.loads(self.admin("--json", "recover"))["members"]
            return any(member["org"] == org and member["heard"] for member in members)
        wait_for(f"{org} to be heard", heard)

    def note(self, *where):
        return self.admin("checkpoint", *where)

    def keep(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def copy_by_hand(self):
        """What docs/operation.md warns of: the store of a stopped broker as it is, with nothing in it that says that it is a copy."""
        copy = os.path.join(self.root, "by-hand")
        self.broker.stop()
        shutil.copytree(os.path.join(self.home, "store"), copy)
        self.broker.start()
        for member in self.members.values():
            member.wait_online()
        return copy

    def backup(self):
        copy = os.path.join(self.root, "backup")
        said = self.admin("backup", copy)
        assert "read back and compared" in said, said
        return os.path.join(copy, "store")

    def lose_broker(self):
        """A dead machine: everybody's agent keeps trying in vain."""
        self.broker.kill()
        shutil.rmtree(os.path.join(self.home, "store"))

    def new_machine(self, backup):
        """A home made anew from the backup and from what an administrator keeps apart from it."""
        dead = self.home + ".dead"
        os.rename(self.home, dead)
        os.makedirs(os.path.join(self.home, "keys"), mode=0o700)
        os.chmod(self.home, 0o700)
        shutil.copy2(os.path.join(backup, "genesis"), self.home)
        for name in ("keys/broker.key", "keys/auditor.key", "root.key", "broker.conf"):
            shutil.copy2(os.path.join(dead, name), os.path.join(self.home, name))

    def restore(self, copy):
        shutil.copytree(copy, os.path.join(self.home, "store"))
        self.broker.start()

    def everything(self):
        return {org: timelines(member) for org, member in self.members.items()}


class Recover(unittest.TestCase):
    def settled(self, network, known, since):
        """What every drill ends with: nothing that was receipted is missing or elsewhere, and the log goes on from what was before."""
        for member in network.members.values():
            member.wait_online()
            member.wait_quiet()
        everything = network.everything()
        for org, steps in known.items():
            check(steps, {org: everything[org]})
            status = network[org].json("status")
            self.assertEqual((status["alarms"], status["stopped"], status["proof"]["unproved"]), ([], False, 0), f"{org}: {status}")
            self.assertTrue(network[org].json("verify")["ok"])
        self.assertIn("whole and true", network.admin("verify"))
        for path in since:
            self.assertIn("goes on truly from the checkpoint", network.admin("verify", "--since", path))
        self.same_checkpoint(network)

    def same_checkpoint(self, network):
        """All agents and the broker know one log: their checkpoints meet as soon as nothing new comes."""
        def places():
            seen = {(answer["size"], answer["root"]) for answer in (member.json("checkpoint") for member in network.members.values())}
            last = json.loads(network.admin("--json", "verify"))["checkpoint"]
            seen.add((last["size"], last["root"]))
            return len(seen) == 1
        wait_for("all checkpoints to be the same", places)

    def test_drill(self):
        """a backup restored: agents come back one by one, nothing is signed meanwhile, nothing receipted is missing afterwards"""
        with Drill(["oak-clinic", "elm-pantry", "fir-shelter"]) as network:
            clinic, pantry, shelter = (network[org] for org in ("oak-clinic", "elm-pantry", "fir-shelter"))
            old = network.closed_loop("oak-clinic", "elm-pantry")
            half = network.send("oak-clinic", "elm-pantry")
            pantry.wait_state(half, "requested")
            for member in network.members.values():
                member.wait_quiet()
            store = network.backup()
            backed_up = size_of(network.note("--copy", os.path.dirname(store)))
            # More work: a loop goes on, new ones begin, a member joins, and somebody is away when statements for it are receipted.
            network.closed_loop("elm-pantry", "fir-shelter")
            pantry.run("accept", half, stdin="")
            clinic.wait_state(half, "accepted")
            house = network.join("ash-house")
            wait_for("the clinic to know the new member", lambda: "ash-house" in clinic.run("members"))
            wait_for("the pantry to know the new member", lambda: "ash-house" in pantry.run("members"))
            late = network.send("oak-clinic", "ash-house")
            house.wait_state(late, "requested")
            house.run("accept", late, stdin="")
            clinic.wait_state(late, "accepted")
            shelter.wait_quiet()
            shelter.agent.stop()
            away = [network.send("oak-clinic", "fir-shelter", f"Person {number} Example") for number in range(3)]
            away.append(network.send("elm-pantry", "fir-shelter"))
            last = network.closed_loop("elm-pantry", "ash-house")
            network.wait_receipted("oak-clinic")
            network.wait_receipted("elm-pantry")
            house.wait_quiet()
            known = {member.org: receipted(timelines(member)) for member in (clinic, pantry, house)}
            self.assertTrue(all(any(step["stage"] == "accepted" for step in clinic.json("show", loop)["timeline"]) for loop in away[:3]))
            since = [network.keep("broker.note", network.note())]
            since += [network.keep(f"{member.org}.note", member.run("checkpoint")) for member in (clinic, pantry, house)]
            lost = network.entries()
            for member in (clinic, pantry, house):
                member.agent.stop()
            network.lose_broker()
            network.new_machine(os.path.dirname(store))
            self.assertIn("It is a backup", network.admin("verify", "--copy", os.path.dirname(store)))
            network.restore(store)

            # Nobody is there yet.
            said = network.admin("status")
            self.assertIn(f"THE BROKER WAS RESTORED FROM AN OLD COPY of {backed_up} entries", said)
            self.assertIn("It waits for 3 members to connect", said)
            self.assertIn("fir-shelter (Fir Shelter), offline", network.admin("recover"))
            self.assertIn("restored from an old copy", network.admin("invite", "yew-legal", "--name", "Yew Legal", "--out",
                                                                     os.path.join(network.root, "yew.token"), code=1))
            # The one who was away has nothing to bring that is newer than when it left, and is not shown what is not there.
            shelter.start()
            network.wait_heard("fir-shelter")
            # The member that joined after the backup is a stranger until somebody brings its join back.
            house.start(wait=False)
            network.wait_recovery("the stranger to help", lambda r: r["helpers"] == 1 and r["goal"] > 0 and r["unheard"] == 2)
            # The pantry: its entries are there, what is between others is not.
            pantry.start()
            network.wait_heard("elm-pantry")
            network.wait_heard("ash-house")
            seen = network.wait_recovery("what two members hold", lambda r: r["unheard"] == 1 and r["goal"] == lost and r["missing"])
            self.assertLess(seen["entries"], lost)
            said = network.admin("status")
            self.assertIn(f"Its log has {seen['entries']} of {lost} entries again. Not brought back yet:\n  entr", said)
            self.assertIn("It waits for 1 member to connect", said)
            self.assertIn("are still missing", network.admin("recover", "--go-on", "--yes", code=1))
            self.held_on(network, pantry)
            # What is said meanwhile waits on the member's own disk; nothing is signed.
            pantry.run("note", half, "--text", "-", stdin="said while the broker was being refilled")
            self.assertEqual(pantry.json("status")["queue"]["waiting"], 1)
            status = pantry.json("status")
            self.assertEqual((status["link"]["trouble"], status["proof"]["recovering"]), ("broker-recovering", True))
            self.assertIn("leave this machine on", status["sentence"])
            self.assertEqual(size_of(network.note()), backed_up)
            self.assertEqual(network.recovery()["unheard"], 1)
            clinic.start()
            network.wait_whole()
            self.assertGreaterEqual(network.entries(), lost)
            for member in (clinic, pantry, shelter, house):
                member.wait_online()
            # The reader that was away gets all of it, and work goes on.
            for loop in away:
                shelter.wait_state(loop, "requested")
            self.assertEqual(sorted(shelter.json("show", loop)["request"]["person"]["name"] for loop in away[:3]),
                             [f"Person {number} Example" for number in range(3)])
            wait_for("the note to arrive", lambda: "said while the broker" in json.dumps(clinic.json("show", half)))
            pantry.run("complete", half, "service-provided", stdin="")
            clinic.wait_state(half, "completed")
            network.closed_loop("ash-house", "oak-clinic")
            network.closed_loop("fir-shelter", "ash-house")
            self.assertEqual(clinic.loop(old)["state"], "closed")
            self.assertEqual(house.loop(last)["state"], "closed")
            self.settled(network, known, since)
            self.assertIn("The broker is whole", network.admin("recover"))
            network.invite("yew-legal")
            # Once more from its own disk: the mark is gone for good.
            network.broker.stop()
            network.broker.start()
            self.assertIsNone(network.recovery())
            self.settled(network, known, since)

    def held_on(self, network, member):
        """The link is kept as long as it lasts, though nobody is welcomed on it."""
        lines = len([line for line in member.agent.lines if "link." in line])
        until = time.monotonic() + 3 * READY_WITHIN_S
        wait_for("the agent's patience to be over", lambda: time.monotonic() > until)
        self.assertEqual(len([line for line in member.agent.lines if "link." in line]), lines, "the link was dropped:\n" + "\n".join(member.agent.lines))
        online = {row["org"]: row["online"] for row in json.loads(network.admin("--json", "recover"))["members"]}
        self.assertTrue(online[member.org])

    def test_crash_on_the_way(self):
        """the restored broker and an agent are killed while entries come back: they go on where they were"""
        with Drill(["oak-clinic", "elm-pantry", "fir-shelter"]) as network:
            clinic, pantry, shelter = (network[org] for org in ("oak-clinic", "elm-pantry", "fir-shelter"))
            network.closed_loop("oak-clinic", "elm-pantry")
            store = network.backup()
            for number in range(20):
                network.send("oak-clinic", ("elm-pantry", "fir-shelter")[number % 2], f"Person {number} Example")
            network.closed_loop("elm-pantry", "fir-shelter")
            for member in network.members.values():
                member.wait_quiet()
            known = {org: receipted(steps) for org, steps in network.everything().items()}
            since = [network.keep("broker.note", network.note())]
            for member in network.members.values():
                member.agent.stop()
            network.lose_broker()
            network.restore(store)
            pantry.start()
            network.wait_recovery("the pantry's copies", lambda seen: seen["missing"])
            network.broker.kill()
            network.broker.start()
            pantry.agent.kill()
            self.assertTrue(network.recovery(), "the mark stays until all is back")
            shelter.start()
            network.wait_heard("fir-shelter")
            network.broker.kill()
            network.broker.start()
            pantry.start()
            clinic.start()
            network.wait_whole()
            network.closed_loop("fir-shelter", "oak-clinic")
            self.settled(network, known, since)

    def test_copied_by_hand(self):
        """an old store put in place by hand says nothing of itself: the first member that connects tells it"""
        with Drill(["oak-clinic", "elm-pantry"]) as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            network.closed_loop("oak-clinic", "elm-pantry")
            copy = network.copy_by_hand()
            loop = network.closed_loop("oak-clinic", "elm-pantry")
            for member in network.members.values():
                member.wait_quiet()
            known = {org: receipted(steps) for org, steps in network.everything().items()}
            since = [network.keep("broker.note", network.note())]
            pantry.agent.stop()
            network.lose_broker()
            network.restore(copy)
            seen = network.wait_recovery("the broker to be told", lambda seen: seen["goal"] == seen["entries"])
            self.assertEqual(seen["unheard"], 1)
            self.assertIn("THE BROKER WAS RESTORED FROM AN OLD COPY", network.admin("status"))
            self.held_on(network, clinic)
            clinic.run("note", loop, "--text", "-", stdin="not yet")
            self.assertEqual(clinic.json("status")["queue"]["waiting"], 1)
            # It is not marked on disk only until the first member has spoken: a restart does not forget it.
            network.broker.kill()
            network.broker.start()
            self.assertTrue(network.recovery())
            pantry.start()
            network.wait_whole()
            wait_for("the note to arrive", lambda: "not yet" in json.dumps(pantry.json("show", loop)))
            network.closed_loop("elm-pantry", "oak-clinic")
            self.settled(network, known, since)

    def test_never_comes(self):
        """a member that never comes: the administrator goes on without it, and nothing of the others' is lost"""
        with Drill(["oak-clinic", "elm-pantry", "fir-shelter"]) as network:
            clinic, pantry, shelter = (network[org] for org in ("oak-clinic", "elm-pantry", "fir-shelter"))
            store = network.backup()
            with_shelter = network.closed_loop("oak-clinic", "fir-shelter")
            network.closed_loop("elm-pantry", "oak-clinic")
            for member in network.members.values():
                member.wait_quiet()
            known = {org: receipted(steps) for org, steps in network.everything().items()}
            since = [network.keep("broker.note", network.note())]
            shelter.agent.stop()
            network.lose_broker()
            network.restore(store)
            network.wait_recovery("all that two members have", lambda seen: seen["unheard"] == 1 and seen["goal"] == seen["entries"])
            said = network.admin("recover")
            self.assertIn("are back.", said)
            self.assertIn("Not heard yet:\n  fir-shelter (Fir Shelter), offline", said)
            self.assertIn("add --yes", network.admin("recover", "--go-on", code=1))
            self.assertIn("The broker is whole", network.admin("recover", "--go-on", "--yes"))
            network.closed_loop("elm-pantry", "oak-clinic")
            # It comes after all: it shares this log, and nothing begins anew.
            shelter.start().wait_online()
            self.assertIsNone(network.recovery())
            self.assertEqual(shelter.loop(with_shelter)["state"], "closed")
            network.closed_loop("fir-shelter", "elm-pantry")
            self.settled(network, known, since)

    def test_only_the_absent_had_it(self):
        """what only a member held that never came is given up; its agent stops with an alarm, and it joins anew"""
        with Drill(["oak-clinic", "elm-pantry", "fir-shelter"]) as network:
            clinic, pantry, shelter = (network[org] for org in ("oak-clinic", "elm-pantry", "fir-shelter"))
            network.closed_loop("oak-clinic", "fir-shelter")
            for member in network.members.values():
                member.wait_quiet()
            store = network.backup()
            clinic.agent.stop()
            pantry.agent.stop()
            lost = network.send("fir-shelter", "oak-clinic")
            network.wait_receipted("fir-shelter")
            shelter.agent.stop()
            network.lose_broker()
            network.restore(store)
            clinic.start()
            pantry.start()
            network.wait_recovery("two members", lambda seen: seen["unheard"] == 1)
            self.assertIn("No member has shown more", network.admin("status"))
            network.admin("recover", "--go-on", "--yes")
            network.closed_loop("oak-clinic", "elm-pantry")
            shelter.start()
            wait_for("the shelter to be warned", lambda: shelter.json("status")["alarms"])
            status = shelter.json("status")
            self.assertTrue(status["stopped"])
            self.assertIn("STOPPED", shelter.run("list"))
            self.assertIsNone(network.recovery(), "one member that was given up does not stop the network again")
            self.assertEqual(shelter.loop(lost)["state"], "requested")
            network.closed_loop("elm-pantry", "oak-clinic")
            # The way back in: a new invite, as for a lost machine.
            shelter.agent.stop()
            os.rename(shelter.home, shelter.home + ".was")
            network.join_only("fir-shelter", network.invite("fir-shelter", None, "--replace"))
            shelter.start().wait_online()
            network.closed_loop("fir-shelter", "oak-clinic")
            self.assertEqual(shelter.json("status")["alarms"], [])
            self.assertIn("whole and true", network.admin("verify"))

    def test_rotated_since(self):
        """keys that changed after the backup: the broker lets the new ones in as soon as somebody brings the change back"""
        with Drill(["oak-clinic", "elm-pantry"]) as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            store = network.backup()
            loop = network.closed_loop("oak-clinic", "elm-pantry")
            for member in network.members.values():
                member.wait_quiet()
            pantry.agent.stop()
            subprocess.run([program("refloop-agent"), "--home", pantry.home, "rotate"], capture_output=True, timeout=120, check=True)
            pantry.start().wait_online()
            network.closed_loop("elm-pantry", "oak-clinic")
            for member in network.members.values():
                member.wait_quiet()
            known = {org: receipted(steps) for org, steps in network.everything().items()}
            since = [network.keep("broker.note", network.note())]
            clinic.agent.stop()
            network.lose_broker()
            network.restore(store)
            network.wait_recovery("the new keys to help", lambda r: r["unheard"] == 2 and r["helpers"] == 1 or r["entries"] == r["goal"])
            clinic.start()
            network.wait_whole()
            self.assertEqual(pantry.loop(loop)["state"], "closed")
            network.closed_loop("elm-pantry", "oak-clinic")
            self.settled(network, known, since)


if __name__ == "__main__":
    unittest.main()
