"""Values on their way into slots: read from words or buttons, checked by the slot's rule, written."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from conversations.core import choices, products, slots
from conversations.core.plan import StatePlan
from conversations.core.run import Run
from conversations.core.slots import NOTHING, Extracted, Found, Refused
from conversations.core.types import Said
from conversations.core.values import Unfit, plain
from flows.core.types import EvaluationFailed, Json, SlotRule, SlotType


def fill(run: Run, values: Mapping[str, Json], *, corrected: Iterable[str] = ()) -> None:
    if not values:
        return
    data: dict[str, Json] = {"slots": dict(values)}
    names = list(corrected)
    if names:
        data["corrected"] = names
    secret = run.secrets(values)
    if secret:
        data["sensitive"] = secret
        run.hide(secret)
    run.changed()
    run.emit("slots_filled", data)


def clear(run: Run, names: Iterable[str]) -> None:
    gone = [name for name in names if name in run.work.slots]
    if gone:
        run.changed()
        run.emit("slots_cleared", {"slots": gone})


def rule_of(run: Run, slot: str) -> SlotRule:
    """The rule of the slot in the flow on top, with its choices as they are now."""
    rule = run.plan.program.flow.slots.get(slot) or SlotRule(name=slot)
    return with_choices(run, rule)


def with_choices(run: Run, rule: SlotRule) -> SlotRule:
    """The rule as it is now: with the choices that its expression gives, after those that are written down; with the names of products."""
    if not rule.choices_from:
        return products.with_names(run, rule)
    guard = run.plan.guard(rule.choices_from)
    try:
        items: Any = plain(guard.value(run)) if guard is not None else []
    except (EvaluationFailed, Unfit) as failure:
        run.note(note="choices_from", slot=rule.name, why=str(failure))
        items = []
    return replace(rule, choices=(*rule.choices, *choices.from_items(items)))


def anywhere(run: Run, slot: str) -> SlotRule:
    """The rule of a slot in whichever flow of the stack knows it, the top one first."""
    for level in range(len(run.work.frames) - 1, -1, -1):
        rule = run.plan_at(level).program.flow.slots.get(slot)
        if rule is not None:
            return with_choices(run, rule)
    return SlotRule(name=slot)


def answer_to(run: Run, rule: SlotRule, said: Said) -> Found:
    """The entity that the understanding names for this slot, else what the words say; the rule's expression has the last word."""
    if rule.type is SlotType.ATTACHMENT:
        return allowed(run, rule, slots.attached(said.attributes) if said.attachment else NOTHING)
    found: Found = NOTHING
    raw = said.understanding.entities.get(rule.name)
    if raw:
        found = slots.extract(rule, raw, locale=run.work.locale, now=run.now)
    if found is NOTHING and said.text:
        found = slots.extract(rule, said.text, locale=run.work.locale, now=run.now)
    return allowed(run, rule, found)


def accepted(run: Run, rule: SlotRule, value: Json) -> Found:
    """A value that did not come from words, checked in full."""
    return allowed(run, rule, slots.accept(rule, value, locale=run.work.locale, now=run.now))


def allowed(run: Run, rule: SlotRule, found: Found) -> Found:
    """The rule's expression has the last word."""
    if type(found) is not Extracted or not rule.expression:
        return found
    guard = run.plan.guard(rule.expression)
    if guard is None:
        return found
    before, run.extra = run.extra, found.value
    try:
        return found if guard.value(run) is True else Refused("expression")
    except EvaluationFailed as failure:
        run.note(note="slot_expression", slot=rule.name, why=str(failure))
        return Refused("expression")
    finally:
        run.extra = before


def worked_out(run: Run, sources: Mapping[str, str], names: Iterable[str], note: str) -> dict[str, Json]:
    """The values that these expressions give for slots; one that fails, or that the slot's rule refuses, is left out."""
    values: dict[str, Json] = {}
    for name in names:
        guard = run.plan.guard(sources.get(name, ""))
        if guard is None:
            continue
        try:
            value = plain(guard.value(run))
        except (EvaluationFailed, Unfit) as failure:
            run.note(note=note, slot=name, why=str(failure))
            continue
        found = accepted(run, rule_of(run, name), value) if value is not None and value != "" else NOTHING
        if type(found) is Extracted:
            values[name] = found.value
        else:
            run.note(note=note, slot=name, why=found.reason if type(found) is Refused else "no value")
    return values


def volunteered(run: Run, text: str, entities: Mapping[str, str], *, but: str = "") -> dict[str, Json]:
    """Values for the flow's other open slots."""
    filled = run.work.slots
    wanted = [name for name in run.plan.slots if name != but and name not in filled]
    return spotted(run, [rule_of(run, name) for name in wanted], text, entities) if wanted else {}


def spotted(run: Run, rules: Iterable[SlotRule], text: str, entities: Mapping[str, str]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    locale, now = run.work.locale, run.now
    for rule in rules:
        raw = entities.get(rule.name)
        found = slots.extract(rule, raw, locale=locale, now=now) if raw else slots.spot(rule, text, locale=locale, now=now)
        found = allowed(run, rule, found)
        if type(found) is Extracted:
            values[rule.name] = found.value
    return values


def volunteer(run: Run) -> None:
    """A flow that the message has started takes what else the message says."""
    text = str(run.heard.get("text") or "")
    if text:
        fill(run, volunteered(run, text, run.understanding.entities))


def prefill(run: Run, here: StatePlan) -> None:
    """On entry: slots that an expression can fill are not asked for."""
    wanted = [name for name in here.prefill if name not in run.work.slots]
    if wanted:
        fill(run, worked_out(run, here.prefill, wanted, "prefill"))
