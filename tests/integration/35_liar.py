"""A broker that lies with its own keys: each lie is found out, by whom and how soon is printed.

The lies are told by tests/support/liar-broker, which is refloop-broker with one thing changed. Each begins with an honest network that has
closed a loop; then the lie; then ordinary work until somebody notices.
"""
import json
import os
import shutil
import time
import unittest

import rig
from rig import Daemon, Failure, Network, program, referral, wait_for

CLINIC, BANK, SHELTER = "oak-clinic", "food-bank", "ash-shelter"
MEMBERS = (CLINIC, BANK, SHELTER)
PATIENCE_S = 30
ENDS = {"accept": "accepted", "complete": "completed", "acknowledge": "closed"}


def liar_program():
    return os.path.join(os.path.abspath(rig.BUILD), "tests/support/liar-broker")


class Prepared(Network):
    """Three members with quick clocks, a closed loop and two open ones; stopped, and kept to be started from again and again."""

    def __init__(self):
        super().__init__(members=(), conf="witness_s = 1\n")
        try:
            self.prepare()
        except BaseException:
            self.complain()
            self.halt()
            raise

    def prepare(self):
        for org in MEMBERS:
            member = self.join(org, start=False)
            with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
                file.write("ping_s = 1\nwitness_s = 1\nwitnesses = 1\n")
            member.start()
        self.invite("attacker-house")
        self.join_only("elm-house", self.invite("elm-house"))
        self.admin("revoke", "elm-house", "--reason", "moved", "--yes")
        self.join_only("elm-house-again", self.invite("elm-house", None, "--replace"))
        self.closed = self.send(CLINIC, BANK)
        for who, *words in ((BANK, "accept"), (BANK, "complete", "service-provided"), (CLINIC, "acknowledge")):
            self.say(who, words[0], self.closed, *words[1:])
            self[CLINIC if who == BANK else BANK].wait_state(self.closed, ENDS[words[0]])
        self.asked = self.send(CLINIC, BANK)
        self.accepted = self.send(CLINIC, BANK)
        self.say(BANK, "accept", self.accepted)
        self[CLINIC].wait_state(self.accepted, "accepted")
        self.quiet()
        wait_for("everybody to be confirmed", lambda: all(proof(self[org])["confirmed"] == proof(self[org])["entries"] for org in MEMBERS))
        self.halt()
        self.saved = self.root + ".saved"
        shutil.copytree(self.root, self.saved)

    def send(self, source, target, wait=True):
        loop = self[source].json("send", "-", stdin=referral(to=target))["sent"][0]["loop"]
        if wait:
            self[target].wait_state(loop, "requested")
        return loop

    def say(self, who, event, loop, *words):
        self[who].run(event, loop, *words, stdin="")

    def note(self, who, loop, text="a word"):
        self[who].run("note", loop, "--text", "-", stdin=text)

    def quiet(self, orgs=MEMBERS):
        for org in orgs:
            self[org].wait_quiet()

    def halt(self):
        for member in self.members.values():
            if member.agent and member.agent.alive():
                member.agent.stop()
        if self.broker.alive():
            self.broker.stop()

    def restore(self, *parts):
        """Back to what was kept: all of it, or some directories."""
        self.halt()
        for part in parts or os.listdir(self.saved):
            target = os.path.join(self.root, part)
            shutil.rmtree(target, ignore_errors=True)
            source = os.path.join(self.saved, part)
            if os.path.isdir(source):
                shutil.copytree(source, target)
            else:
                shutil.copy2(source, target)

    @property
    def trigger(self):
        return os.path.join(self.root, "lie.now")

    def begin(self):
        with open(self.trigger, "w", encoding="ascii"):
            pass

    def start(self, lie, against, agents=MEMBERS, **env):
        if os.path.exists(self.trigger) and lie not in ("roll-back", "roll-back-echo", "backdate-far"):
            os.unlink(self.trigger)
        words = {"LIE": lie, "LIE_AGAINST": against, "LIE_WHEN": self.trigger, "LIE_TOKEN": os.path.join(self.root, "attacker-house.token")}
        self.broker = Daemon([liar_program(), "--home", self.home], "broker.ready", {**words, **env}).start()
        for org in agents:
            self[org].start(wait=False)
        for org in agents:
            self[org].agent.wait_line("agent.ready")


