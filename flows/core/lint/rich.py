"""Rich messages: buttons that somebody can press, addresses that somebody can open."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from flows.core.definition.reading import json_step
from flows.core.sites import all_actions, asked_texts, state_path
from flows.core.types import (
    Button,
    EndConfig,
    Flow,
    IntentConfig,
    Messages,
    Problem,
    ResponseConfig,
    Rich,
    SendMessage,
    Severity,
    SlotFillingConfig,
    State,
    WaitConfig,
)

SCHEMES: Final = frozenset(("http", "https", "mailto", "tel"))
MOST_CHARACTERS: Final = 80  # of a label: longer ones are cut by the channels


def check(flow: Flow) -> Iterator[Problem]:
    for path, rich in all_rich(flow):
        for place, url in addresses(rich, path):
            yield from address_problems(place, url)
        labels = [button.label for _, button in buttons_of(rich, path)]
        for place, button in buttons_of(rich, path):
            if len(button.label) > MOST_CHARACTERS and "{{" not in button.label:
                yield warn(f"{place}.label", "too_long", f"This label has {len(button.label)} characters; channels cut it.", f"{MOST_CHARACTERS}")
            if labels.count(button.label) > 1 and not rich.cards:
                yield warn(f"{place}.label", "duplicate", "Two buttons have this label: who types it gets the first.", "each label once")


def warn(path: str, code: str, message: str, expected: str) -> Problem:
    return Problem(path=path, code=code, message=message, expected=expected, severity=Severity.WARNING)


def address_problems(path: str, url: str) -> Iterator[Problem]:
    """An address that begins with a placeholder is looked at when it is sent."""
    if url.lstrip().startswith("{{"):
        return
    if not is_address(url.partition("{{")[0]):
        yield Problem(path=path, code="bad_url", message="This is no address that a client may open.", expected="https://…, mailto:… or tel:…")


def is_address(url: str) -> bool:
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme.lower() in SCHEMES and bool(parts.netloc or parts.scheme in ("mailto", "tel"))


def addresses(rich: Rich, path: str) -> Iterator[tuple[str, str]]:
    found = [(f"{place}.url", button.url) for place, button in buttons_of(rich, path)]
    for index, card in enumerate(rich.cards):
        found += [(f"{path}.cards[{index}].image", card.image), (f"{path}.cards[{index}].url", card.url)]
    found += [(f"{path}.images[{index}].url", picture.url) for index, picture in enumerate(rich.images)]
    return ((place, url) for place, url in found if url)


def buttons_of(rich: Rich, path: str) -> Iterator[tuple[str, Button]]:
    for index, button in enumerate(rich.buttons):
        yield f"{path}.buttons[{index}]", button
    for index, button in enumerate(rich.quick_replies):
        yield f"{path}.quick_replies[{index}]", button
    for number, card in enumerate(rich.cards):
        for index, button in enumerate(card.buttons):
            yield f"{path}.cards[{number}].buttons[{index}]", button


def all_buttons(flow: Flow) -> Iterator[tuple[str, Button]]:
    for path, rich in all_rich(flow):
        yield from buttons_of(rich, path)


def all_rich(flow: Flow) -> Iterator[tuple[str, Rich]]:
    """(path, message) of every rich message."""
    for path, messages in all_messages(flow):
        alone = set(messages) == {"default"}
        for key, message in messages.items():
            if isinstance(message, Rich):
                yield path if alone else f"{path}{json_step(key)}", message


def all_messages(flow: Flow) -> Iterator[tuple[str, Messages]]:
    for state in flow.states.values():
        yield from state_messages(state, f"{state_path(state.name)}.config")
    for path, _, action in all_actions(flow):
        if isinstance(action, SendMessage):
            yield f"{path}.text", action.text
    for handler in flow.handlers:
        yield f"$.global_handlers{json_step(handler.name)}.response_templates", handler.texts


def state_messages(state: State, path: str) -> Iterator[tuple[str, Messages]]:
    config = state.config
    if isinstance(config, ResponseConfig | EndConfig):
        yield f"{path}.response_templates", config.response_templates
    if isinstance(config, IntentConfig | WaitConfig):
        yield f"{path}.prompt", config.prompt
    if isinstance(config, SlotFillingConfig):
        for field, asked in asked_texts(config):
            for slot, found in asked.items():
                yield f"{path}.{field}{json_step(slot)}", found
