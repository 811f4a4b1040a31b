"""refloop-verify as an outsider runs it: the yes, the no, and that it needs nothing but the file.

    test_verify.py REFLOOP_VERIFY MAKE_EVIDENCE
"""
import json
import os
import subprocess
import sys
import tempfile
import xml.dom.minidom

VERIFY, MAKE = sys.argv[1:3]


def run(*words, stdin=None):
    environment = {"TZ": "UTC", "PATH": "/nowhere", "HOME": "/nowhere", "REFLOOP_HOME": "/nowhere"}
    done = subprocess.run([VERIFY, *words], capture_output=True, input=stdin, env=environment, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check_yes(key, fingerprint):
    for root in (key, key.upper(), fingerprint, fingerprint.replace(" ", ""), fingerprint.replace(" ", "-")):
        code, out, err = run("whole", "--root", root)
        assert (code, err) == (0, ""), (out, err)
    lines = out.splitlines()
    assert lines[0].startswith("This file is true: Hill Clinic sent a referral to Elm Street Pantry"), lines[0]
    assert lines[0].endswith("it was completed, and Hill Clinic signed for that: the loop is closed, as of 2025-11-20 01:08 UTC.")
    assert "2025-11-20 00:57  270         Hill Clinic sent the referral  -> requested" in lines
    assert "                              needed by 2025-11-30" in lines
    assert sum("received by" in line for line in lines) == 11
    assert "Witnessed by 2 members, who vouch that they were shown the same log:" in lines
    assert "  31 entries of the log, each signed by its author;" in lines
    assert any(fingerprint in line for line in lines)
    assert "This proves who said what, and in which order, and that nobody has changed it since." in lines
    assert "\x1b" not in out
    with open("whole", "rb") as file:
        assert run("-", "--root", fingerprint, stdin=file.read())[1] == out


def check_shown(key):
    code, out, _ = run("shown", "--root", key)
    assert code == 0 and '"name": "Ana Example"' in out and "Witnessed by nobody" in out
    assert "Ana Example" not in run("whole", "--root", key)[1]
    answer = json.loads(run("shown", "--root", key, "--json")[1])
    assert answer["timeline"][0]["body"]["person"]["name"] == "Ana Example"
    assert answer["timeline"][0]["facts"]["category"] == "food-insecurity"


def check_crossed(key):
    code, out, _ = run("crossed", "--root", key)
    assert code == 0 and "it was accepted and open." in out.splitlines()[0]
    assert "superseded: it crossed with a step of the other side and changed nothing" in out
    assert "not confirmed as received by Hill Clinic" in out
    assert "Witnessed by 1 member, who vouches" in out


def check_json(key, fingerprint):
    code, out, _ = run("whole", "--root", fingerprint, "--json")
    answer = json.loads(out)
    assert code == 0 and answer["ok"] is True
    assert sorted(answer) == sorted(["ok", "loop", "network", "source", "target", "state", "open", "as_of", "log_size",
                                     "entries", "checkpoints", "witnesses", "timeline"])
    assert answer["network"] == {"name": "Example County", "root": key, "fingerprint": fingerprint,
                                 "pinned_by": "fingerprint"}
    assert (answer["state"], answer["open"], answer["log_size"], answer["entries"]) == ("closed", False, 1000, 31)
    assert answer["witnesses"][0] == {"org": "river-shelter", "name": "River Shelter", "size": 1000,
                                      "time": "2025-11-20T01:10:00Z"}
    assert [step["event"] for step in answer["timeline"]][:4] == ["request", "ask", "answer", "accept"]
    step = answer["timeline"][0]
    assert sorted(step) == sorted(["n", "event", "by", "org", "index", "logged", "authored", "due", "delivered",
                                   "state_after", "superseded", "automatic", "id", "facts", "body"])
    assert step["delivered"] == {"index": 300, "logged": "2025-11-20T00:58:20Z"}
    assert step["facts"] is None and step["due"] == "2025-11-30T23:59:59Z"


def check_no(key, fingerprint):
    with open("whole", "rb") as file:
        content = bytearray(file.read())
    content[5000] ^= 1
    with open("damaged", "wb") as file:
        file.write(content)
    sentence = "his file proves nothing: it is damaged: some of it was lost or changed after it was written"
    for root in (key, fingerprint):
        code, out, _ = run("damaged", "--root", root, "--svg", "never.svg")
        assert code == 1 and out.splitlines()[0] == "T" + sentence + ".", out
        assert not os.path.exists("never.svg")
    code, out, _ = run("damaged", "--root", key, "--json")
    assert code == 1 and json.loads(out) == {"ok": False, "error": {"code": "malformed", "text": "t" + sentence}}
    other = ("0" if key[0] != "0" else "1") + key[1:]
    assert "another network" in run("whole", "--root", other)[1]
    other = ("0" if fingerprint[0] != "0" else "1") + fingerprint[1:]
    code, out, _ = run("whole", "--root", other)
    assert code == 1 and "its own is " + fingerprint in out
    code, out, err = run("missing", "--root", key)
    assert (code, out, err) == (1, "", "refloop-verify: missing: it does not exist\n")
    for words in ((), ("whole",), ("whole", "--root", "abcd"), ("whole", "more", "--root", key), ("--root", key)):
        code, out, err = run(*words)
        assert code == 2 and out == "" and err.startswith("refloop-verify: "), (words, out, err)


def check_picture(key):
    code, _, err = run("whole", "--root", key, "--svg", "whole.svg")
    assert (code, err) == (0, "")
    picture = xml.dom.minidom.parse("whole.svg").documentElement
    assert picture.tagName == "svg" and len(picture.getElementsByTagName("circle")) == 11
    code, _, err = run("whole", "--root", key, "--svg", "whole.svg")
    assert (code, err) == (1, "refloop-verify: whole.svg: it exists already\n")


def main():
    with tempfile.TemporaryDirectory() as directory:
        key, fingerprint = subprocess.run([os.path.abspath(MAKE), directory], capture_output=True, check=True,
                                          timeout=60).stdout.decode().splitlines()
        os.chdir(directory)
        check_yes(key, fingerprint)
        check_shown(key)
        check_crossed(key)
        check_json(key, fingerprint)
        check_no(key, fingerprint)
        check_picture(key)
    return 0


if __name__ == "__main__":
    VERIFY = os.path.abspath(VERIFY)
    sys.exit(main())
