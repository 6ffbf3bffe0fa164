"""A message meets a state: slot answers, corrections, over-answering, digressions, and what happens when nothing fits."""

from collections.abc import Callable, Iterable, Mapping

from conversations.core import corrections, handlers, slots, states
from conversations.core.conditions import best_intent, choose
from conversations.core.plan import StatePlan
from conversations.core.run import Run
from conversations.core.slots import NOTHING, Extracted, Found, Refused
from conversations.core.types import Said
from conversations.core.words import CORRECTION, sentence
from flows.core.types import Condition, EvaluationFailed, HandlerTrigger, Json, SlotRule, SlotType, StateType

MISSES = 3  # the third message in a row that nothing takes escalates
_SHOWN_CHOICES = 12
_YES_OR_NO = SlotRule(name="yes", type=SlotType.BOOLEAN)


def hear(run: Run, here: StatePlan, said: Said) -> None:
    """The whole order of 3c to 3e: correction, answer to the open slot, transitions, handlers, catch-all transitions, no match."""
    if corrections.held(run) and _confirmed(run, said.text):
        return
    slot = states.open_slot(run, here)
    if slot:
        _answer(run, here, slot, said)
    else:
        _listen(run, here, said)


def _listen(run: Run, here: StatePlan, said: Said) -> None:
    rival = handlers.for_intent(run, handlers.DIGRESSION)
    move = choose(run, here, here.message, rival=rival[1].name if rival else "")
    if move is not None:
        _fill(run, _volunteered(run, said.text, said.understanding.entities))
        run.consumed = True
        states.take(run, here, move)
    elif rival is not None:
        handlers.fire(run, rival)
    elif _corrected(run, said.text, lambda: run.ops.append(["ask"])):
        return
    else:
        no_match(run, here)


# ── the answer to a question ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answer(run: Run, here: StatePlan, slot: str, said: Said) -> None:
    if _corrected(run, said.text, lambda: advance_filled(run, here)):
        return
    rule = _rule(run, slot)
    found = _found(run, rule, said)
    if type(found) is Extracted and not _digresses(run, here, rule, found, said.text):
        values = {slot: found.value}
        rest = said.text.replace(found.used, " ", 1)
        if len(rest) > 2 and not rest.isspace():
            values |= _volunteered(run, rest, said.understanding.entities, but=slot)
        _fill(run, values)
        advance_filled(run, here)
        return
    _unanswered(run, here, slot, found, said)


def _rule(run: Run, slot: str) -> SlotRule:
    return run.plan.program.flow.slots.get(slot) or SlotRule(name=slot)


def _found(run: Run, rule: SlotRule, said: Said) -> Found:
    """The entity that the understanding names for this slot, else what the words say; the rule's expression has the last word."""
    found: Found = NOTHING
    raw = said.understanding.entities.get(rule.name)
    if raw:
        found = slots.extract(rule, raw, locale=run.work.locale, now=run.now)
    if found is NOTHING and said.text:
        found = slots.extract(rule, said.text, locale=run.work.locale, now=run.now)
    return _allowed(run, rule, found)


def _allowed(run: Run, rule: SlotRule, found: Found) -> Found:
    if type(found) is not Extracted or not rule.expression:
        return found
    guard = run.plan.guard(rule.expression)
    if guard is None:
        return found
    run.extra = found.value
    try:
        return found if guard.value(run) is True else Refused("expression")
    except EvaluationFailed as failure:
        run.note(note="slot_expression", slot=rule.name, why=str(failure))
        return Refused("expression")
    finally:
        run.extra = None


def _digresses(run: Run, here: StatePlan, rule: SlotRule, found: Extracted, text: str) -> bool:
    """Something else was meant: certain enough, and the answer is any text or only a small part of what was said."""
    if rule.type is not SlotType.TEXT and 2 * len(found.used) >= len(text):
        return False
    intent, confidence = best_intent(run, here.candidates)
    if here.candidates and intent and confidence >= handlers.FREE_TEXT_DIGRESSION:
        return any(move.condition is Condition.INTENT_MATCH for move in here.message)
    return handlers.for_intent(run, handlers.FREE_TEXT_DIGRESSION) is not None


def advance_filled(run: Run, here: StatePlan) -> None:
    """Slots were filled: a transition leads on, or the next open slot is asked for."""
    run.consumed = True
    move = choose(run, here, here.filled)
    if move is not None:
        states.take(run, here, move)
        return
    slot = states.open_slot(run, here)
    if slot:
        states.ask_for(run, here, slot)
    elif here.type is StateType.SLOT_FILLING:
        states.rest(run, here)
    else:
        run.ops.append(["ask"])


def _unanswered(run: Run, here: StatePlan, slot: str, found: Found, said: Said) -> None:
    """Interruptions and volunteered slots cost no retry; a refused answer and a message that nothing takes do."""
    rival = handlers.for_intent(run, handlers.DIGRESSION)
    if type(found) is Refused and handlers.for_intent(run, handlers.FREE_TEXT_DIGRESSION) is not None:
        found = NOTHING  # "what does section 1017 say?" is no answer that is too large
    refused = type(found) is Refused
    moves = [move for move in here.message if move.condition is not Condition.LOW_CONFIDENCE and not (refused and move.catch_all)]
    move = choose(run, here, moves, rival=rival[1].name if rival else "")
    if move is not None:
        run.consumed = True
        states.take(run, here, move)
    elif rival is not None and not refused:
        handlers.fire(run, rival)
    else:
        _volunteer_or_retry(run, here, slot, found, said)


def _volunteer_or_retry(run: Run, here: StatePlan, slot: str, found: Found, said: Said) -> None:
    volunteered = _volunteered(run, said.text, said.understanding.entities, but=slot) if type(found) is not Refused else {}
    if volunteered:
        _fill(run, volunteered)
        advance_filled(run, here)
    else:
        refuse(run, here, slot, found if type(found) is Refused else None)


