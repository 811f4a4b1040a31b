#!/usr/bin/env python3
"""A reader of proofs that owes nothing to the C code: it is written from the specifications alone, with Python's
standard library, and says whether a note or a proof is what it claims to be.

    read.py checkpoint NOTE --log-key HEX [--origin TEXT]
    read.py cosignature NOTE --name NAME --key HEX
    read.py inclusion --leaf HEX --index N --size N --root HEX [--proof HEX ...]
    read.py --self-test

NOTE is a file, or - for standard input. --leaf is the leaf itself, not its hash. Prints what was proved, one
"name: value" a line, and ends with 0; with 1 and a reason when it is not proved.

    signed-note       https://c2sp.org/signed-note
    tlog-checkpoint   https://c2sp.org/tlog-checkpoint
    tlog-cosignature  https://c2sp.org/tlog-cosignature (Ed25519, type 0x04)
    Ed25519           RFC 8032, section 5.1.7
    Merkle trees      RFC 9162, sections 2.1.1 and 2.1.3.2
"""
import argparse
import base64
import binascii
import hashlib
import sys

TYPE_ED25519 = 0x01
TYPE_COSIGNATURE = 0x04


class Refused(Exception):
    """Not what it claims to be."""


# Ed25519, RFC 8032 section 5.1: points as (X, Y, Z, T) with x = X/Z, y = Y/Z, x*y = T/Z.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def point_add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return (w * x % P, y * z % P, x * y % P, w * z % P)


def point_multiply(scalar, point):
    result = NEUTRAL
    while scalar > 0:
        if scalar & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        scalar >>= 1
    return result


def point_equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def recover_x(y, sign):
    """Section 5.1.3, or None when there is no such point."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * SQRT_MINUS_1 % P
    if (x * x - square) % P != 0:
        return None
    return P - x if x & 1 != sign else x


def point_decode(encoded):
    y = int.from_bytes(encoded, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = recover_x(y, sign) if y < P else None
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (recover_x(BASE_Y, 0), BASE_Y, 1, recover_x(BASE_Y, 0) * BASE_Y % P)


def ed25519_verify(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r = point_decode(key), point_decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    return point_equal(point_multiply(s, BASE), point_add(r, point_multiply(k, a)))


# signed-note


def decode_base64(text):
    """The one canonical form, RFC 4648 section 4."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(f"not base64: {text}") from error
    if base64.b64encode(data).decode() != text:
        raise Refused(f"not the canonical base64: {text}")
    return data


def parse_signature_line(line):
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014":
        raise Refused("a line after the text is not a signature")
    name = parts[1]
    if not name or "+" in name or any(c.isspace() for c in name):
        raise Refused("a key name is empty or holds a space or a plus")
    data = decode_base64(parts[2])
    if len(data) <= 4:
        raise Refused("a signature is shorter than its key id")
    return name, data[:4], data[4:]


def parse_note(note):
    """Bytes to (text as bytes, [(name, key id, signature)])."""
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error
    if any(c < "\u0020" and c != "\n" for c in text):
        raise Refused("a control character")
    body, blank, lines = text.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise Refused("no text, blank line and signatures, each ended by a newline")
    return (body + "\n").encode(), [parse_signature_line(line) for line in lines[:-1].split("\n")]


def key_id(name, kind, key):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:4]


def signatures_of(note, name, kind, key):
    """Text, and what the known key has signed; at least one signature."""
    text, lines = parse_note(note)
    wanted = (name, key_id(name, kind, key))
    found = [signature for line_name, line_id, signature in lines if (line_name, line_id) == wanted]
    if not found:
        raise Refused(f"not signed by {name} with this key")
    return text, found


def open_note(note, name, key):
    """The text of a note that `name` has signed with its Ed25519 key."""
    text, found = signatures_of(note, name, TYPE_ED25519, key)
    if not all(ed25519_verify(key, text, signature) for signature in found):
        raise Refused(f"the signature of {name} is wrong")
    return text


# tlog-checkpoint


