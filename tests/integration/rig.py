"""The rig of the integration tests: a network of the real programs in a temporary directory.

Every wait is for an observable fact with a deadline; nothing sleeps for readiness. Processes are ended by the pid this file started.
"""
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

BUILD = os.environ.get("REFLOOP_BUILD", "build/asan")
PLAIN = os.environ.get("REFLOOP_PLAIN", BUILD)
EXAMPLES = os.environ.get("REFLOOP_EXAMPLES", "")
LONG = bool(os.environ.get("REFLOOP_LONG"))
PASSPHRASE = "correct horse battery staple\n"
PATIENCE_S = 60


def program(name, build=None):
    """The path of a built program, wherever its directory keeps it."""
    rooms = {"refloop-broker": "broker/server", "refloop-admin": "broker/admin", "refloop-agent": "agent/daemon", "refloop": "agent/cli"}
    return os.path.join(os.path.abspath(build or BUILD), rooms[name], name)


def wait_for(what, question, patience_s=PATIENCE_S):
    """Asks `question` until it gives something true, which is returned; fails naming `what` at the deadline."""
    deadline = time.monotonic() + patience_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s} s for {what}")
        select.select([], [], [], 0.02)


class Daemon:
    """One running broker or agent; its log lines are collected and can be waited for."""

    def __init__(self, argv, ready, env=None):
        self.argv, self.ready, self.env = argv, ready, env
        self.lines, self.process, self.reader = [], None, None

    def start(self, wait=True):
        self.lines = []
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                                        env={**os.environ, **(self.env or {})})
        self.reader = threading.Thread(target=self._read, args=(self.process.stderr, self.lines), daemon=True)
        self.reader.start()
        if wait:
            self.wait_line(self.ready)
        return self

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def wait_line(self, word, patience_s=PATIENCE_S):
        def found():
            for line in list(self.lines):
                if word in line:
                    return line
            if self.process.poll() is not None:
                self.reader.join(5)
                raise AssertionError(f"{self.argv[0]} ended with {self.process.returncode} before '{word}':\n" + "\n".join(self.lines[-30:]))
            return None
        return wait_for(f"'{word}' from {os.path.basename(self.argv[0])}: " + " / ".join(self.lines[-5:]), found, patience_s)

    def kill(self):
        """SIGKILL, as a power cut of the process."""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()
            self.reader.join(10)

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[0]} did not stop within 30 s of SIGTERM:\n" + "\n".join(self.lines[-10:])) from None
        self.reader.join(10)
        return code

    def alive(self):
        return self.process is not None and self.process.poll() is None


class Failure(Exception):
    """A command ended with another code than 0."""

    def __init__(self, code, out, err):
        super().__init__(f"exit {code}: {err.strip() or out.strip()}")
        self.code, self.out, self.err = code, out, err


