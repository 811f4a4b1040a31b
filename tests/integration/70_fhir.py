"""FHIR in and out, through the real programs: the published examples unchanged, and every state exported and validated."""
import json
import os
import shutil
import subprocess
import unittest

from rig import EXAMPLES, Network, referral, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
VALIDATOR = os.path.join(HERE, "..", "fhir", "validate.mjs")
PUBLISHED = ["ServiceRequest-SDOHCC-ServiceRequestActiveFoodPantryApplicationAssistExample.json",
             "Task-SDOHCC-TaskReferralManagementOrderFulfillmentAcceptedExample.json", "Patient-pat-53234.json",
             "Consent-SDOHCC-ConsentInformationDisclosureExample.json"]
TASK_STATUS = {"requested": "requested", "info-requested": "requested", "accepted": "accepted", "in-progress": "in-progress", "on-hold": "on-hold",
               "cancel-requested": "accepted", "declined": "rejected", "completed": "completed", "not-completed": "failed",
               "withdrawn": "cancelled", "closed": "completed", "void": "entered-in-error"}
# How to get to each state: (who, event, arguments) after the request.
WAYS = {
    "requested": [],
    "info-requested": [("pantry", "ask", "--text", "-")],
    "accepted": [("pantry", "accept")],
    "in-progress": [("pantry", "accept"), ("pantry", "progress", "scheduled", "--at", "2030-01-15T10:00:00Z")],
    "on-hold": [("pantry", "accept"), ("pantry", "hold", "waitlist")],
    "cancel-requested": [("pantry", "accept"), ("clinic", "cancel", "no-longer-needed")],
    "declined": [("pantry", "decline", "no-capacity")],
    "completed": [("pantry", "accept"), ("pantry", "complete", "service-provided")],
    "not-completed": [("pantry", "accept"), ("pantry", "fail", "unable-to-reach")],
    "withdrawn": [("pantry", "accept"), ("pantry", "release", "client-declined")],
    "closed": [("pantry", "accept"), ("pantry", "complete", "service-provided"), ("clinic", "acknowledge")],
    "void": [("clinic", "void", "duplicate")],
}


class Fhir(unittest.TestCase):
    def test_every_state(self):
        """export --fhir gives JSON that the npm package `fhir` validates, for every state, at both sides"""
        if not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "..", "fhir", "node_modules")):
            self.skipTest("the validator is not installed: run tests/run fhir first")
        with Network() as network:
            sides = {"clinic": network["oak-clinic"], "pantry": network["elm-pantry"]}
            written = []
            for state, steps in WAYS.items():
                loop = self.send(sides["clinic"])
                sides["pantry"].wait_state(loop, "requested")
                for count, (who, event, *arguments) in enumerate(steps, 2):
                    sides[who].run(event, loop, *arguments, stdin="Which day suits?")
                    for side in sides.values():
                        wait_for(f"step {count} of {state}", lambda s=side, n=count: sum(1 for step in s.json("show", loop)["timeline"] if step["index"]) >= n)
                for name, side in sides.items():
                    self.assertEqual(side.loop(loop)["state"], state)
                    path = os.path.join(network.root, f"{state}-{name}.json")
                    side.run("export", loop, "--fhir", "--out", path)
                    with open(path, encoding="utf-8") as file:
                        bundle = json.load(file)
                    tasks = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Task"
                             and entry["resource"].get("lastModified")]
                    self.assertEqual(tasks[0]["status"], TASK_STATUS[state])
                    written.append(path)
            done = subprocess.run(["node", VALIDATOR, *written], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def send(self, clinic):
        return clinic.json("send", "-", stdin=referral())["sent"][0]["loop"]

    def test_published(self):
        """the published ServiceRequest, Task, Patient and Consent go out unchanged and come back in the export"""
        if not EXAMPLES:
            self.skipTest("the published examples are not here")
        paths = [os.path.join(EXAMPLES, name) for name in PUBLISHED]
        with Network() as network:
            clinic, pantry = network["oak-clinic"], network["elm-pantry"]
            answer = clinic.json("send", *paths, "--to", "elm-pantry")
            loop = answer["sent"][0]["loop"]
            pantry.wait_state(loop, "requested")
            bundle = pantry.json("export", loop, "--fhir")["bundle"]
            text = json.dumps(bundle, sort_keys=True)
            for path in paths[2:]:
                with open(path, encoding="utf-8") as file:
                    self.assertIn(json.dumps(json.load(file), sort_keys=True), text)
            self.assertEqual(pantry.loop(loop)["category"], "food-insecurity")
            self.assertIn("BAXTER", pantry.run("show", loop).upper())


if __name__ == "__main__":
    unittest.main()
