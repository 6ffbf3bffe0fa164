"""What each type of state does after its entry actions (BODY), and how it is asked again without running them (ASK)."""

from collections.abc import Callable, Mapping

from conversations.core import calls, frames
from conversations.core.conditions import choose
from conversations.core.plan import Move, StatePlan
from conversations.core.run import Fault, Run
from conversations.core.types import Outcome
from conversations.core.values import Unfit, plain
from conversations.core.words import sentence
from flows.core.types import Choice, EvaluationFailed, Json, SlotRule, SlotType, StateType


def take(run: Run, here: StatePlan, move: Move) -> None:
    """Exit actions, transition actions, then the new state (in reverse: the stack's last entry is done next)."""
    ops = run.ops
    ops.append(["enter", move.target, move.index])
    if move.actions:
        ops.append(["acts", -1, here.name, f"t{move.index}", 0])
    if here.exits:
        ops.append(["acts", -1, here.name, "exit", 0])


def enter(run: Run, state: str, index: int | None, *, moved: bool = True) -> None:
    """One microstep. Raises Fault when the bounds are reached or the same state comes round with nothing changed."""
    run.steps += 1
    if run.steps > run.limit:
        raise Fault("STATE_EXECUTION_ERROR", f"more than {run.limit} states in one turn without waiting")
    here = run.at(state)
    frame = run.work.frames[-1]
    key = (len(run.work.frames), frame.program, state, run.version)
    if key in run.seen:
        raise Fault("STATE_EXECUTION_ERROR", f"state {state!r} came round again with nothing changed: a loop")
    run.seen.add(key)
    if moved:
        data: dict[str, Json] = {"from": frame.state, "to": state, "transition": index}
        if run.missed:
            data["fallback"] = True
        run.emit("moved", data)
    run.left = True
    run.visits.append(state)
    if here.start:
        run.ops.append(["body", state])
        run.ops.append(["acts", -1, state, "entry", 0])
    else:
        BODY[here.type](run, here)


def onward(run: Run, here: StatePlan) -> bool:
    """Take the first transition that holds on entry; True when there was one."""
    if here.entry:
        move = choose(run, here, here.entry)
        if move is not None:
            take(run, here, move)
            return True
    return False


def rest(run: Run, here: StatePlan) -> None:
    """Stay and wait. Raises Fault when nothing could ever wake this state."""
    if not here.wakes:
        raise Fault("TRANSITION_ERROR", f"no transition of state {here.name!r} holds, and it waits for nothing")
    run.trace.extend([move.used if run.consumed else move.idle for move in here.later])


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def speak(run: Run, here: StatePlan) -> None:
    """A response state's text."""
    config = here.config
    run.personal = config.personalization
    text = run.words(config.response_templates)
    run.personal = True
    run.say(text, kind=config.response_type, delay_ms=config.delay_ms, typing=config.typing_indicator)


def respond(run: Run, here: StatePlan) -> None:
    speak(run, here)
    if not onward(run, here):
        rest(run, here)


def prompt(run: Run, here: StatePlan) -> None:
    """Intent and wait states: their question, if they have one, unless they can go on at once."""
    if not onward(run, here):
        if here.texts:
            run.say(run.words(here.texts))
        run.trace.extend([move.used if run.consumed else move.idle for move in here.later])


def fill(run: Run, here: StatePlan) -> None:
    """Slot filling: ask for the first open slot; when none is open some transition must lead on."""
    if onward(run, here):
        return
    slot = open_slot(run, here)
    if slot:
        ask_for(run, here, slot)
    else:
        rest(run, here)


def decide(run: Run, here: StatePlan) -> None:
    if not onward(run, here):
        raise Fault("TRANSITION_ERROR", f"no transition of condition state {here.name!r} holds")


def integrate(run: Run, here: StatePlan) -> None:
    call = calls.call_for(run, here.config, here.name)
    if isinstance(call, str):
        run.outcome = Outcome(success=False, code="INTEGRATION_ERROR", error=call)
        result(run, here)
    else:
        run.block(call, ["result", here.name], calls.facts_of(call))


