"""On which terms a conversation is handed over: what `metadata.handoff` of the state, else of the flow, says about the queue."""

from collections.abc import Callable, Mapping

from conversations.core.run import NO_PLAN, Run
from conversations.core.words import best_text, clean, sentence
from flows.core.types import Json

LONGEST_NAME = 63
LONGEST_WAIT_SECONDS = 7 * 24 * 3600


def terms(run: Run, reason: str) -> dict[str, Json]:
    """The data of a `handed_over` event; members that make no sense are left out."""
    found: dict[str, Json] = {"reason": reason}
    for name, value in wanted(run).items():
        reader = _TERMS.get(name)
        read = reader(value) if reader is not None else None
        if read is not None:
            found[name] = read
    return found


def wanted(run: Run) -> Mapping[str, Json]:
    if run.plan is NO_PLAN or not run.work.frames:
        return {}
    found: dict[str, Json] = {}
    here = run.plan.states.get(run.work.frames[-1].state)
    for metadata in (run.plan.program.flow.metadata, here.state.metadata if here is not None else {}):
        said = metadata.get("handoff")
        if isinstance(said, Mapping):
            found.update(said)
    return found


def _name(value: Json) -> str | None:
    return clean(value.strip())[:LONGEST_NAME] if isinstance(value, str) and value.strip() else None


def _names(value: Json) -> list[str] | None:
    return [name for one in value[:20] if (name := _name(one))] if isinstance(value, list | tuple) else None


def _priority(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1000 else None


def _seconds(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LONGEST_WAIT_SECONDS else None


_TERMS: Mapping[str, Callable[[Json], Json]] = {
    "queue": _name,
    "skills": _names,
    "priority": _priority,
    "timeout_seconds": _seconds,  # 0: it waits for ever
    "sla_seconds": _seconds,
}


def nobody(run: Run) -> str:
    """`metadata.handoff.timeout_text`, a text or texts by locale, said as it is written; else the engine's own words."""
    own = wanted(run).get("timeout_text")
    work = run.work
    if isinstance(own, str) and own:
        return own
    if isinstance(own, Mapping):
        texts = {key: text for key, text in own.items() if isinstance(text, str)}
        return best_text(texts, work.locale, work.channel, run.plan.program.flow.default_locale) or sentence("nobody_free", work.locale)
    return sentence("nobody_free", work.locale)
