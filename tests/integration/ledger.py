"""The checker of the fault tests: what was receipted must be in both organizations' records, once, at the same place of the log; and
what an organization took from its staff must have been said, once, in the order it was taken."""
import copy


class Loss(AssertionError):
    """A receipted statement is missing, moved or there twice; or a text was lost, doubled or has overtaken another."""


def receipted(timelines):
    """{statement id: log index} of everything one side has seen receipted by the broker."""
    seen = {}
    for steps in timelines.values():
        for step in steps:
            if step["index"] is not None and step["stage"] in ("accepted", "delivered"):
                seen[step["id"]] = step["index"]
    return seen


def check(known, timelines):
    """`known`: {id: index} ever seen receipted. `timelines`: {who: {loop: [steps]}} at the end. Raises Loss naming the first."""
    for who, loops in timelines.items():
        places = {}
        for loop, steps in loops.items():
            for step in steps:
                if step["index"] is None:
                    continue
                if step["id"] in places:
                    raise Loss(f"{who}: statement {step['id'][:12]} of loop {loop[:8]} is applied twice")
                places[step["id"]] = step["index"]
            numbers = [step["index"] for step in steps if step["index"] is not None]
            if numbers != sorted(numbers):
                raise Loss(f"{who}: loop {loop[:8]} is not in the log's order")
        for statement, index in known.items():
            if statement not in places:
                raise Loss(f"{who}: receipted statement {statement[:12]} (index {index}) is lost")
            if places[statement] != index:
                raise Loss(f"{who}: receipted statement {statement[:12]} moved from {index} to {places[statement]}")


def check_same(one, other):
    """Two sides' {loop: [steps]} of the loops they share: the same statements in the same order."""
    for loop in one.keys() & other.keys():
        left, right = ([(step["id"], step["index"]) for step in side[loop]] for side in (one, other))
        if left != right:
            raise Loss(f"loop {loop[:8]}: the two sides hold {len(left)} and {len(right)} statements, or not the same ones")


class Told:
    """What each organization's staff said in which loop, in order: `taken` was answered with ok, the rest nobody can know."""

    def __init__(self):
        self.texts = {}

    def add(self, org, loop, text, taken=True):
        self.texts.setdefault((org, loop), []).append((text, taken))

    def count(self):
        return sum(len(texts) for texts in self.texts.values())

    def check(self, timelines):
        """`timelines`: {loop: [steps]} of one reader. Raises Loss for a taken text that is lost, and for any that is doubled or early."""
        for (org, loop), texts in self.texts.items():
            seen = [step["body"].get("note") for step in timelines[loop] if step["event"] == "note" and step["org"] == org]
            at = 0
            for text, taken in texts:
                if at < len(seen) and seen[at] == text:
                    at += 1
                elif taken:
                    raise Loss(f"loop {loop[:8]}: '{text}' of {org} is lost, or something stands in its place")
            if at != len(seen):
                raise Loss(f"loop {loop[:8]}: '{seen[at]}' of {org} was never said, is there twice or comes too late")


def planted(known, everything, told=None, reader=None):
    """The checker itself, on forged copies of what it has just found whole: each planted fault must be found. Returns how many were."""
    reader = reader or next(iter(everything))
    loop = next(loop for loop, steps in everything[reader].items() if steps and steps[-1]["id"] in known)
    plants = {
        "loss": lambda steps: steps.pop(),
        "double": lambda steps: steps.append(dict(steps[-1])),
        "move": lambda steps: steps[-1].update(index=steps[-1]["index"] + 1000000),
        "other": lambda steps: steps[-1].update(id="0" * 64),
    }
    for plant, forge in plants.items():
        forged = copy.deepcopy({reader: {loop: everything[reader][loop]}})
        mine = {step["id"]: step["index"] for step in forged[reader][loop] if step["id"] in known}
        forge(forged[reader][loop])
        must_fail(plant, check, mine, forged)
        must_fail(plant, check_same, forged[reader], {loop: everything[reader][loop]})
    return len(plants) + (planted_texts(told, everything[reader]) if told else 0)


def planted_texts(told, timelines):
    """The same for what was said: a lost, a doubled, an invented text and one that has overtaken another."""
    org, loop = next(key for key, texts in told.texts.items() if key[1] in timelines and sum(taken for _, taken in texts) > 1)
    only = Told()
    for step in timelines[loop]:
        if step["event"] == "note" and step["org"] == org:
            only.add(org, loop, step["body"]["note"])
    for plant in ("lost", "doubled", "invented", "overtaken"):
        steps = copy.deepcopy(timelines[loop])
        notes = [at for at, step in enumerate(steps) if step["event"] == "note" and step["org"] == org]
        first, last = notes[0], notes[-1]
        if plant == "lost":
            del steps[first]
        elif plant == "doubled":
            steps.append(dict(steps[first]))
        elif plant == "invented":
            steps.append({**steps[first], "body": {"note": "never said"}})
        else:
            steps[first], steps[last] = steps[last], steps[first]
        must_fail(plant, only.check, {loop: steps})
    return 4


def must_fail(plant, checker, *arguments):
    try:
        checker(*arguments)
    except Loss:
        return
    raise AssertionError(f"the checker did not find a planted fault: {plant}")
