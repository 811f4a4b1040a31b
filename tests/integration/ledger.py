"""The checker of the kill tests: what was receipted must be in both organizations' records, once, at the same place of the log."""


class Loss(AssertionError):
    """A receipted statement is missing, moved or there twice."""


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
