"""One call of the real programs fails: they go on or end with a sentence, come back at once, and nothing receipted is lost."""
import os
import pathlib
import random
import tempfile
import time
import unittest

from ledger import check, planted, receipted
from rig import LONG, PLAIN, Network, wait_for

PRELOAD = os.path.join(os.path.abspath(PLAIN), "tests/faults/preload.so")
SEED = int(os.environ.get("REFLOOP_SEED", "20261122"))
EIO, EMFILE, ENOMEM, ENOSPC, ECONNRESET, EINTR, SHORT = 5, 24, 12, 28, 104, 4, -1
# Call, errno, how many places of it are tried (of each program; ten times as many with --long).
WAYS = [
    ("malloc", ENOMEM, 4), ("mmap", ENOMEM, 1), ("open", EMFILE, 2), ("read", EIO, 2), ("write", EIO, 1), ("pwrite", EIO, 2),
    ("pwrite", ENOSPC, 2), ("pwrite", SHORT, 2), ("writev", EIO, 2), ("writev", ENOSPC, 2), ("fdatasync", EIO, 3), ("fsync", EIO, 1),
    ("send", ECONNRESET, 2), ("recv", ECONNRESET, 2), ("epoll_wait", EINTR, 2),
]
READY_S = 2
# libzmq and czmq end the process themselves where memory or descriptors fail; the agent's and the broker's stores do not mind.
LIBRARY_ENDS = ("malloc", "mmap", "open", "read", "write", "send", "recv", "epoll_wait")


class Faults(unittest.TestCase):
    def test_faults(self):
        """60 failing calls in the real programs (600 with --long): each goes on or ends with a sentence; back within 2 s, nothing lost"""
        self.chance = random.Random(SEED)
        self.loops, self.known, self.ended, self.aborted, self.slowest, self.serial = [], {}, 0, 0, 0.0, 0
        with Network(build=PLAIN) as network, tempfile.TemporaryDirectory(prefix="refloop-faults-") as scratch:
            self.network, self.report = network, os.path.join(scratch, "report")
            for member in network.members.values():
                member.agent.stop()
                with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
                    file.write("ping_s = 1\nsilence_s = 3\nready_within_s = 2\n")
                member.start()
            tried = met = 0
            for who in ("broker", "oak-clinic"):
                places = self.count(who)
                for call, error, share in WAYS:
                    self.assertGreater(places[call], 0, f"{who} never calls {call}")
                    for _ in range(share * 10 if LONG else share):
                        tried += 1
                        met += self.fault(who, call, error, self.chance.randrange(places[call]) + 1)
            self.finish()
            print(f"        {tried} faults, {met} met, {self.ended} ended a program, {self.aborted} by its library; slowest restart "
                  f"{self.slowest:.2f} s, {len(self.known)} receipted statements; seed {SEED}", flush=True)
            self.assertGreater(met, tried // 2)

    def daemon(self, who):
        return self.network.broker if who == "broker" else self.network[who].agent

    def restart(self, who, **settings):
        daemon = self.daemon(who)
        if daemon.alive():
            daemon.stop()
        daemon.env = {"LD_PRELOAD": PRELOAD, "REFLOOP_FAIL_REPORT": self.report,
                      **{f"REFLOOP_FAIL_{name.upper()}": str(value) for name, value in settings.items()}} if settings else None
        pathlib.Path(self.report).unlink(missing_ok=True)
        daemon.start(wait=False)
        return daemon

    def count(self, who):
        """How often the program makes each call between its start and its stop, with some work in between."""
        daemon = self.restart(who, call="none")
        self.work(daemon)
        self.assertEqual(daemon.stop(), 0)
        counts = {word: int(number) for word, number in (line.split() for line in pathlib.Path(self.report).read_text().splitlines())}
        self.restart(who)
        return counts

    def work(self, daemon, what="no fault"):
        """A referral and a note, until they have arrived or the program is gone."""
        self.serial += 1
        clinic = self.network["oak-clinic"]

        def said():
            if not daemon.alive():
                return True
            try:
                control = clinic.control()
                try:
                    form = ('{"to":"elm-pantry","category":"food-insecurity","need":"groceries %d","person":{"name":"Ana Example",'
                            '"phone":"555-0100"},"consent":{"basis":"consent","signed_on":"2026-11-20"}}' % self.serial)
                    answer = control.call("send", files=[{"name": "form", "text": form}])
                    if not answer or not answer.get("ok"):
                        return False
                    loop = answer["sent"][0]["loop"]
                    if loop:
                        self.loops.append(loop)
                        control.call("step", loop=loop, event="note", text=f"note {self.serial}")
                    return True
                finally:
                    control.close()
            except (OSError, ValueError):
                return False
        wait_for(f"a referral to be taken: {what}", said, 20)
        wait_for(f"it to arrive: {what}", lambda: not daemon.alive() or self.is_quiet(), 30)

    def is_quiet(self):
        try:
            control = self.network["oak-clinic"].control()
            try:
                status = control.call("status")
                for loop in self.loops[-2:]:
                    self.known.update(receipted({loop: control.call("show", loop=loop)["timeline"]}))
                return status["queue"]["waiting"] == 0 and status["loops"]["undelivered"] == 0
            finally:
                control.close()
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def fault(self, who, call, error, number):
        """Returns whether the call that was to fail was made."""
        what = f"{who}: {call} {number} fails with {error}"
        daemon = self.restart(who, call=call, number=number, error=error)
        self.work(daemon, what)
        fell = not daemon.alive()
        code = daemon.stop()
        lines = "\n".join(daemon.lines)
        met = os.path.exists(self.report)
        if code < 0:
            # An assertion of libzmq or czmq, which says where.
            self.assertTrue(code == -6 and call in LIBRARY_ENDS, f"{what}: signal {-code}\n{lines}")
            self.aborted += 1
        elif code != 0:
            self.assertTrue(daemon.lines, f"{what}: ended with {code} and without a word")
        self.ended += fell
        begin = time.monotonic()
        self.restart(who).wait_line("broker.ready" if who == "broker" else "agent.ready")
        self.slowest = max(self.slowest, time.monotonic() - begin)
        self.assertLess(time.monotonic() - begin, READY_S, f"{what}: slow to come back")
        return met

    def finish(self):
        network, members = self.network, ("oak-clinic", "elm-pantry")
        wait_for("everything to arrive", self.is_quiet, 60)
        network["elm-pantry"].wait_quiet()
        everything = {}
        for org in members:
            control = network[org].control()
            everything[org] = {loop: control.call("show", loop=loop).get("timeline", []) for loop in self.loops}
            control.close()
        self.known.update(receipted(everything["oak-clinic"]))
        check(self.known, everything)
        planted(self.known, everything)
        self.assertTrue(network.admin("verify"))
        for org in members:
            self.assertTrue(network[org].json("verify")["ok"])


if __name__ == "__main__":
    unittest.main()
