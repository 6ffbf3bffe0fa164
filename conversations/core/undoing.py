"""Cancelling: what was done on the way is taken back, newest first, before the flow is left."""

from collections.abc import Mapping

from conversations.core.run import Level, Run
from conversations.core.scope import MISSING, readers_of
from flows.core.types import Json

KEPT = frozenset({"variables", "slots", "results", "labels", "products"})  # what may be another value, or gone, by then


def remember(run: Run, level: Level, state: str, place: str) -> None:
    """What has just been done can be taken back by the actions at `place`, with the values that they would see now."""
    if not isinstance(level, int):
        return
    plan = run.plan_at(level)
    data: dict[str, Json] = {"program": plan.program_key, "state": state, "place": place, "seen": _seen(run, level, plan.seen(state, place))}
    if level != -1:
        data["level"] = level
    secret = run.secrets(name.partition(".")[2] for name in data["seen"])
    if secret:
        data["sensitive"] = secret
    run.emit("undoable", data)


def _seen(run: Run, level: Level, names: frozenset[str]) -> dict[str, Json]:
    before, run.level = run.level, level
    found: dict[str, Json] = {}
    for name, read, key in readers_of(names):
        root = name.partition(".")[0]
        if root in KEPT and key:
            value = read(run, key)
            if value is not MISSING:
                shown = root in ("labels", "products")  # made from the slot's value
                found[f"slots.{key}" if shown else name] = run.work.slots.get(key) if shown else value
    run.level = before
    return found


def abandon(run: Run, depth: int) -> None:
    """Cancel the flows above the lowest `depth` ones, and with each that says so the one that called it."""
    stack = run.work.frames
    while depth and stack[depth].on_cancel == "cancel":
        depth -= 1
    entries = [entry for frame in stack[depth:] for entry in frame.undo]
    run.emit("cancelling", {"depth": depth, "undo": len(entries)})
    run.left = True
    run.ops.clear()
    run.ops.append(["abandon", depth])
    run.ops.extend([["undo", entry] for entry in entries])


def undo(run: Run, entry: Mapping[str, Json]) -> None:
    """One step back. A version that is not there any more cannot be asked how: the log says so."""
    if entry["program"] not in run.book.programs:
        run.note(note="undo_impossible", state=entry["state"], why="its version is not there any more")
        return
    run.ops.append(["undone", entry])
    run.ops.append(["acts", entry, entry["state"], entry["place"], 0])


def undone(run: Run, entry: Mapping[str, Json]) -> None:
    run.emit("compensated", {"state": entry["state"], "place": entry["place"]})
