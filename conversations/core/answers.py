"""A message meets a state: slot answers, corrections, over-answering, digressions, and questions of the engine's own."""

from collections.abc import Callable, Mapping

from conversations.core import clarifying, corrections, filling, handlers, retries, slots, states
from conversations.core.choices import declines
from conversations.core.conditions import best_intent, choose
from conversations.core.plan import StatePlan
from conversations.core.run import Run
from conversations.core.slots import NOTHING, Extracted, Found, Refused
from conversations.core.types import Said
from conversations.core.words import CORRECTION
from flows.core.types import Condition, HandlerTrigger, Json, SlotRule, SlotType, StateType

_YES_OR_NO = SlotRule(name="yes", type=SlotType.BOOLEAN)


def hear(run: Run, here: StatePlan, said: Said) -> None:
    """The whole order of 3c to 3e: own questions, correction, answer to the open slot, transitions, handlers, catch-alls, no match."""
    if run.before.question and (answer := clarifying.typed(run, said)):
        _listen(run, here, answer)
        return
    if corrections.held(run) and _correction_confirmed(run, said.text):
        return
    if run.before.question and _confirmed(run, here, said):
        return
    slot = states.open_slot(run, here)
    if slot:
        _answer(run, here, slot, said)
    else:
        _listen(run, here, said)


def happen(run: Run, here: StatePlan, name: str) -> None:
    """The client's program has noticed something: a handler or a transition takes it, or nothing does, which is nobody's fault."""
    hit = handlers.find(run, HandlerTrigger.EVENT, name)
    if hit is not None:
        handlers.fire(run, hit)
        return
    move = choose(run, here, [move for move in here.message if not move.catch_all])
    hit = handlers.for_intent(run, handlers.DIGRESSION) if move is None else None
    if move is not None:
        run.consumed = True
        states.take(run, here, move)
    elif hit is not None:
        handlers.fire(run, hit)
    else:
        run.note(note="event_unheeded", event=name)


def _listen(run: Run, here: StatePlan, said: Said) -> None:
    rival = handlers.for_intent(run, handlers.DIGRESSION)
    unsure = clarifying.alternatives(run, here)
    if unsure and clarifying.asked_too_often(run):
        retries.no_match(run, here)
        return
    if unsure:
        clarifying.ask_which(run, unsure, said)
        return
    move = choose(run, here, here.message, rival=rival[1].name if rival else "")
    if move is not None:
        filling.fill(run, filling.volunteered(run, said.text, said.understanding.entities))
        run.consumed = True
        states.take(run, here, move)
    elif rival is not None:
        handlers.fire(run, rival)
    elif _corrected(run, said.text, lambda: run.ops.append(["ask"])):
        return
    else:
        retries.no_match(run, here)


def _answer(run: Run, here: StatePlan, slot: str, said: Said) -> None:
    if _corrected(run, said.text, lambda: states.advance(run, here)):
        return
    if here.csat is not None and declines(said.text):
        _decline(run, here)
        return
    rule = filling.rule_of(run, slot)
    found = filling.answer_to(run, rule, said)
    if type(found) is Extracted and not _digresses(run, here, rule, found, said.text):
        if rule.confirm:
            _ask_to_confirm(run, rule, found.value)
            return
        values = {slot: found.value}
        rest = said.text.replace(found.used, " ", 1)
        if len(rest) > 2 and not rest.isspace():
            values |= filling.volunteered(run, rest, said.understanding.entities, but=slot)
        filling.fill(run, values)
        states.advance(run, here)
        return
    _unanswered(run, here, slot, found, said)


def _decline(run: Run, here: StatePlan) -> None:
    """A rating is never forced out of anybody: the state is left as if it had been given."""
    run.declined = True
    run.consumed = True
    move = choose(run, here, here.filled)
    if move is not None:
        states.take(run, here, move)
    else:
        states.rest(run, here)


def _digresses(run: Run, here: StatePlan, rule: SlotRule, found: Extracted, text: str) -> bool:
    """Something else was meant: certain enough, and the answer is any text or only a small part of what was said."""
    if rule.type is not SlotType.TEXT and 2 * len(found.used) >= len(text):
        return False
    intent, confidence = best_intent(run, here.candidates)
    if here.candidates and intent and confidence >= handlers.FREE_TEXT_DIGRESSION:
        return any(move.condition is Condition.INTENT_MATCH for move in here.message)
    return handlers.for_intent(run, handlers.FREE_TEXT_DIGRESSION) is not None


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
    values = filling.volunteered(run, said.text, said.understanding.entities, but=slot) if type(found) is not Refused else {}
    if values:
        filling.fill(run, values)
        states.advance(run, here)
    else:
        retries.refuse(run, here, slot, found if type(found) is Refused else None)


