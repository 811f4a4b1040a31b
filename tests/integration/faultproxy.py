"""The weather between agents and their broker: drives tests/support/fault-proxy, one lane (port) for each agent."""
import os
import subprocess
import threading

from rig import BUILD, free_port

# What one lane is told for each kind of fault; {n} is a number of bytes or milliseconds.
FAULTS = {
    "reset": "reset both {n}",
    "cut": "cut both {n}",
    "cut-up": "cut up {n}",
    "cut-down": "cut down {n}",
    "stall": "stall both",
    "blackhole": "blackhole both",
    "one-way": "blackhole down",
    "other-way": "blackhole up",
    "half-open": "half-open up",
    "half-closed": "half-open down",
    "refuse": "refuse",
    "delay": "delay both {n}",
    "drip": "drip both {n}",
}


class Proxy:
    """One proxy in front of one broker, with `lanes` ports of its own. Orders are safe from any thread."""

    def __init__(self, to_port, ports=None, lanes=1, build=None):
        self.ports = ports or [free_port() for _ in range(lanes)]
        path = os.path.join(os.path.abspath(build or BUILD), "tests/support/fault-proxy")
        self.lock = threading.Lock()
        self.process = subprocess.Popen([path, str(to_port), *map(str, self.ports)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        if self.process.stdout.readline() != "ready\n":
            raise AssertionError("the fault proxy cannot listen")

    def order(self, text, lane="all"):
        with self.lock:
            self.process.stdin.write(f"{lane} {text}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        if answer in ("", "not understood"):
            raise AssertionError(f"the fault proxy did not understand '{lane} {text}'")
        return answer

    def arm(self, fault, lane="all", number=40):
        self.order(FAULTS[fault].format(n=number), lane)

    def heal(self, lane="all"):
        """The weather clears: connections that have lost bytes stay lost, what was only held passes."""
        self.order("pass", lane)

    def counts(self, lane="all"):
        """What has been done, by name; a fault that was ordered and met nobody is not in it."""
        return {name: int(value) for name, value in (pair.split("=") for pair in self.order("count", lane).split())}

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
