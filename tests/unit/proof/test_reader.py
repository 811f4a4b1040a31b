#!/usr/bin/env python3
"""What the C code makes (make_note) is accepted by a reader written from the specifications alone
(tests/proof_reader), and refused once any one byte of it is changed.

    test_reader.py READER MAKE_NOTE
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
READER, MAKE_NOTE = sys.argv[1:3]
sys.path.insert(0, os.path.dirname(READER))

import read  # noqa: E402


def made():
    """{name: value} of everything that is there once, and the inclusions."""
    out = subprocess.run([MAKE_NOTE], check=True, capture_output=True, text=True, timeout=30).stdout
    once, inclusions = {}, []
    for line in out.splitlines():
        name, value = line.split(" ")
        if name == "index":
            inclusions.append({"index": int(value)})
        elif name in ("leaf", "proof"):
            inclusions[-1][name] = bytes.fromhex(value)
        elif name in ("size", "time"):
            once[name] = int(value)
        elif name in ("origin", "name"):
            once[name] = value
        else:
            once[name] = bytes.fromhex(value)
    return once, inclusions


def refused(call, *args):
    try:
        call(*args)
    except read.Refused:
        return True
    return False


def changes(data, start=0, end=None):
    """`data` with one byte of start..end changed, for each of them."""
    for place in range(start, len(data) if end is None else end):
        changed = bytearray(data)
        changed[place] ^= 1
        yield place, bytes(changed)


def check_note(once):
    note, origin = once["note"], once["origin"]
    assert read.open_checkpoint(note, once["log-key"], origin) == (origin, once["size"], once["root"])
    assert read.open_cosignature(note, once["name"], once["key"]) == [once["time"]]
    text_end = note.index(b"\n\n") + 2
    log_end = note.index(b"\n", text_end) + 1
    for place, changed in changes(note, 0, log_end):
        assert refused(read.open_checkpoint, changed, once["log-key"], origin), f"byte {place} of the log's note"
    for start, end in ((0, text_end), (log_end, len(note))):
        for place, changed in changes(note, start, end):
            assert refused(read.open_cosignature, changed, once["name"], once["key"]), f"byte {place} of the cosigned note"
    for _, changed in changes(once["log-key"]):
        assert refused(read.open_checkpoint, note, changed, origin)


def split(proof):
    return [proof[i : i + 32] for i in range(0, len(proof), 32)]


def check_inclusion(once, entry):
    root, size = once["root"], once["size"]
    index, leaf, proof = entry["index"], entry["leaf"], entry["proof"]
    read.check_inclusion(leaf, index, size, root, split(proof))
    for place, changed in changes(proof):
        assert refused(read.check_inclusion, leaf, index, size, root, split(changed)), f"byte {place} of the proof of {index}"
    for _, changed in changes(leaf):
        assert refused(read.check_inclusion, changed, index, size, root, split(proof))
    for _, changed in changes(root):
        assert refused(read.check_inclusion, leaf, index, size, changed, split(proof))
    for other in range(size + 2):
        assert other == index or refused(read.check_inclusion, leaf, other, size, root, split(proof))


def run(*args):
    return subprocess.run([sys.executable, "-B", READER, *args], capture_output=True, text=True, timeout=60)


def check_commands(once, entry):
    assert run("--self-test").returncode == 0
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "note")
        for note, wanted in ((once["note"], 0), (once["note"].replace(b"\n70\n", b"\n71\n"), 1)):
            with open(path, "wb") as file:
                file.write(note)
            checkpoint = run("checkpoint", path, "--log-key", once["log-key"].hex())
            cosignature = run("cosignature", path, "--name", once["name"], "--key", once["key"].hex())
            assert (checkpoint.returncode, cosignature.returncode) == (wanted, wanted), checkpoint.stderr + cosignature.stderr
            assert wanted == 1 or f"size: {once['size']}\n" in checkpoint.stdout
            assert wanted == 1 or f"time: {once['time']}\n" in cosignature.stdout
    for index, wanted in ((entry["index"], 0), (entry["index"] + 1, 1)):
        done = run("inclusion", "--leaf", entry["leaf"].hex(), "--index", str(index), "--size", str(once["size"]),
                   "--root", once["root"].hex(), "--proof", *[p.hex() for p in split(entry["proof"])])
        assert done.returncode == wanted, done.stderr


def main():
    once, inclusions = made()
    check_note(once)
    assert len(inclusions) == 4
    for entry in inclusions:
        check_inclusion(once, entry)
    check_commands(once, inclusions[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