def result(run: Run, here: StatePlan) -> None:
    """The call came back (or could not be made): the integration transitions, else what `error_handling` says."""
    outcome = run.outcome
    if outcome is None:
        raise Fault("STATE_EXECUTION_ERROR", "an effect came back without an outcome")
    calls.settle(run, here.config, outcome)
    move = choose(run, here, here.result)
    if move is not None:
        take(run, here, move)
    elif outcome.success:
        raise Fault("TRANSITION_ERROR", f"no transition of integration state {here.name!r} takes a success")
    else:
        _unhandled(run, here, outcome)


def _unhandled(run: Run, here: StatePlan, outcome: Outcome) -> None:
    target = here.config.error_handling.get("goto")
    said = calls.failure_text(run, here.config)
    if isinstance(target, str) and target in run.plan.states:
        run.say(said)
        run.ops.append(["enter", target, None])
        return
    late = outcome.code == "INTEGRATION_TIMEOUT"
    raise Fault(
        "INTEGRATION_TIMEOUT" if late else "INTEGRATION_ERROR",
        f"{here.config.integration_id}: {outcome.error or outcome.code}",
        said=said or sentence("timeout" if late else "unavailable", run.work.locale),
    )


def end(run: Run, here: StatePlan) -> None:
    """Back to the calling flow with the outputs, or the end of the conversation."""
    config = here.config
    run.say(run.words(config.response_templates))
    if len(run.work.frames) > 1:
        frames.pop(run, _outputs(run, config.outputs))
    else:
        finish(run, config.completion_type)


def finish(run: Run, completion: str) -> None:
    run.emit("ended", {"completion": completion})
    run.completed = completion
    run.left = True
    run.ops.clear()


def _outputs(run: Run, sources: Mapping[str, str]) -> dict[str, Json]:
    """An output that cannot be worked out is left out."""
    outputs: dict[str, Json] = {}
    for name, source in sources.items():
        guard = run.plan.guard(source)
        try:
            if guard is not None:
                outputs[name] = plain(guard.value(run))
        except (EvaluationFailed, Unfit) as failure:
            run.note(note="output_failed", output=name, why=str(failure))
    return outputs


BODY: dict[StateType, Callable[[Run, StatePlan], None]] = {
    StateType.RESPONSE: respond,
    StateType.INTENT: prompt,
    StateType.SLOT_FILLING: fill,
    StateType.INTEGRATION: integrate,
    StateType.CONDITION: decide,
    StateType.WAIT: prompt,
    StateType.END: end,
}


# ── asking for a slot ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def open_slot(run: Run, here: StatePlan) -> str:
    """The slot that is being asked for: the first required one without a value; "" when all have one."""
    slots = run.work.slots
    for name in here.required:
        if name not in slots:
            return name
    return ""


def ask_for(run: Run, here: StatePlan, slot: str, *, again: bool = False) -> None:
    """The slot's prompt, or its retry prompt, with its choices as buttons."""
    config = here.config
    texts = (config.retry_prompts.get(slot) if again else None) or config.prompts.get(slot)
    text = run.words(texts) if texts else ""
    rule = run.plan.program.flow.slots.get(slot)
    run.say(text or sentence("ask_slot", run.work.locale, slot=slot.replace("_", " ")), buttons=buttons(run, rule) if rule is not None else ())


def buttons(run: Run, rule: SlotRule) -> tuple[Mapping[str, Json], ...]:
    if rule.type is not SlotType.ENUM:
        return ()
    return tuple({"label": label(run, choice), "postback": {"slots": {rule.name: choice.value}, "token": run.token()}} for choice in rule.choices)


def label(run: Run, choice: Choice) -> str:
    return run.words(choice.labels) or choice.value


# ── asking again ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def ask(run: Run) -> None:
    """The current state's question once more; first see whether the interruption has made it go on. Entry actions are not run again."""
    here = run.here()
    if here.type in (StateType.INTEGRATION, StateType.END, StateType.CONDITION):
        BODY[here.type](run, here)
    elif not onward(run, here):
        repeat(run, here)


def repeat(run: Run, here: StatePlan) -> None:
    slot = open_slot(run, here)
    if slot:
        ask_for(run, here, slot)
    elif here.type is StateType.RESPONSE:
        speak(run, here)
    elif here.texts:
        run.say(run.words(here.texts))