class Member:
    """An organization: its home, its agent and its staff command."""

    def __init__(self, network, org, name):
        self.network, self.org, self.name = network, org, name
        self.home = os.path.join(network.root, org)
        self.agent = None

    def start(self, wait=True):
        self.agent = Daemon([program("refloop-agent", self.network.build), "--home", self.home], "agent.ready").start(wait)
        return self

    def run(self, *arguments, stdin=None, timeout=60):
        """`refloop --home HOME ARGUMENTS`; returns standard output, raises Failure."""
        done = subprocess.run([program("refloop", self.network.build), "--home", self.home, *arguments], input=stdin, capture_output=True,
                              text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise Failure(done.returncode, done.stdout, done.stderr)
        return done.stdout

    def json(self, *arguments, stdin=None, timeout=60):
        return json.loads(self.run("--json", *arguments, stdin=stdin, timeout=timeout))

    def refused(self, *arguments, stdin=None):
        """The error a refused command printed as JSON."""
        try:
            out = self.run("--json", *arguments, stdin=stdin)
        except Failure as failure:
            return json.loads(failure.out)
        raise AssertionError(f"not refused: {arguments}: {out}")

    def control(self):
        """A raw connection to the control socket, for tests of many commands."""
        return Control(os.path.join(self.home, "control.sock"))

    def loop(self, loop):
        return self.json("show", loop)["loop"]

    def wait_state(self, loop, state, patience_s=PATIENCE_S):
        def reached():
            try:
                seen = self.loop(loop)
            except Failure:
                return None
            return seen if seen["state"] == state else None
        return wait_for(f"{self.org} to see {loop[:8]} {state}", reached, patience_s)

    def wait_quiet(self, patience_s=PATIENCE_S):
        """Until nothing of ours waits for the broker or the partner."""
        def quiet():
            status = self.json("status")
            return status["queue"]["waiting"] == 0 and status["loops"]["undelivered"] == 0
        return wait_for(f"{self.org} to have nothing waiting", quiet, patience_s)

    def wait_online(self, patience_s=PATIENCE_S):
        return wait_for(f"{self.org} to be online", lambda: self.json("status")["link"]["state"] == "online", patience_s)


class Control:
    """The control socket's protocol: 4-byte length and JSON."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(path)

    def call(self, command, **fields):
        body = json.dumps({"command": command, **fields}).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)
        return self.next()

    def next(self):
        (length,) = struct.unpack(">I", self._take(4))
        return json.loads(self._take(length))

    def _take(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise ConnectionError("the daemon closed the control socket")
            data += piece
        return data

    def close(self):
        self.socket.close()


class Network:
    """A broker, an administrator and members, in one temporary directory. Use as a context manager."""

    def __init__(self, members=("oak-clinic", "elm-pantry"), build=None, conf="", port="*", listen=None):
        self.root = tempfile.mkdtemp(prefix="refloop-test-")
        self.build, self.home = build, os.path.join(self.root, "broker")
        self.passphrase = os.path.join(self.root, "passphrase")
        with open(self.passphrase, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(PASSPHRASE)
        self.port = free_port() if port == "*" else port
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self.admin("init", "--name", "Test County", "--endpoint", self.endpoint,
                   "--listen", f"tcp://127.0.0.1:{listen or self.port}", "--quick-passphrase")
        if conf:
            with open(os.path.join(self.home, "broker.conf"), "a", encoding="utf-8") as file:
                file.write(conf)
        self.broker = Daemon([program("refloop-broker", build), "--home", self.home], "broker.ready")
        self.members = {}
        try:
            self.broker.start()
            for org in members:
                self.join(org)
        except BaseException:  # nobody will call __exit__: leave nothing running
            self.complain()
            self.end()
            raise

    def admin(self, *arguments, code=0):
        done = subprocess.run([program("refloop-admin", self.build), "--home", self.home, "--passphrase-file", self.passphrase, *arguments],
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != code:
            raise Failure(done.returncode, done.stdout, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def invite(self, org, name=None, *more):
        token = os.path.join(self.root, f"{org}.token")
        if os.path.exists(token):
            os.unlink(token)
        self.admin("invite", org, "--name", name or org.replace("-", " ").title(), "--out", token, *more)
        return token

    def join_only(self, org, token, *more, code=0, build=None):
        """Runs `refloop-agent join`; returns what it printed."""
        done = subprocess.run([program("refloop-agent", build or self.build), "--home", os.path.join(self.root, org), "join", token, *more],
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != code:
            raise Failure(done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def join(self, org, start=True):
        member = Member(self, org, org.replace("-", " ").title())
        self.join_only(org, self.invite(org))
        with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
            file.write("backoff_min_ms = 50\nbackoff_max_s = 1\n")
        self.members[org] = member
        if start:
            member.start()
        return member

    def __getitem__(self, org):
        return self.members[org]

    def __enter__(self):
        return self

    def end(self):
        """Stops everything and removes the directory; returns the exit codes."""
        codes = {}
        for member in self.members.values():
            if member.agent and member.agent.alive():
                codes[member.org] = member.agent.stop()
        if self.broker.alive():
            codes["broker"] = self.broker.stop()
        if os.environ.get("REFLOOP_KEEP"):
            print("kept", self.root)
        else:
            shutil.rmtree(self.root, ignore_errors=True)
        return codes

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.complain()
        codes = self.end()
        if kind is None:
            bad = {who: code for who, code in codes.items() if code != 0}
            if bad:
                raise AssertionError(f"not a clean stop: {bad}")

    def complain(self):
        for name, daemon in [("broker", self.broker)] + [(member.org, member.agent) for member in self.members.values()]:
            if daemon:
                print(f"--- last lines of {name}")
                print("\n".join(daemon.lines[-25:]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def referral(to="elm-pantry", person="Ana Example", need="groceries for three", **more):
    """A referral in refloop's own form."""
    return json.dumps({"to": to, "category": "food-insecurity", "person": {"name": person, "phone": "555-0100"}, "need": need,
                       "consent": {"basis": "consent", "signed_on": "2026-11-20"}, **more})