def proof(member):
    return member.json("status")["proof"]


def signs(member):
    """Every sign of a lie that a member shows."""
    status = member.json("status")
    found = {alarm["kind"] for alarm in member.json("alarms")["alarms"]}
    if status["proof"]["unproved"] > 0 or status["link"]["trouble"] == "unproved":
        found.add("unproved")
    if status["proof"]["witnesses"] < status["proof"]["wanted"] and status["proof"]["confirmed"] < status["proof"]["entries"]:
        found.add("unconfirmed")
    if status["loops"]["undelivered"] > 0:
        found.add("undelivered")
    return found


def stages(member, loop):
    return [step["stage"] for step in member.json("show", loop)["timeline"]]


class Liar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Prepared()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.network.saved, ignore_errors=True)
        cls.network.__exit__(None, None, None)

    def setUp(self):
        self.network.restore()
        self.began = None

    def tearDown(self):
        self.network.halt()

    def lie(self, lie, against, **env):
        """An honest start, and the lie from here on."""
        network = self.network
        network.start(lie, against, **env)
        for org in MEMBERS:
            network[org].wait_online()
        network.begin()
        network.broker.wait_line("liar.begins")

    def told(self):
        self.network.broker.wait_line("liar.lied")
        self.began = time.monotonic()

    def noticed(self, name, expected, when, stops=True):
        """Waits until each expected member shows one of its signs; prints who and how soon; holds those who stop to it."""
        soon, seen = {}, {}
        if self.began is None:
            self.told()
        for org, kinds in expected.items():
            def has(org=org, kinds=kinds):
                seen[org] = signs(self.network[org]) & kinds
                return seen[org]
            wait_for(f"{org} to notice {name}: one of {sorted(kinds)}, shows {signs(self.network[org])}", has, PATIENCE_S)
            soon[org] = time.monotonic() - self.began
        auditor = self.audit()
        for org in expected if stops else ():
            self.is_stopped(org)
        who = "; ".join(f"{org} ({', '.join(sorted(seen[org]))}), {when}, {soon[org]:.1f} s" for org in expected)
        print(f"lie: {name}: {who or 'no member'}; auditor: {auditor}", flush=True)
        return auditor

    def audit(self):
        """What `refloop-admin verify` finds: alone, then from the checkpoint of each member."""
        found = []
        if not self.verifies():
            found.append("verify")
        for org in MEMBERS:
            path = os.path.join(self.network.root, org + ".checkpoint")
            try:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(self.network[org].run("checkpoint"))
            except Failure:
                continue
            if not self.verifies("--since", path):
                found.append(f"verify --since {org}'s checkpoint")
        return ", ".join(found) or "nothing to find"

    def verifies(self, *options):
        try:
            return json.loads(self.network.admin("--json", "verify", *options))["ok"]
        except Failure as failure:
            self.assertIn("ok", json.loads(failure.out), failure.err)
            return False

    def is_stopped(self, org):
        """The red line stands in every command, and nothing more is sent."""
        member = self.network[org]
        other = BANK if org != BANK else CLINIC
        status = member.json("status")
        self.assertTrue(status["stopped"], status)
        self.assertIn("STOPPED:", member.run("list"))
        before = status["queue"]["waiting"]
        loop = self.network.send(org, other, wait=False)
        member.run("status")
        self.assertEqual(member.json("status")["queue"]["waiting"], before + 1)
        self.assertEqual(stages(member, loop), ["queued"])

    # ---- no lie ----

    def test_control(self):
        """lies: the liar that tells none is believed by everybody"""
        network = self.network
        self.lie("none", BANK)
        network.say(BANK, "accept", network.asked)
        network[CLINIC].wait_state(network.asked, "accepted")
        loop = network.send(SHELTER, CLINIC)
        network.say(CLINIC, "decline", loop, "no-capacity")
        network[SHELTER].wait_state(loop, "declined")
        network.quiet()
        wait_for("everybody to be confirmed", lambda: all(proof(network[org])["confirmed"] == proof(network[org])["entries"] for org in MEMBERS))
        for org in MEMBERS:
            self.assertEqual(signs(network[org]), set(), org)
        self.assertEqual(self.audit(), "nothing to find")
        print("lie: none: nobody", flush=True)

    # ---- drop ----

    def test_drop_unproved(self):
        """lies: drop, receipted without a proof"""
        self.lie("drop-unproved", CLINIC)
        loop = self.network.send(CLINIC, BANK, wait=False)
        self.noticed("drop (receipt without a proof, nothing logged)", {CLINIC: {"unproved"}}, "at the receipt", stops=False)
        self.assertNotIn("accepted", stages(self.network[CLINIC], loop))

    def test_drop_borrowed(self):
        """lies: drop, receipted with the proof of another entry"""
        self.lie("drop-borrowed-proof", CLINIC)
        loop = self.network.send(CLINIC, BANK, wait=False)
        self.noticed("drop (receipt with another entry's proof, nothing logged)", {CLINIC: {"not-logged"}}, "at the receipt")
        self.assertNotIn("accepted", stages(self.network[CLINIC], loop))

    def test_drop_forged(self):
        """lies: drop, receipted under a head made for it"""
        self.lie("drop-forged-head", CLINIC)
        self.network.send(CLINIC, BANK, wait=False)
        auditor = self.noticed("drop (proved in a head made for the receipt, nothing logged)",
                               {CLINIC: {"rolled-back", "split-view", "rewritten"}}, "at the next hello")
        self.assertIn(f"--since {CLINIC}", auditor)

    def test_drop_one(self):
        """lies: drop, logged and one statement never delivered"""
        network = self.network
        self.lie("drop-one-delivery", BANK)
        network.note(CLINIC, network.accepted, "one")
        self.told()
        network.note(CLINIC, network.accepted, "two")
        self.noticed("drop (logged, one statement never delivered)", {BANK: {"withheld"}}, "at the next statement in the loop")

    def test_drop_all(self):
        """lies: drop, logged and nothing more delivered"""
        self.lie("drop-all-deliveries", BANK)
        loop = self.network.send(CLINIC, BANK, wait=False)
        self.told()
        wait_for("the receipt", lambda: stages(self.network[CLINIC], loop) == ["accepted"])
        self.noticed("drop (logged, nothing more delivered)", {CLINIC: {"undelivered"}}, "at once, as not delivered", stops=False)
        self.assertEqual(stages(self.network[CLINIC], loop), ["accepted"])

    def test_drop_own(self):
        """lies: drop, not delivered back to its author"""
        network = self.network
        self.lie("drop-own", CLINIC)
        network.note(CLINIC, network.accepted)
        network.note(BANK, network.accepted)
        self.noticed("drop (kept from its author's own reading)", {CLINIC: {"withheld"}}, "at the next delivery")

    def test_drop_history(self):
        """lies: drop, taken out of the log after it was signed"""
        network = self.network
        network.start("drop-history", CLINIC)
        network.note(CLINIC, network.accepted)
        network.quiet()
        network.begin()
        self.told()
        for number in range(3):
            network.note(CLINIC, network.accepted, f"more {number}")
        auditor = self.noticed("drop (out of the log after it was signed)",
                               {org: {"rewritten", "split-view", "rolled-back"} for org in (CLINIC, BANK)}, "at the next head")
        self.assertIn("--since", auditor)

    # ---- alter ----

    def test_alter_delivery(self):
        """lies: alter, other words on the way"""
        self.lie("alter-delivery", BANK)
        loop = self.network.send(CLINIC, BANK, wait=False)
        self.noticed("alter (other words on the way)", {BANK: {"forged-entry"}}, "at the delivery")
        self.assertRaises(Failure, self.network[BANK].loop, loop)

    def test_alter_sealed(self):
        """lies: alter, another sealed part on the way"""
        self.lie("alter-sealed", BANK)
        loop = self.network.send(CLINIC, BANK, wait=False)
        self.noticed("alter (another sealed part on the way)", {BANK: {"forged-entry"}}, "at the delivery")
        self.assertRaises(Failure, self.network[BANK].loop, loop)

    def test_alter_stored(self):
        """lies: alter, other words in the log with a good tree"""
        network = self.network
        self.lie("alter-stored", BANK)
        network.say(BANK, "accept", network.asked)
        auditor = self.noticed("alter (in the log before the tree: accept made decline)", {BANK: {"not-logged"}, CLINIC: {"forged-entry"}},
                               "at the receipt and at the delivery")
        self.assertIn("verify", auditor)
        self.assertEqual(network[CLINIC].loop(network.asked)["state"], "requested")

    def test_alter_history(self):
        """lies: alter, in the log after it was signed"""
        network = self.network
        network.start("alter-history", CLINIC)
        network.note(CLINIC, network.accepted)
        network.quiet()
        network.begin()
        self.told()
        network.note(CLINIC, network.accepted, "more")
        auditor = self.noticed("alter (in the log after it was signed)", {org: {"rewritten", "split-view"} for org in (CLINIC, BANK)}, "at the next head")
        self.assertTrue(auditor.startswith("verify"), auditor)

    # ---- reorder ----

    def test_reorder(self):
        """lies: reorder, two entries change places after they were signed"""
        network = self.network
        network.start("reorder", CLINIC)
        network[CLINIC].json("send", "-", stdin=referral(to=BANK, person="Ben Example"))
        network[CLINIC].json("send", "-", stdin=referral(to=BANK, person="Cleo Example"))
        network.quiet()
        network.begin()
        self.told()
        network.note(CLINIC, network.accepted, "more")
        auditor = self.noticed("reorder (two entries after their heads were signed)", {org: {"rewritten", "split-view"} for org in (CLINIC, BANK)}, "at the next head")
        self.assertIn("--since", auditor)

    # ---- fork ----

    def fork(self, lie):
        network = self.network
        self.lie(lie, SHELTER)
        network.note(CLINIC, network.accepted)
        self.told()
        network.quiet((CLINIC, BANK))

    def test_fork_silent(self):
        """lies: fork, another log for one member and nobody's word beside the broker's"""
        network = self.network
        self.fork("fork-silent")
        confirmed = proof(network[SHELTER])["confirmed"]
        loop = network.send(SHELTER, CLINIC)
        network[CLINIC].run("accept", loop, stdin="")
        network[SHELTER].wait_state(loop, "accepted")
        auditor = self.noticed("fork (per member, cosignatures kept back)", {SHELTER: {"unconfirmed"}}, "at the next round of witnesses", stops=False)
        self.assertIn(f"--since {SHELTER}", auditor)
        self.assertEqual(proof(network[SHELTER])["confirmed"], confirmed)
        self.by_hand()

    def by_hand(self):
        """One member reads the other's checkpoint: `refloop checkpoint --check`."""
        network = self.network
        path = os.path.join(network.root, "by-hand")

        def compared():
            with open(path, "w", encoding="utf-8") as file:
                file.write(network[CLINIC].run("checkpoint"))
            try:
                return network[SHELTER].run("checkpoint", "--check", path)
            except Failure as failure:
                return failure.err + failure.out
        said = wait_for("two checkpoints of one size to be compared", lambda: (lambda text: text if "different" in text else None)(compared()))
        print(f"lie: fork (compared by hand): {SHELTER}: {' '.join(said.split())[:110]}", flush=True)

    def test_fork_shown(self):
        """lies: fork, the others' checkpoint passed on"""
        self.fork("fork-shown")
        self.noticed("fork (per member, the others' checkpoint passed on)", {SHELTER: {"split-view"}}, "at the next round of witnesses")

    def test_fork_pasted(self):
        """lies: fork, the others' cosignatures passed on under the victim's log"""
        self.fork("fork-pasted")
        self.noticed("fork (per member, the others' cosignatures under its log)", {SHELTER: {"split-view"}}, "at the next round of witnesses")

    # ---- roll back ----

    def grow(self, orgs=(CLINIC, BANK)):
        """Honest work that the old store knows nothing of."""
        network = self.network
        network.start("none", CLINIC, orgs)
        for number in range(3):
            network.note(CLINIC, network.accepted, f"soon lost {number}")
        network.quiet(orgs)
        network.halt()
        shutil.rmtree(os.path.join(network.home, "store"))
        shutil.copytree(os.path.join(network.saved, "broker", "store"), os.path.join(network.home, "store"))
        network.begin()

    def test_roll_back(self):
        """lies: roll back, an old store that says nothing"""
        network = self.network
        self.grow()
        network.start("roll-back", CLINIC)
        self.began = time.monotonic()
        self.noticed("roll back (an old store, nothing admitted)", {org: {"rolled-back"} for org in (CLINIC, BANK)}, "at the hello")

    def test_roll_back_grown(self):
        """lies: roll back, grown past what was lost before the members are back"""
        network = self.network
        self.grow()
        network.start("roll-back", CLINIC, (SHELTER,))
        for _ in range(20):
            network.send(SHELTER, BANK, wait=False)
        network[SHELTER].wait_online()
        wait_for("all to be logged", lambda: network[SHELTER].json("status")["queue"]["waiting"] == 0)
        for org in (CLINIC, BANK):
            network[org].start()
        self.began = time.monotonic()
        auditor = self.noticed("roll back (grown past what was lost)", {org: {"rewritten", "split-view"} for org in (CLINIC, BANK)}, "at the hello")
        self.assertIn("--since", auditor)

    def test_roll_back_echo(self):
        """lies: roll back, each member is told what it told"""
        network = self.network
        self.grow()
        network.start("roll-back-echo", CLINIC)
        loop = network.send(CLINIC, BANK, wait=False)
        self.noticed("roll back (each is told its own checkpoint)", {CLINIC: {"unproved", "not-logged", "split-view"}}, "at the next statement",
                     stops=False)
        self.assertNotIn("accepted", stages(network[CLINIC], loop))

    # ---- two heads ----

    def test_two_heads(self):
        """lies: two heads of one size"""
        self.lie("two-heads", CLINIC)
        auditor = self.noticed("two heads of one size", {CLINIC: {"split-view"}}, "at the next pong")
        self.assertNotIn("verify,", auditor)

    # ---- keys ----

    def keys(self, lie, name):
        network = self.network
        self.lie(lie, BANK)
        network.note(CLINIC, network.accepted)
        self.told()
        network.send(SHELTER, CLINIC, wait=False)
        auditor = self.noticed(name, {org: {"false-key"} for org in MEMBERS}, "at the next delivery")
        self.assertIn("verify", auditor)

    def test_key_rotate(self):
        """lies: a key swapped, new keys in a member's name"""
        self.keys("key-rotate", "swap a key (forged new keys)")

    def test_key_join(self):
        """lies: a key swapped, a join under a spent invite"""
        self.keys("key-join", "swap a key (forged join)")

    def test_key_invite(self):
        """lies: a key swapped, a join under an invite of the attacker's own"""
        self.keys("key-invite", "swap a key (a true join of the attacker's, in another's name)")

    def test_drop_keys(self):
        """lies: drop, a change of keys kept from one member"""
        network = self.network
        network.start("drop-key-event", CLINIC)
        for org in MEMBERS:
            network[org].wait_online()
        network[BANK].agent.stop()
        network.begin()
        network.broker.wait_line("liar.begins")
        done = rig.subprocess.run([program("refloop-agent"), "--home", network[BANK].home, "rotate"], capture_output=True, text=True, timeout=60,
                                  check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        network[BANK].start()
        network.note(BANK, network.accepted)
        self.noticed("drop (a member's new keys kept from another)", {CLINIC: {"forged-entry", "withheld", "false-key"}}, "at that member's next word")

    # ---- time ----

    def test_backdate(self):
        """lies: backdate, before the entry before"""
        network = self.network
        self.lie("backdate", CLINIC)
        network.note(CLINIC, network.accepted)
        self.began = time.monotonic()
        auditor = self.noticed("backdate (before the entry before it)", {CLINIC: {"backdated"}, BANK: {"backdated"}}, "at the receipt and the delivery")
        self.assertIn("verify", auditor)

    def test_backdate_receipt(self):
        """lies: backdate, the receipt and not the entry"""
        self.lie("backdate-receipt", CLINIC)
        loop = self.network.send(CLINIC, BANK, wait=False)
        self.noticed("backdate (the receipt only)", {CLINIC: {"not-logged"}}, "at the receipt")
        self.assertEqual(stages(self.network[CLINIC], loop), ["sent"])

    def test_postdate(self):
        """lies: a time hours ahead of the members' clocks"""
        network = self.network
        self.lie("postdate", CLINIC)
        network.note(CLINIC, network.accepted)
        self.began = time.monotonic()
        self.noticed("postdate (three hours ahead)", {CLINIC: {"clock"}}, "at the receipt", stops=False)

    def test_backdate_far(self):
        """lies: a log that is hours behind from its first entry"""
        network = self.network
        network.restore()
        shutil.rmtree(os.path.join(network.home, "store"))
        for org in MEMBERS:
            shutil.rmtree(os.path.join(network.root, org))
        network.start("backdate-far", CLINIC, ())
        for org in (CLINIC, BANK):
            network.join(org)
        self.began = time.monotonic()
        network.send(CLINIC, BANK)
        wait_for("the clinic to notice", lambda: "clock" in signs(network[CLINIC]), PATIENCE_S)
        print(f"lie: backdate (the whole log three hours behind): {CLINIC} (clock), at the receipt, {time.monotonic() - self.began:.1f} s", flush=True)

    # ---- the wrong member, and again ----

    def test_misdeliver(self):
        """lies: delivered to a member that it is not addressed to"""
        network = self.network
        self.lie("misdeliver", SHELTER)
        network.note(CLINIC, network.accepted, "nobody else's")
        auditor = self.noticed("deliver to the wrong member", {SHELTER: {"misdelivered"}}, "at the delivery", stops=False)
        self.assertIn("ALARM:", network[SHELTER].run("list"))
        self.assertIn("verify", auditor)

    def test_replay(self):
        """lies: replay, logged twice and delivered twice"""
        network = self.network
        self.lie("replay", CLINIC)
        network.note(CLINIC, network.accepted, "once")
        auditor = self.noticed("replay (logged a second time)", {CLINIC: {"replayed"}, BANK: {"replayed"}}, "at the second delivery")
        self.assertIn("verify", auditor)
        for org in (CLINIC, BANK):
            self.assertEqual([step["event"] for step in network[org].json("show", network.accepted)["timeline"]].count("note"), 1)

    def test_replay_apart(self):
        """lies: replay, each side is shown another one of the two"""
        network = self.network
        self.lie("replay-apart", CLINIC)
        network.note(CLINIC, network.accepted, "once")
        self.told()
        network[BANK].wait_quiet()
        auditor = self.noticed("replay (each side shown another one of the two)", {}, "")
        self.assertIn("verify", auditor)

    def replay_keys(self, again, against, name):
        network = self.network
        self.lie("replay-key-event", against, LIE_AGAIN=again)
        network.note(CLINIC, network.accepted)
        self.told()
        network.send(SHELTER, CLINIC, wait=False)
        auditor = self.noticed(name, {org: {"replayed"} for org in MEMBERS}, "at the next delivery")
        self.assertIn("verify", auditor)

    def test_replay_join(self):
        """lies: replay, a member's old join"""
        self.replay_keys("join", BANK, "replay (an old join)")

    def test_replay_revoke(self):
        """lies: replay, an old revocation of a member that is back"""
        self.replay_keys("revoke", "elm-house", "replay (an old revocation)")


if __name__ == "__main__":
    unittest.main()
