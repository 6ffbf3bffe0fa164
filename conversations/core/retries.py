"""When an answer will not do, and when nothing takes a message: ask again, default values, fallbacks, escalation."""

from conversations.core import filling, handlers, handover, states
from conversations.core.conditions import choose
from conversations.core.plan import StatePlan
from conversations.core.run import Run
from conversations.core.slots import Refused
from flows.core.types import Condition, HandlerTrigger, SlotRule, SlotType

MISSES = 3  # the third message in a row that nothing takes escalates
_SHOWN_CHOICES = 12
_WANTED = {SlotType.ATTACHMENT: "attachment", SlotType.PRODUCT: "unknown_product"}


def refuse(run: Run, here: StatePlan, slot: str, reason: Refused | None) -> None:
    """One retry used. After `max_retries` the slot's default value, the low_confidence transition, a person, or the error handler."""
    run.emit("slot_refused", {"slot": slot, "reason": reason.reason if reason is not None else "no_match"})
    if run.work.retries[slot] > here.config.max_retries:
        if not _default(run, here, slot):
            exhausted(run, here)
        return
    rule = filling.rule_of(run, slot)
    run.extra = run.heard.get("text", "")  # what `value` means in the rule's message
    if reason is not None and reason.facts.get("ids"):
        run.offer(run.sentence(reason.reason, products=reason.facts["products"]), states.product_buttons(run, rule, reason.facts["ids"]))
        run.extra = None
        return
    if reason is not None:
        run.say(run.words(rule.message) or run.sentence(reason.reason, **reason.facts))
    elif not here.config.retry_prompts.get(slot):
        run.say(run.words(rule.message) or _not_understood(run, rule))
    run.extra = None
    states.ask_for(run, here, slot, again=True)


def _not_understood(run: Run, rule: SlotRule) -> str:
    if rule.type is SlotType.ENUM and len(rule.choices) <= _SHOWN_CHOICES:
        return run.sentence("choice", choices=", ".join(states.label(run, choice) for choice in rule.choices))
    return run.sentence(_WANTED.get(rule.type, "not_understood"))


def _default(run: Run, here: StatePlan, slot: str) -> bool:
    """The value that the state has for a slot that nobody could fill."""
    values = filling.worked_out(run, here.config.default_values, (slot,), "default_value")
    if not values:
        return False
    run.emit("defaulted", {"slot": slot})
    filling.fill(run, values)
    response = here.config.default_responses.get(slot)
    if response:
        run.tell(response)
    states.advance(run, here)
    return True


def exhausted(run: Run, here: StatePlan) -> None:
    ways_out = [move for move in here.message if move.condition is Condition.LOW_CONFIDENCE]
    move = choose(run, here, ways_out)
    if move is not None:
        run.consumed = True
        states.take(run, here, move)
    else:
        escalate(run, f"more than {here.config.max_retries} retries")


def no_match(run: Run, here: StatePlan) -> None:
    """State fallback, flow fallback, ask again; the third in a row escalates."""
    run.emit("missed", {})
    run.missed = True
    if run.work.misses >= MISSES:
        escalate(run, f"{MISSES} messages in a row were not understood")
        return
    if _state_fallback(run, here):
        return
    hit = handlers.find(run, HandlerTrigger.NO_MATCH)
    if hit is not None:
        handlers.fire(run, hit, fallback=True)
    else:
        run.say(run.sentence("not_understood"))
        run.ops.append(["ask"])


def _state_fallback(run: Run, here: StatePlan) -> bool:
    """The intent state's `fallback_intent`: its transition is taken as if that intent had been said."""
    if not here.fallback:
        return False
    for move in here.message:
        if move.condition is Condition.INTENT_MATCH and move.value == here.fallback:
            run.trace.append({**move.label, "taken": True, "why": f"fallback intent {here.fallback}"})
            run.consumed = True
            states.take(run, here, move)
            return True
    return False


def escalate(run: Run, why: str) -> None:
    """To a person if the flow says how, by a handler or by the terms of the queue, else to its error recovery, else say that it is hopeless
    and ask again."""
    run.emit("escalated", {"why": why})
    run.note(note="escalated", why=why)
    hit = handlers.find(run, HandlerTrigger.COMMAND, "human", always=True)
    if hit is None and handover.wanted(run) and "human" not in run.here().masked:
        run.consumed = True
        handlers.human(run, why)
        return
    hit = hit or handlers.find(run, HandlerTrigger.ERROR, always=True)
    if hit is not None:
        handlers.fire(run, hit)
    else:
        run.say(run.sentence("escalated"))
        run.ops.append(["ask"])
