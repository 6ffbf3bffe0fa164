"""Integration calls: what is asked for, and what comes of the answer. The shell makes the call itself, between two steps."""

from collections.abc import Mapping

from conversations.core.run import Run
from conversations.core.types import Call, Outcome
from conversations.core.values import LONGEST_TEXT, Unfit, plain, typed
from conversations.core.words import best_text, clean
from flows.core.types import EvaluationFailed, Generate, IntegrationConfig, Json


def call_for(run: Run, config: IntegrationConfig, place: str) -> Call | str:
    """The call, or why it cannot be made: a value of its request could not be worked out."""
    request: dict[str, Json] = {}
    for name, source in config.request_mapping.items():
        guard = run.plan_at(run.level).guard(source)
        if guard is None:
            return f"request_mapping.{name} was not compiled"
        try:
            request[name] = plain(guard.value(run))
        except (EvaluationFailed, Unfit) as failure:
            return f"request_mapping.{name}: {failure}"
    number = run.work.effects + 1
    return Call(
        effect_id=f"e{number}",
        step_key=f"{number}:{place}",
        integration_id=config.integration_id,
        endpoint=_endpoint(run, config.endpoint),
        method=config.method,
        request=request,
        timeout_ms=config.timeout_ms,
        retry=config.retry_config,
    )


def generation(run: Run, config: Generate, place: str) -> Call:
    """A text from the language model: `request` is {prompt, locale, channel, context}; a context value that fails is left out."""
    context: dict[str, Json] = {}
    for name, source in config.context.items():
        guard = run.plan.guard(source)
        try:
            if guard is not None:
                context[name] = plain(guard.value(run))
        except (EvaluationFailed, Unfit) as failure:
            run.note(note="generate_context", name=name, why=str(failure))
    prompt = run.plan.words(config.prompt)
    request = {"prompt": prompt.text(run) if prompt is not None else config.prompt, "locale": run.work.locale, "channel": run.work.channel}
    number = run.work.effects + 1
    return Call(
        effect_id=f"e{number}",
        step_key=f"{number}:{place}",
        integration_id="",
        endpoint="",
        method="POST",
        request={**request, "context": context},
        timeout_ms=config.timeout_ms,
        retry={"idempotent": True},
        kind="generate",
    )


def generated_text(outcome: Outcome | None) -> str:
    """The text that came back: the data itself, or its `text`; "" when there is none."""
    if outcome is None or not outcome.success:
        return ""
    text = outcome.data.get("text") if isinstance(outcome.data, Mapping) else outcome.data
    return clean(text.strip())[:LONGEST_TEXT] if isinstance(text, str) else ""


def _endpoint(run: Run, source: str) -> str:
    words = run.plan_at(run.level).words(source)
    return words.text(run) if words is not None else source


def facts_of(call: Call) -> dict[str, Json]:
    """What the log keeps of a call: never the request, which may hold what the user would not like to see there."""
    facts: dict[str, Json] = {"integration_id": call.integration_id, "step_key": call.step_key, "method": call.method}
    return facts if call.kind == "integration" else {**facts, "kind": call.kind}


def settle(run: Run, config: IntegrationConfig, outcome: Outcome) -> None:
    """Take an outcome in: variables from `response_mapping`, or `error.code` for the expressions that follow."""
    run.outcome = outcome
    if not outcome.success:
        run.error = {"code": outcome.code or "INTEGRATION_ERROR", "message": outcome.error}
        return
    run.error = {"code": ""}
    if config.response_mapping:
        _map_response(run, config.response_mapping, outcome.data)


def _map_response(run: Run, mapping: Mapping[str, str], response: Json) -> None:
    """A value that cannot be taken from the response leaves its variable as it is; the trace says why."""
    plan = run.plan_at(run.level)
    declared = plan.program.flow.variables
    values: dict[str, Json] = {}
    run.extra = response
    for name, source in mapping.items():
        guard = plan.guard(source)
        try:
            if guard is not None:
                values[name] = typed(guard.value(run), declared.get(name))
        except (EvaluationFailed, Unfit) as failure:
            run.note(note="response_mapping", variable=name, why=str(failure))
    run.extra = None
    if values:
        set_variables(run, values)


def set_variables(run: Run, values: Mapping[str, Json], cleared: tuple[str, ...] = ()) -> None:
    """Into the frame that is being worked for."""
    data: dict[str, Json] = {"set": dict(values)}
    if cleared:
        data["cleared"] = list(cleared)
    level = run.level if isinstance(run.level, int) else -1
    if level != -1:
        data["level"] = level
    now = run.work.frames[level].variables
    if cleared or any(name not in now or now[name] != value for name, value in values.items()):
        run.changed()
    run.emit("variables_set", data)


def failure_text(run: Run, config: IntegrationConfig) -> str:
    """`error_handling.message`, a text or texts by locale: what the user is told when no transition takes the error."""
    message = config.error_handling.get("message")
    if isinstance(message, str):
        return message
    if isinstance(message, Mapping):
        texts = {str(key): text for key, text in message.items() if isinstance(text, str)}
        return best_text(texts, run.work.locale, run.work.channel, run.plan.program.flow.default_locale)
    return ""
