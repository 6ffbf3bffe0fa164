"""What belongs to a tenant and to no flow: handlers that work everywhere, the intents they listen to, and its own words for the engine's sentences.

The document has the members `global_handlers`, `intents` and `metadata` of a flow's. Its actions have no variables and no states to go to.
"""

from typing import Final

from flows.core.definition import default_locale, own_texts
from flows.core.definition.actions import UNDO
from flows.core.definition.reading import JSON_OBJECT, At, Field, Kind, map_of, record, written, wrong
from flows.core.definition.states import HANDLER, read_handler_of, write_handler
from flows.core.definition.vocabulary import INTENTS
from flows.core.types import Flow, Handler, HandlerMode, Json, Problem

NAME: Final = "tenant"
FIELDS: Final = {**HANDLER, "actions": Field(UNDO, (), terse=True)}


def read_own_handler(at: At) -> Handler:
    handler = read_handler_of(at, FIELDS)
    if handler.mode is HandlerMode.GOTO:
        at.key("mode").refuse("unknown_mode", "There are no states here to go to.", "inline, push, replace")
    return handler


MEMBERS: Final = {
    "global_handlers": Field(map_of(Kind(read_own_handler, None, write_handler), 200), {}),
    "intents": Field(INTENTS, {}, terse=True),
    "metadata": Field(JSON_OBJECT, {}, terse=True),
}


def parse(document: Json) -> tuple[Flow | None, list[Problem]]:
    """A flow without states, or every fault of shape. Takes any JSON value and never raises."""
    problems: list[Problem] = []
    at = At(document, problems)
    if not isinstance(document, dict):
        return wrong(at, "an object with global_handlers, intents and metadata", None), problems
    values = record(at, MEMBERS)
    handlers = sorted((one for one in values["global_handlers"].values() if one is not None), key=lambda one: (one.priority, one.name))
    flow = Flow(
        flow_id=NAME,
        name=NAME,
        version="1",
        initial_state="",
        states={},
        handlers=tuple(handlers),
        intents=values["intents"],
        metadata=values["metadata"],
        default_locale=default_locale(at, values["metadata"]),
        texts=own_texts(at, values["metadata"]),
    )
    return (None if problems else flow), problems


def export(flow: Flow) -> dict[str, Json]:
    """The document: `parse(export(flow))` gives the same again."""
    values = {"global_handlers": {one.name: one for one in flow.handlers}, "intents": flow.intents, "metadata": dict(flow.metadata)}
    return written(values, MEMBERS)
