"""Unattended agents heal by themselves, and say in one plain sentence what is wrong meanwhile."""
import os
import signal
import socket
import threading
import time
import unittest

from rig import Daemon, Network, free_port, program, referral, wait_for


class Portal:
    """A captive portal: whatever connects gets an HTTP answer and is cut off."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.met = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                guest, _ = self.listener.accept()
            except OSError:
                return
            self.met += 1
            try:
                guest.settimeout(1)
                guest.recv(64)
                guest.sendall(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example.net/login\r\nContent-Length: 0\r\n\r\n")
                guest.close()
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def trouble(member, *words):
    wait_for(f"{member.org} to say one of {words}", lambda: member.json("status")["link"]["trouble"] in words)
    return member.json("status")["sentence"]


class Heal(unittest.TestCase):
    def deliver(self, network, text):
        """One referral, through to the partner: the proof that the link works."""
        loop = network["oak-clinic"].json("send", "-", stdin=referral(need=text))["sent"][0]["loop"]
        network["elm-pantry"].wait_state(loop, "requested")

    def test_broker_down(self):
        """broker down: referrals wait and say so; broker back: they go out by themselves, in order, once"""
        with Network() as network:
            clinic = network["oak-clinic"]
            clinic.wait_online()
            network.broker.kill()
            loops = [clinic.json("send", "-", stdin=referral(need=f"need {number}"))["sent"][0]["loop"] for number in range(5)]
            sentence = trouble(clinic, "no-answer", "interrupted")
            self.assertIn("5", sentence)
            self.assertEqual(clinic.loop(loops[0])["waiting"], 1)
            network.broker.start()
            clinic.wait_online()
            clinic.wait_quiet()
            shown = [network["elm-pantry"].json("show", loop)["timeline"] for loop in loops]
            self.assertEqual([len(steps) for steps in shown], [1] * 5)
            indexes = [steps[0]["index"] for steps in shown]
            self.assertEqual(indexes, sorted(indexes))

    def test_portal(self):
        """a captive portal that answers HTTP is told by name; when it goes, the agent is back by itself"""
        with Network() as network:
            clinic = network["oak-clinic"]
            self.deliver(network, "before")
            network.broker.stop()
            portal = Portal(network.port)
            sentence = trouble(clinic, "not-a-broker")
            self.assertIn("log", sentence)
            self.assertGreater(portal.met, 0)
            portal.close()
            network.broker.start()
            clinic.wait_online()
            self.deliver(network, "after")

    def test_wrong_key(self):
        """a broker with another key gets nothing: the agent says so and sends nothing"""
        with Network() as network:
            clinic = network["oak-clinic"]
            self.deliver(network, "before")
            network.broker.stop()
            with Network(members=(), port=network.port) as impostor:
                clinic.run("send", "-", stdin=referral())
                self.assertIn("key", trouble(clinic, "wrong-key"))
                self.assertEqual(clinic.json("status")["queue"]["waiting"], 1)
                self.assertIn('"entries": 1', impostor.admin("--json", "status").replace('":', '": ').replace(":  ", ": "))
            network.broker.start()
            clinic.wait_online()
            clinic.wait_quiet()

    def test_sleep(self):
        """a machine that slept says so, although what it had asked is overdue too, and is back at once"""
        with Network(members=("elm-pantry",)) as network:
            clinic = network.join("oak-clinic", start=False)
            with open(os.path.join(clinic.home, "agent.conf"), "a", encoding="utf-8") as file:
                file.write("silence_s = 20\n")
            clinic.start().wait_online()
            network.broker.process.send_signal(signal.SIGSTOP)
            clinic.json("send", "-", stdin=referral(need="on the way when the lid closes"))
            clinic.agent.process.send_signal(signal.SIGSTOP)
            awake = time.clock_gettime(time.CLOCK_BOOTTIME) + 31.5  # shorter gaps are no sleep
            wait_for("the machine to have slept", lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > awake)
            clinic.agent.process.send_signal(signal.SIGCONT)
            self.assertIn("slept", trouble(clinic, "suspended"))
            network.broker.process.send_signal(signal.SIGCONT)
            clinic.wait_online()
            self.deliver(network, "after")
            clinic.wait_quiet()

    def test_disk_full(self):
        """a full disk stops taking in, says so, and resumes by itself"""
        if os.geteuid() != 0:
            self.skipTest("mounting a small disk needs root")
        import subprocess
        with Network(members=("oak-clinic",)) as network:
            member = network.join("elm-pantry", start=False)
            disk = os.path.join(network.root, "disk")
            os.mkdir(disk)
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=False, capture_output=True).returncode != 0:
                self.skipTest("mounting a small disk is not possible here")
            try:
                os.rename(member.home, member.home + ".was")
                subprocess.run(["cp", "-a", member.home + ".was", os.path.join(disk, "home")], check=True)
                member.home = os.path.join(disk, "home")
                member.start()
                member.wait_online()
                ballast = os.path.join(disk, "ballast")
                clinic = network["oak-clinic"]
                loops = []
                with open(ballast, "wb", buffering=0) as file:
                    try:
                        while True:
                            file.write(b"x" * 4096)
                    except OSError:
                        pass
                # More than the room a store keeps ready for itself.
                control = clinic.control()
                for _ in range(300):
                    loops.append(control.call("send", files=[{"name": "form", "text": referral(note="x" * 7000)}])["sent"][0]["loop"])
                control.close()
                wait_for("the agent to say that its disk is full", lambda: "disk" in member.json("status")["sentence"].lower())
                self.assertTrue(member.agent.alive())
                os.unlink(ballast)
                wait_for("everything to arrive", lambda: member.json("list", "--all", "--limit", "1000")["total"] == len(loops))
                clinic.wait_quiet()
                self.assertNotIn("disk", member.json("status")["sentence"].lower())
                member.agent.stop()
            finally:
                member.agent.kill()
                subprocess.run(["umount", disk], check=False)

    def test_restart(self):
        """SIGTERM is a clean stop, and what was queued before it goes out after the start"""
        with Network() as network:
            clinic = network["oak-clinic"]
            network.broker.stop()
            loop = clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]
            self.assertEqual(clinic.agent.stop(), 0)
            network.broker.start()
            clinic.start()
            network["elm-pantry"].wait_state(loop, "requested")

    def test_cut(self):
        """the network resets, stalls half-open and cuts mid-frame: every referral arrives once"""
        front, back = free_port(), free_port()
        from faultproxy import Proxy
        network = Network(members=(), port=front)
        network.broker.stop()
        conf = os.path.join(network.home, "broker.conf")
        text = open(conf, encoding="utf-8").read()
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text.replace(f"tcp://127.0.0.1:{front}", f"tcp://127.0.0.1:{back}"))
        proxy = Proxy(back, [front])
        self.addCleanup(proxy.close)
        network.broker.start()
        with network:
            for org in ("oak-clinic", "elm-pantry"):
                member = network.join(org, start=False)
                with open(os.path.join(member.home, "agent.conf"), "a", encoding="utf-8") as file:
                    file.write("ping_s = 1\nsilence_s = 2\nready_within_s = 2\n")
                member.start()
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            loops = []
            for fault in ("reset", "stall", "cut", "one-way", "reset", "cut"):
                clinic.wait_online()
                before = proxy.counts()
                proxy.arm(fault)
                for number in range(5):
                    loops.append(clinic.json("send", "-", stdin=referral(need=f"{fault} {number}"))["sent"][0]["loop"])
                counter = {"one-way": "blackhole"}.get(fault, fault)
                wait_for(f"the fault '{fault}' to strike", lambda c=counter, b=before: proxy.counts()[c] > b[c])
                proxy.heal()
            for loop in loops:
                pantry.wait_state(loop, "requested")
            clinic.wait_quiet()
            self.assertEqual(pantry.json("list", "--all", "--limit", "1000")["total"], len(loops))
            for loop in loops:
                self.assertEqual(len(pantry.json("show", loop)["timeline"]), 1)


class Config(unittest.TestCase):
    def test_config(self):
        """unknown, repeated and out-of-range keys refuse to start with file:line; --print-config is what config/ holds"""
        import subprocess
        with Network(members=("oak-clinic",)) as network:
            agent = network["oak-clinic"]
            agent.agent.stop()
            network.broker.stop()
            top = os.path.join(os.path.dirname(__file__), "..", "..")
            for name, home, conf in (("refloop-broker", network.home, "broker.conf"), ("refloop-agent", agent.home, "agent.conf")):
                path = os.path.join(home, conf)
                sound = open(path, encoding="utf-8").read()
                run = lambda *a: subprocess.run([program(name), "--home", home, *a], capture_output=True, text=True, check=False)
                self.assertEqual(run("--check-config").returncode, 0)
                lines = len(sound.splitlines())
                for bad in ("no_such_key = 1", "log_level = chatty", "map_mib = 0", "map_mib = 99999999999999999999", "rubbish",
                            "map_mib = 1048576\nmap_max_gib = 1"):
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(sound + bad + "\n")
                    said = run("--check-config")
                    self.assertNotEqual(said.returncode, 0, bad)
                    self.assertIn(f"{conf}:{lines + 1}:", said.stderr)
                    self.assertNotEqual(run().returncode, 0)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(sound)
                empty = os.path.join(network.root, "empty-" + name)
                os.mkdir(empty, 0o700)
                printed = subprocess.run([program(name), "--home", empty, "--print-config"], capture_output=True, text=True, check=True).stdout
                self.assertEqual(printed, open(os.path.join(top, "config", conf), encoding="utf-8").read())


if __name__ == "__main__":
    unittest.main()