def parse_checkpoint(text):
    """(origin, size, root) of a note's text."""
    lines = text.decode().split("\n")
    if lines.pop() != "" or len(lines) < 3 or not all(lines):
        raise Refused("not three lines that are not empty")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit()) or (size[0] == "0" and size != "0"):
        raise Refused(f"not a size: {size}")
    root = decode_base64(root)
    if len(root) != 32:
        raise Refused("the root is not a hash")
    return origin, int(size), root


def open_checkpoint(note, log_key, origin=None):
    """(origin, size, root) of a checkpoint signed by its log, whose key is named like its origin."""
    text, _ = parse_note(note)
    found = parse_checkpoint(text)
    if origin is not None and found[0] != origin:
        raise Refused(f"of another log: {found[0]}")
    open_note(note, found[0], log_key)
    return found


# tlog-cosignature


def open_cosignature(note, name, key):
    """The times at which `name` has cosigned the checkpoint."""
    text, found = signatures_of(note, name, TYPE_COSIGNATURE, key)
    parse_checkpoint(text)
    times = []
    for stamp in found:
        time = int.from_bytes(stamp[:8], "big")
        if len(stamp) != 8 + 64 or time > 2**63 - 1:
            raise Refused(f"the cosignature of {name} is not a time and a signature")
        if not ed25519_verify(key, b"cosignature/v1\ntime %d\n" % time + text, stamp[8:]):
            raise Refused(f"the cosignature of {name} is wrong")
        times.append(time)
    return times


# RFC 9162


def leaf_hash(leaf):
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_inclusion(leaf, index, size, root, proof):
    """Section 2.1.3.2, for the leaf's own bytes."""
    if not 0 <= index < size:
        raise Refused("no such index in a log of this size")
    fn, sn, r = index, size - 1, leaf_hash(leaf)
    for p in proof:
        if sn == 0:
            raise Refused("the proof is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise Refused("the proof is too short")
    if r != root:
        raise Refused("the proof leads to another root")


# Command line


def hex_of(length):
    def convert(text):
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = None
        if data is None or (length is not None and len(data) != length):
            raise argparse.ArgumentTypeError(f"not {length or 'any number of'} bytes in hex: {text}")
        return data

    return convert


def read_note(path):
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as file:
        return file.read()


def command_checkpoint(args):
    origin, size, root = open_checkpoint(read_note(args.note), args.log_key, args.origin)
    return [("origin", origin), ("size", size), ("root", root.hex())]


def command_cosignature(args):
    times = open_cosignature(read_note(args.note), args.name, args.key)
    return [("cosigned by", args.name)] + [("time", time) for time in times]


def command_inclusion(args):
    check_inclusion(args.leaf, args.index, args.size, args.root, args.proof)
    return [("entry", args.index), ("is in a log of size", args.size)]


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Reads checkpoints, cosignatures and inclusion proofs.")
    parser.add_argument("--self-test", action="store_true", help="check the reader against published values")
    commands = parser.add_subparsers(dest="command")
    checkpoint = commands.add_parser("checkpoint")
    checkpoint.add_argument("note")
    checkpoint.add_argument("--log-key", type=hex_of(32), required=True)
    checkpoint.add_argument("--origin")
    checkpoint.set_defaults(run=command_checkpoint)
    cosignature = commands.add_parser("cosignature")
    cosignature.add_argument("note")
    cosignature.add_argument("--name", required=True)
    cosignature.add_argument("--key", type=hex_of(32), required=True)
    cosignature.set_defaults(run=command_cosignature)
    inclusion = commands.add_parser("inclusion")
    inclusion.add_argument("--leaf", type=hex_of(None), required=True)
    inclusion.add_argument("--index", type=int, required=True)
    inclusion.add_argument("--size", type=int, required=True)
    inclusion.add_argument("--root", type=hex_of(32), required=True)
    inclusion.add_argument("--proof", type=hex_of(32), nargs="*", default=[])
    inclusion.set_defaults(run=command_inclusion)
    args = parser.parse_args(argv)
    if not args.self_test and args.command is None:
        parser.error("nothing to read")
    return args


def main(argv):
    args = parse_arguments(argv)
    if args.self_test:
        import self_test

        return self_test.run()
    try:
        proved = args.run(args)
    except (Refused, OSError) as refusal:
        print(f"not proved: {refusal}", file=sys.stderr)
        return 1
    for name, value in proved:
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
