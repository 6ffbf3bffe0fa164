"""What each type of state does after its entry actions (BODY), and how it is asked again without running them (ASK)."""

from collections.abc import Callable, Iterable, Mapping

from conversations.core import calls, filling, frames, handover, products, undoing
from conversations.core.conditions import choose
from conversations.core.plan import Move, StatePlan
from conversations.core.run import Fault, Run
from conversations.core.types import Outcome
from conversations.core.values import Unfit, plain
from conversations.core.words import best_text
from flows.core.types import Choice, Csat, EvaluationFailed, Handoff, Json, SlotRule, SlotType, StateType


def take(run: Run, here: StatePlan, move: Move) -> None:
    """Exit actions, transition actions, then the new state (in reverse: the stack's last entry is done next)."""
    ops = run.ops
    if here.csat is not None:
        _rate(run, here.csat)
    if here.undo and (here.type is not StateType.INTEGRATION or (run.outcome is not None and run.outcome.success)):
        undoing.remember(run, -1, here.name, "undo")
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


def _rate(run: Run, csat: Csat) -> None:
    """What the analysis counts: the score, or that the user would not give one. A sensitive comment stays out of it."""
    slots = run.work.slots
    data: dict[str, Json] = {"scale": csat.scale, "slot": csat.score}
    if csat.score in slots:
        data["score"] = slots[csat.score]
    elif run.declined:
        data["declined"] = True
    else:
        return
    if csat.comment in slots and not run.secrets((csat.comment,)):
        data["comment"] = slots[csat.comment]
    run.emit("rated", data)


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


def speak(run: Run, here: StatePlan) -> None:
    """A response state's text."""
    config = here.config
    run.personal = config.personalization
    run.tell(config.response_templates, kind=config.response_type, delay_ms=config.delay_ms, typing=config.typing_indicator)
    run.personal = True


def respond(run: Run, here: StatePlan) -> None:
    if here.generate is not None:
        _generate(run, here)
        return
    speak(run, here)
    _then(run, here)


def _then(run: Run, here: StatePlan) -> None:
    if not onward(run, here):
        rest(run, here)


def _generate(run: Run, here: StatePlan) -> None:
    config = here.generate
    if config is None:
        return
    call = calls.generation(run, config, here.name)
    run.block(call, ["generated", here.name], calls.facts_of(call))


def generated(run: Run, here: StatePlan) -> None:
    """The language model has answered, or has not: then the fallback, or the state's own template."""
    outcome = run.outcome
    text = calls.generated_text(outcome)
    run.note(note="generated", used=bool(text), why="" if text else (outcome.error or outcome.code if outcome is not None else "no outcome"))
    config = here.config
    if text:
        run.say(text, kind=config.response_type, delay_ms=config.delay_ms, typing=config.typing_indicator)
    elif config.generate.fallback:
        run.tell(config.generate.fallback, kind=config.response_type, delay_ms=config.delay_ms, typing=config.typing_indicator)
    else:
        speak(run, here)
    _then(run, here)


def prompt(run: Run, here: StatePlan) -> None:
    """Intent and wait states: their question, if they have one, unless they can go on at once."""
    if not onward(run, here):
        if here.texts:
            run.tell(here.texts)
        if here.handoff is not None:
            _hand_over(run, here.handoff)
            return
        run.trace.extend([move.used if run.consumed else move.idle for move in here.later])


def _hand_over(run: Run, handoff: Handoff) -> None:
    """To a person, because the flow says so. When the bot takes over again it goes on from this state."""
    data = handover.terms(run, handoff.reason or "the flow asks for a person")
    run.emit("handed_over", {**data, **({"queue": handoff.queue} if handoff.queue else {})})
    run.left = True
    run.ops.clear()


def fill(run: Run, here: StatePlan) -> None:
    """Slot filling: ask for the first open slot; when none is open some transition must lead on."""
    if here.again:
        filling.clear(run, here.again)
    if here.prefill:
        filling.prefill(run, here)
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
        said=said or run.sentence("timeout" if late else "unavailable"),
    )


def end(run: Run, here: StatePlan) -> None:
    """Back to the calling flow with the outputs, or the end of the conversation."""
    config = here.config
    if config.response_templates:
        run.tell(config.response_templates)
    if len(run.work.frames) > 1 and not config.whole:
        frames.pop(run, {"completion": config.completion_type, **_outputs(run, config.outputs)})
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
    texts = (config.retry_prompts.get(slot) if again else None) or config.prompts.get(slot) or {}
    rule = run.plan.program.flow.slots.get(slot)
    offered = buttons(run, here, rule) if rule is not None else ()
    if texts:
        run.tell(texts, otherwise=run.sentence("ask_slot", slot=slot.replace("_", " ")), buttons=offered)
    else:
        run.say(run.sentence("ask_slot", slot=slot.replace("_", " ")), buttons=offered)
    if offered and rule is not None and rule.type is not SlotType.ENUM:
        run.offers += offered