def refuse(run: Run, here: StatePlan, slot: str, reason: Refused | None) -> None:
    """One retry used. After `max_retries` the low_confidence transition of the state leads on, else a person, else the error handler."""
    run.emit("slot_refused", {"slot": slot, "reason": reason.reason if reason is not None else "no_match"})
    if run.work.retries[slot] > here.config.max_retries:
        _exhausted(run, here)
        return
    rule = _rule(run, slot)
    run.extra = run.heard.get("text", "")  # what `value` means in the rule's message
    if reason is not None:
        run.say(run.words(rule.message) or sentence(reason.reason, run.work.locale, **reason.facts))
    elif not here.config.retry_prompts.get(slot):
        run.say(run.words(rule.message) or _not_understood(run, rule))
    run.extra = None
    states.ask_for(run, here, slot, again=True)


def _not_understood(run: Run, rule: SlotRule) -> str:
    if rule.type is SlotType.ENUM and len(rule.choices) <= _SHOWN_CHOICES:
        return sentence("choice", run.work.locale, choices=", ".join(states.label(run, choice) for choice in rule.choices))
    return sentence("not_understood", run.work.locale)


def _exhausted(run: Run, here: StatePlan) -> None:
    ways_out = [move for move in here.message if move.condition is Condition.LOW_CONFIDENCE]
    move = choose(run, here, ways_out)
    if move is not None:
        run.consumed = True
        states.take(run, here, move)
    else:
        escalate(run, f"more than {here.config.max_retries} retries")


# ── slots nobody asked for ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _fill(run: Run, values: Mapping[str, Json], *, corrected: Iterable[str] = ()) -> None:
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


def _volunteered(run: Run, text: str, entities: Mapping[str, str], *, but: str = "") -> dict[str, Json]:
    """Values for the flow's other open slots."""
    filled = run.work.slots
    wanted = [name for name in run.plan.slots if name != but and name not in filled]
    return _spotted(run, wanted, text, entities) if wanted else {}


def _spotted(run: Run, names: Iterable[str], text: str, entities: Mapping[str, str]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    locale, now = run.work.locale, run.now
    for name in names:
        rule = _rule(run, name)
        raw = entities.get(name)
        found = slots.extract(rule, raw, locale=locale, now=now) if raw else slots.spot(rule, text, locale=locale, now=now)
        found = _allowed(run, rule, found)
        if type(found) is Extracted:
            values[name] = found.value
    return values


def _corrected(run: Run, text: str, stay: Callable[[], None]) -> bool:
    """ "no, 5 storeys": a filled slot gets another value, when the message begins like a correction and says so plainly. The conversation
    takes up again where the old value was first read, `stay` when nothing did; it asks first when a call that cannot be taken back was made."""
    match = CORRECTION.match(text)
    if match is None or not run.work.slots:
        return False
    filled = run.work.slots
    known = [name for name in run.plan.slots if name in filled]
    values = {name: value for name, value in _spotted(run, known, text[match.end() :], {}).items() if filled[name] != value}
    if not values:
        return False
    run.consumed = True
    state = corrections.reader(run, frozenset(values))
    if state and corrections.sent_since(run, state):
        corrections.hold(run, values)
        run.note(note="correction waits for a yes", slots=list(values))
        run.say(sentence("confirm_correction", run.work.locale))
        return True
    _apply(run, values, state, stay)
    return True


def _apply(run: Run, values: Mapping[str, Json], state: str, stay: Callable[[], None]) -> None:
    _fill(run, values, corrected=values)
    run.note(note="corrected", slots=list(values))
    if state:
        corrections.take_up(run, state)
    else:
        stay()


def _confirmed(run: Run, text: str) -> bool:
    """The answer to "change it anyway?": yes applies the correction, no drops it, anything else drops it and is heard as usual."""
    values = corrections.held(run)
    corrections.release(run)
    answer = slots.extract(_YES_OR_NO, text, locale=run.work.locale, now=run.now)
    if type(answer) is not Extracted:
        return False
    run.consumed = True
    if answer.value:
        _apply(run, values, corrections.reader(run, frozenset(values)), lambda: run.ops.append(["ask"]))
    else:
        run.ops.append(["ask"])
    return True


def pressed(run: Run, here: StatePlan, given: Mapping[str, Json]) -> None:
    """A postback's slots are filled like answers; its intent is a message of full confidence."""
    values: dict[str, Json] = {}
    for name, value in given.items():
        rule = run.plan.program.flow.slots.get(name)
        found = _allowed(run, rule, slots.accept(rule, value, locale=run.work.locale, now=run.now)) if rule is not None else NOTHING
        if type(found) is Extracted:
            values[name] = found.value
        elif name == states.open_slot(run, here):
            refuse(run, here, name, found if type(found) is Refused else None)
            return
        else:
            run.note(note="postback_slot_refused", slot=name)
    _fill(run, values)
    if values and here.type is StateType.SLOT_FILLING:
        advance_filled(run, here)
    else:
        _listen(run, here, Said(text="", understanding=run.understanding))


# ── nothing fits ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        run.say(sentence("not_understood", run.work.locale))
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
    """To a person if the flow says how, else to its error recovery, else say that it is hopeless and ask again."""
    run.emit("escalated", {"why": why})
    run.note(note="escalated", why=why)
    hit = handlers.find(run, HandlerTrigger.COMMAND, "human", always=True) or handlers.find(run, HandlerTrigger.ERROR, always=True)
    if hit is not None:
        handlers.fire(run, hit)
    else:
        run.say(sentence("escalated", run.work.locale))
        run.ops.append(["ask"])
