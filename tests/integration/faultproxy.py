"""A TCP relay that breaks: resets, stalls half-open, goes one-way, or cuts in the middle of a frame."""
import selectors
import socket
import struct
import threading

FAULTS = ("reset", "stall", "cut", "one-way")


class Proxy:
    """Relays one port to another; `arm` makes the next bytes meet a fault, `heal` ends it."""

    def __init__(self, port, to_port):
        self.to_port, self.fault, self.hits = to_port, None, {}
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def arm(self, fault):
        with self.lock:
            self.hits[fault] = 0
            self.fault = fault

    def struck(self, fault):
        return self.hits.get(fault, 0) > 0

    def heal(self):
        with self.lock:
            self.fault = None

    def close(self):
        self.running = False
        self.listener.close()
        self.thread.join(5)

    def _run(self):
        while self.running:
            for key, _ in self.selector.select(0.1):
                if key.data is None:
                    self._accept()
                else:
                    self._relay(key.fileobj, key.data)

    def _accept(self):
        try:
            near, _ = self.listener.accept()
            far = socket.create_connection(("127.0.0.1", self.to_port))
        except OSError:
            return
        self.selector.register(near, selectors.EVENT_READ, (far, True))
        self.selector.register(far, selectors.EVENT_READ, (near, False))

    def _relay(self, one, pair):
        other, outward = pair
        try:
            data = one.recv(65536)
        except OSError:
            data = b""
        with self.lock:
            fault = self.fault if data else None
            if fault:
                self.hits[fault] += 1
        if fault == "stall" or (fault == "one-way" and not outward):
            return  # swallowed: both ends believe that the connection stands
        if fault == "cut":
            data = data[: len(data) // 2]
        if not data or fault == "reset":
            self._drop(one, other, fault == "reset")
            return
        try:
            other.sendall(data)
        except OSError:
            self._drop(one, other, False)
            return
        if fault == "cut":
            self._drop(one, other, False)

    def _drop(self, one, other, reset):
        for end in (one, other):
            try:
                self.selector.unregister(end)
            except (KeyError, ValueError):
                pass
            if reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()
