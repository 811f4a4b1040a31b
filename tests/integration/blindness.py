"""Where a secret could show: a relay that keeps all traffic, a reader of a process's memory, a search of files."""
import os
import re
import socket
import threading


class Tap:
    """A TCP relay on loopback that keeps every byte in both directions."""

    def __init__(self, port, to_port):
        self.to_port, self.bytes = to_port, bytearray()
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                return
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one, other):
        try:
            while True:
                data = one.recv(65536)
                if not data:
                    break
                self.bytes += data
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def memory_of(pid):
    """All readable memory of a process, in pieces. Needs the right to trace it (root, or CAP_SYS_PTRACE)."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not found or "[v" in line:
                continue
            begin, end = int(found[1], 16), int(found[2], 16)
            overlap = b""
            while begin < end:
                size = min(end - begin, 4 << 20)
                try:
                    memory.seek(begin)
                    piece = memory.read(size)
                except OSError:
                    break
                yield overlap + piece
                overlap = piece[-256:]
                begin += size


def forms(marker):
    """A marker as it may be written: plain, UTF-16, hex, base64 at each of the three alignments."""
    import base64
    raw = marker.encode()
    found = {raw, marker.encode("utf-16-le"), raw.hex().encode()}
    for pad in range(3):
        coded = base64.b64encode(b"x" * pad + raw).rstrip(b"=")
        found.add(coded[4 if pad else 0:][:len(coded) - 8])
    return found


def search(pieces, markers):
    """The markers found in any piece."""
    hits = set()
    for piece in pieces:
        for marker in markers:
            if any(form in piece for form in forms(marker)):
                hits.add(marker)
    return hits


def files_below(*roots):
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        yield file.read() + b"\0" + path.encode()
