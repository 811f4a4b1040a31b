"""The reader against values that others have published; each says where it stands."""
import base64
import hashlib

import read

# RFC 8032, section 7.1, tests 1 to 3: key, message, signature.
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246551"
        "41438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d"
        "291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027"
        "beceea1ec40a",
    ),
]

# C2SP signed-note, "Verifier keys": the example key and the example note.
NOTE_KEY = ("example.com/foo", "530d903a", "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()

# golang.org/x/mod, sumdb/note, the package's example.
GO_KEY = ("PeterNeumann", "c74f20a3", "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()

# C2SP tlog-cosignature, "Format": no keys are published for it, so only its form can be read.
EXAMPLE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()

# A checkpoint of a public log under test, with the cosignatures of public witnesses, and the keys that two of them have
# published: the log https://arche2025h1.staging.ct.transparency.dev and the witness remora.n621.de.
LIVE_KEY = ("arche2025h1.staging.ct.transparency.dev", "ba2f06c0", "AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f")
LIVE_WITNESS = ("remora.n621.de", "da77ade7", "BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2")
LIVE_TIME = 0x6A122120
LIVE = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
""".encode()

# The reference leaves of Certificate Transparency (google/certificate-transparency, merkle_tree_test.cc; carried on by
# transparency-dev/merkle, testonly/reference), and the root over all eight.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOT_OF_8 = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
# The proofs of leaf 0 in a tree of 8 and of leaf 5 in a tree of 5 + 3, from the same place.
PROOF_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
PROOF_5_OF_8 = [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]


def refused(call, *args):
    try:
        call(*args)
    except read.Refused:
        return True
    return False


def public_key(vkey, kind):
    """Name and key of a published verifier key, whose id has to be the one we work out."""
    name, wanted_id, encoded = vkey
    data = base64.b64decode(encoded)
    assert data[0] == kind
    assert read.key_id(name, kind, data[1:]).hex() == wanted_id
    return name, data[1:]


def check_ed25519():
    for key, message, signature in RFC_8032:
        key, message, signature = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
        assert read.ed25519_verify(key, message, signature)
        assert not read.ed25519_verify(key, message + b"x", signature)
        assert not read.ed25519_verify(key, message, signature[:63])
        for place in (0, 31, 32, 63):
            changed = bytearray(signature)
            changed[place] ^= 1
            assert not read.ed25519_verify(key, message, bytes(changed))
        # S + L is the same number to a lax reader; section 5.1.7 refuses it.
        s = int.from_bytes(signature[32:], "little") + read.L
        assert not read.ed25519_verify(key, message, signature[:32] + s.to_bytes(32, "little"))


def check_notes():
    for vkey, note in ((NOTE_KEY, NOTE), (GO_KEY, GO_NOTE)):
        name, key = public_key(vkey, read.TYPE_ED25519)
        assert read.open_note(note, name, key) == note[: note.rindex("\n\n".encode()) + 1]
        assert refused(read.open_note, note.replace(b"is", b"as", 1), name, key)
        assert refused(read.open_note, note, name + "x", key)
    text, lines = read.parse_note("one\n\ntwo\n\n— n AAAAAAE=\n".encode())
    assert (text, lines) == (b"one\n\ntwo\n", [("n", bytes(4), b"\x01")])
    for bad in (
        b"",
        b"one\n",
        b"one\n\n",
        "one\n\n— n AAAAAAE=".encode(),
        "one\n— n AAAAAAE=\n".encode(),
        "one\n\n- n AAAAAAE=\n".encode(),
        "one\n\n—  AAAAAAE=\n".encode(),
        "one\n\n— n+ AAAAAAE=\n".encode(),
        "one\n\n— n\u00a0n AAAAAAE=\n".encode(),
        "one\n\n— n AAAAAA==\n".encode(),
        "one\n\n— n AAAAAAF=\n".encode(),
        "one\n\n— n AAAAAAE\n".encode(),
        "one\t\n\n— n AAAAAAE=\n".encode(),
        b"one\xff" + "\n\n— n AAAAAAE=\n".encode(),
    ):
        assert refused(read.parse_note, bad), bad


def check_checkpoints():
    text, lines = read.parse_note(EXAMPLE)
    root = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert read.parse_checkpoint(text) == ("example.com/behind-the-sofa", 20852163, root)
    assert len(lines[0][2]) == 64 and len(lines[1][2]) == 72
    assert int.from_bytes(lines[1][2][:8], "big") == 1679315147
    good = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
    assert read.parse_checkpoint(f"o\n0\n{good}\nmore\n".encode())[1] == 0
    for bad in (f"o\n{good}\n", f"o\n01\n{good}\n", f"o\n-1\n{good}\n", f"o\n1\n{good[:-4]}\n", f"\n1\n{good}\n", f"o\n1\n{good}\n\n"):
        assert refused(read.parse_checkpoint, bad.encode()), bad


def check_live():
    origin, key = public_key(LIVE_KEY, read.TYPE_ED25519)
    name, witness = public_key(LIVE_WITNESS, read.TYPE_COSIGNATURE)
    assert read.open_checkpoint(LIVE, key)[:2] == (origin, 1432088532)
    assert read.open_checkpoint(LIVE, key, origin)[0] == origin
    assert read.open_cosignature(LIVE, name, witness) == [LIVE_TIME]
    assert refused(read.open_checkpoint, LIVE, key, "another.example.com")
    assert refused(read.open_checkpoint, LIVE, witness)
    assert refused(read.open_cosignature, LIVE, name, key)
    changed = LIVE.replace(b"1432088532", b"1432088531")
    assert refused(read.open_checkpoint, changed, key)
    assert refused(read.open_cosignature, changed, name, witness)


def tree_root(leaves):
    """RFC 9162, section 2.1.1."""
    if len(leaves) == 1:
        return read.leaf_hash(leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return read.node_hash(tree_root(leaves[:k]), tree_root(leaves[k:]))


def tree_path(leaves, index):
    """RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if index < k:
        return tree_path(leaves[:k], index) + [tree_root(leaves[k:])]
    return tree_path(leaves[k:], index - k) + [tree_root(leaves[:k])]


def check_trees():
    leaves = [bytes.fromhex(leaf) for leaf in LEAVES]
    assert tree_root(leaves).hex() == ROOT_OF_8
    for index, published in ((0, PROOF_0_OF_8), (5, PROOF_5_OF_8)):
        proof = [bytes.fromhex(p) for p in published]
        read.check_inclusion(leaves[index], index, 8, bytes.fromhex(ROOT_OF_8), proof)
    for size in range(1, 20):
        many = [hashlib.sha256(bytes([i])).digest() for i in range(size)]
        root = tree_root(many)
        for index in range(size):
            proof = tree_path(many, index)
            read.check_inclusion(many[index], index, size, root, proof)
            assert refused(read.check_inclusion, many[index] + b"x", index, size, root, proof)
            assert refused(read.check_inclusion, many[index], index, size, root, proof + [root])
            assert refused(read.check_inclusion, many[index], size, size, root, proof)
            assert not proof or refused(read.check_inclusion, many[index], index, size, root, proof[:-1])
            assert size == 1 or refused(read.check_inclusion, many[index], (index + 1) % size, size, root, proof)


def run():
    for check in (check_ed25519, check_notes, check_checkpoints, check_live, check_trees):
        check()
        print(f"ok {check.__name__}")
    return 0
