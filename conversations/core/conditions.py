"""The eight conditions of a transition: does it hold, and why, in words that the trace shows."""

from collections.abc import Callable, Sequence

from conversations.core.plan import Move, StatePlan
from conversations.core.run import Run
from flows.core.types import Condition, EvaluationFailed, StateType

Verdict = tuple[bool, str]


def choose(run: Run, here: StatePlan, moves: Sequence[Move], *, rival: str = "") -> Move | None:
    """The first transition that holds. `rival` names a handler that comes before a catch-all transition: then there is none.

    Every transition looked at leaves its line in the trace, and so does every one that was not.
    """
    trace = run.trace
    for number, move in enumerate(moves):
        if rival and move.catch_all:
            run.consider(moves[number:], f"not tried: handler {rival} comes first")
            return None
        holds, why = CONDITIONS[move.condition](run, here, move)
        trace.append({**move.label, "taken": holds, "why": why})
        if holds:
            trace.extend([later.late for later in moves[number + 1 :]])
            return move
    return None


def best_intent(run: Run, candidates: frozenset[str]) -> tuple[str, float]:
    """The most certain intent among the candidates (all when there are none)."""
    for pair in run.understanding.intents:
        if not candidates or pair[0] in candidates:
            return pair
    return "", 0.0


def any_input(run: Run, here: StatePlan, move: Move) -> Verdict:
    return True, "any message"


def intent_matches(run: Run, here: StatePlan, move: Move) -> Verdict:
    name, confidence = best_intent(run, here.candidates)
    if not name:
        return False, "no intent was recognised"
    if move.value and name != move.value:
        return False, f"intent {name} ({confidence:.2f}), not {move.value}"
    if confidence < here.threshold:
        return False, f"confidence {confidence:.2f} < {here.threshold}"
    return True, f"intent {name} with confidence {confidence:.2f} >= {here.threshold}"


def low_confidence(run: Run, here: StatePlan, move: Move) -> Verdict:
    """In a slot_filling state this is the way out after `max_retries` refused answers."""
    if here.type is StateType.SLOT_FILLING:
        count, limit = retries_used(run, here), here.config.max_retries
        return count > limit, f"{count} refused answers, {limit} retries allowed"
    name, confidence = best_intent(run, here.candidates)
    if confidence < here.threshold:
        return True, f"confidence {confidence:.2f} < {here.threshold}"
    return False, f"intent {name} has confidence {confidence:.2f} >= {here.threshold}"


def retries_used(run: Run, here: StatePlan) -> int:
    """Refused answers in a row to the slot that is asked for."""
    retries = run.work.retries
    return max((retries.get(name, 0) for name in here.required), default=0) if retries else 0


def slot_is_filled(run: Run, here: StatePlan, move: Move) -> Verdict:
    slots = run.work.slots
    if move.value:
        return (True, f"slots.{move.value} is filled") if move.value in slots else (False, f"slots.{move.value} not filled")
    if run.declined:
        return True, "the user would rather not answer"
    for name in here.required:
        if name not in slots:
            return False, f"slots.{name} not filled"
    return True, "all required slots are filled"


def expression_holds(run: Run, here: StatePlan, move: Move) -> Verdict:
    if move.guard is None:
        return False, "expression not compiled"
    source = move.guard.source.source
    try:
        value = move.guard.value(run)
    except EvaluationFailed as failure:
        return False, f"expression failed: {source} ({failure})"
    return (True, f"expression true: {source}") if value is True else (False, f"expression false: {source}")


def integration_succeeded(run: Run, here: StatePlan, move: Move) -> Verdict:
    outcome = run.outcome
    return (True, f"status {outcome.status_code}") if outcome is not None and outcome.success else (False, f"failed: {run.error['code']}")


def integration_failed(run: Run, here: StatePlan, move: Move) -> Verdict:
    """`condition_value` narrows it to one error code, such as INTEGRATION_TIMEOUT."""
    outcome = run.outcome
    if outcome is None or outcome.success:
        return False, "the call succeeded"
    if move.value and move.value != outcome.code:
        return False, f"failed with {outcome.code}, not {move.value}"
    return True, f"failed: {outcome.code}"


def time_is_up(run: Run, here: StatePlan, move: Move) -> Verdict:
    if here.type is StateType.INTEGRATION:
        late = run.outcome is not None and run.outcome.code == "INTEGRATION_TIMEOUT"
        return late, "the call timed out" if late else "the call did not time out"
    fired = run.heard.get("timer")
    return (True, "its timer fired") if fired == move.index else (False, "its timer has not fired")


CONDITIONS: dict[Condition, Callable[[Run, StatePlan, Move], Verdict]] = {
    Condition.ANY_INPUT: any_input,
    Condition.INTENT_MATCH: intent_matches,
    Condition.LOW_CONFIDENCE: low_confidence,
    Condition.SLOT_FILLED: slot_is_filled,
    Condition.EXPRESSION: expression_holds,
    Condition.INTEGRATION_SUCCESS: integration_succeeded,
    Condition.INTEGRATION_ERROR: integration_failed,
    Condition.TIMEOUT: time_is_up,
}