def _ask_to_confirm(run: Run, rule: SlotRule, value: Json) -> None:
    """The slot's own `confirm`: the value waits for a yes."""
    data: dict[str, Json] = {"kind": "confirm", "token": run.token(), "slots": {rule.name: value}}
    secret = run.secrets((rule.name,))
    if secret:
        data["sensitive"] = secret
        run.hide(secret)
    run.emit("asked", data)
    run.consumed = True
    before, run.extra = run.extra, states.shown(run, rule, value)
    text = run.words(rule.confirm)
    run.extra = before
    run.offer(text, states.yes_and_no(run))


def _confirmed(run: Run, here: StatePlan, said: Said) -> bool:
    """The answer to that: yes fills the slot, no asks for it again, "no, 5" and anything else is an answer to the slot's own question."""
    question = run.before.question
    if question.get("kind") != "confirm" or question.get("token") != run.token():
        return False
    answer = slots.extract(_YES_OR_NO, said.text, locale=run.work.locale, now=run.now)
    slot = next(iter(question["slots"]))
    another = CORRECTION.match(said.text)
    if another is not None and type(filling.answer_to(run, filling.rule_of(run, slot), _rest(said, another.end()))) is Extracted:
        _answer(run, here, slot, _rest(said, another.end()))
        return True
    if type(answer) is not Extracted:
        return False
    run.consumed = True
    if answer.value:
        filling.fill(run, question["slots"])
        states.advance(run, here)
    else:
        states.ask_for(run, here, slot, again=True)
    return True


def _rest(said: Said, start: int) -> Said:
    return Said(text=said.text[start:], understanding=said.understanding)


def _corrected(run: Run, text: str, stay: Callable[[], None]) -> bool:
    """ "no, 5 storeys": a filled slot gets another value, when the message begins like a correction and says so plainly. The conversation
    takes up again where the old value was first read, `stay` when nothing did; it asks first when a call that cannot be taken back was made."""
    if not run.work.slots:
        return False
    match = CORRECTION.match(text)
    if match is None:
        return False
    filled = run.work.slots
    rules = [filling.anywhere(run, name) for name in corrections.known_slots(run) if name in filled]
    values = {name: value for name, value in filling.spotted(run, rules, text[match.end() :], {}).items() if filled[name] != value}
    if not values:
        return False
    run.consumed = True
    place = corrections.reader(run, frozenset(values))
    if place is not None and corrections.sent_since(run, place):
        corrections.hold(run, values)
        run.note(note="correction waits for a yes", slots=list(values))
        run.offer(run.sentence("confirm_correction"), states.yes_and_no(run))
        return True
    _apply(run, values, place, stay)
    return True


def _apply(run: Run, values: Mapping[str, Json], place: corrections.Place | None, stay: Callable[[], None]) -> None:
    filling.fill(run, values, corrected=values)
    run.note(note="corrected", slots=list(values))
    if place is not None:
        corrections.take_up(run, place)
    else:
        stay()


def _correction_confirmed(run: Run, text: str) -> bool:
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


def pressed(run: Run, here: StatePlan, intent: str, given: Mapping[str, Json]) -> None:
    """A postback's slots are filled like answers; its intent is a message of full confidence."""
    if clarifying.dropped(run, intent):
        return
    meant = clarifying.answered(run, intent) if intent else None
    if meant is not None:
        _listen(run, here, meant)
        return
    values: dict[str, Json] = {}
    for name, value in given.items():
        rule = run.plan.program.flow.slots.get(name)
        found = filling.accepted(run, filling.rule_of(run, name), value) if rule is not None else NOTHING
        if type(found) is Extracted:
            values[name] = found.value
        elif name == states.open_slot(run, here):
            retries.refuse(run, here, name, found if type(found) is Refused else None)
            return
        else:
            run.note(note="postback_slot_refused", slot=name)
    filling.fill(run, values)
    if values and here.type is StateType.SLOT_FILLING:
        states.advance(run, here)
    else:
        _listen(run, here, Said(text="", understanding=run.understanding))