def buttons(run: Run, here: StatePlan, rule: SlotRule) -> tuple[Mapping[str, Json], ...]:
    """What can be pressed instead of typed: the choices, yes and no, the points of a rating."""
    if rule.type is SlotType.ENUM:
        found = filling.with_choices(run, rule)
        return tuple(_button(run, rule, label(run, choice), choice.value) for choice in found.choices)
    if rule.type is SlotType.PRODUCT:
        return tuple(_button(run, rule, name, one) for name, one in products.offered(products.with_names(run, rule)))
    if rule.type is SlotType.BOOLEAN:
        return tuple(_button(run, rule, run.sentence(word), value) for word, value in (("yes", True), ("no", False)))
    if here.csat is not None and rule.name == here.csat.score:
        return tuple(_button(run, rule, str(score), score) for score in range(1, here.csat.scale + 1))
    return ()


def _button(run: Run, rule: SlotRule, text: str, value: Json) -> Mapping[str, Json]:
    return {"label": text, "postback": {"slots": {rule.name: value}, "token": run.token()}}


def product_buttons(run: Run, rule: SlotRule, ids: Iterable[str]) -> tuple[Mapping[str, Json], ...]:
    """Which of these was meant."""
    return tuple(_button(run, rule, products.label(run.book.products, one), [one] if rule.multiple else one) for one in ids)


def yes_and_no(run: Run) -> tuple[Mapping[str, Json], ...]:
    """For a question of the engine's own: pressing says the word."""
    return tuple({"label": run.sentence(word), "say": run.sentence(word)} for word in ("yes", "no"))


def label(run: Run, choice: Choice) -> str:
    if not choice.labels:
        return choice.value
    return best_text(choice.labels, run.work.locale, run.work.channel, run.plan.program.flow.default_locale) or choice.value


def shown(run: Run, rule: SlotRule, value: Json) -> str:
    """A value as people read it."""
    if isinstance(value, list):
        return ", ".join(shown(run, rule, one) for one in value)
    if isinstance(value, bool):
        return run.sentence("yes" if value else "no")
    if isinstance(value, dict):
        return " – ".join(str(value[name]) for name in ("name", "start", "end") if value.get(name))
    if rule.type is SlotType.PRODUCT:
        return products.label(run.book.products, value)
    found = next((label(run, choice) for choice in rule.choices if choice.value == value), "")
    return found or (f"{value:g}" if isinstance(value, float) else str(value))


def ask(run: Run) -> None:
    """The current state's question once more; first see whether the interruption has made it go on. Entry actions are not run again."""
    here = run.here()
    if here.type in (StateType.INTEGRATION, StateType.END, StateType.CONDITION) or here.generate is not None:
        BODY[here.type](run, here)
    elif here.handoff is not None and _resumed(run, here):
        return
    elif not onward(run, here):
        repeat(run, here)


def _resumed(run: Run, here: StatePlan) -> bool:
    """A state that hands over is done when the person gives the conversation back."""
    move = choose(run, here, here.message)
    if move is not None:
        take(run, here, move)
    return move is not None


def repeat(run: Run, here: StatePlan) -> None:
    slot = open_slot(run, here)
    if slot:
        ask_for(run, here, slot)
    elif here.type is StateType.RESPONSE:
        speak(run, here)
    elif here.texts:
        run.tell(here.texts)


def advance(run: Run, here: StatePlan) -> None:
    """Slots were filled: a transition leads on, or the next open slot is asked for."""
    run.consumed = True
    move = choose(run, here, here.filled)
    if move is not None:
        take(run, here, move)
        return
    slot = open_slot(run, here)
    if slot:
        ask_for(run, here, slot)
    elif here.type is StateType.SLOT_FILLING:
        rest(run, here)
    else:
        run.ops.append(["ask"])


def leave(run: Run, depth: int) -> None:
    """The flows above the lowest `depth` ones were cancelled, and what they did has been taken back."""
    if depth == 0:
        finish(run, "cancelled")
        return
    frames.unwind(run, depth + 1)
    frames.pop(run, {"completion": "cancelled"})
