"""Messages with more than words: buttons, quick replies, cards and pictures, by locale and channel beside plain texts."""

from collections.abc import Mapping
from typing import Any, Final

from flows.core.definition.reading import (
    IDENTIFIED,
    JSON,
    MAX_TEXT,
    NAMED_OR_EMPTY,
    TEXT_KEYED,
    At,
    Field,
    Fields,
    Kind,
    clean,
    list_of,
    map_of,
    one_of,
    record,
    text,
    written,
    wrong,
)
from flows.core.types import Button, Card, Json, Layout, Picture, Rich

MOST_BUTTONS: Final = 20
MOST_CARDS: Final = 10
MOST_CARD_BUTTONS: Final = 6

BUTTON: Final = {
    "label": Field(text(200, empty=False)),
    "intent": Field(NAMED_OR_EMPTY, "", terse=True),
    "slots": Field(map_of(JSON, 20, IDENTIFIED), {}, terse=True),
    "url": Field(text(2_000), "", terse=True),
    "text": Field(text(500), "", terse=True),
}


def read_button(at: At) -> Button:
    """A text alone is a button that says its label."""
    if isinstance(at.value, str):
        return Button(label=str(text(200, empty=False).read(at)))
    values = record(at, BUTTON)
    if sum(bool(one) for one in (values["intent"] or values["slots"], values["url"], values["text"])) > 1:
        at.refuse("conflicting_fields", "A button does one thing.", "a url, or a text, or an intent with or without slots")
    return Button(**values)


def write_button(button: Button) -> Json:
    body = written({name: getattr(button, name) for name in BUTTON}, BUTTON)
    return button.label if set(body) == {"label"} else body


def object_kind(make: type, fields: Fields, blank: Any) -> Kind:
    def read(at: At) -> Any:
        return make(**record(at, fields))

    return Kind(read, blank, lambda value: written({name: getattr(value, name) for name in fields}, fields))


A_BUTTON: Final = Kind(read_button, Button(label=""), write_button)
PICTURE: Final = {"url": Field(text(2_000, empty=False)), "alt": Field(text(500), "", terse=True)}
CARD: Final = {
    "title": Field(text(500, empty=False)),
    "subtitle": Field(text(2_000), "", terse=True),
    "image": Field(text(2_000), "", terse=True),
    "url": Field(text(2_000), "", terse=True),
    "buttons": Field(list_of(A_BUTTON, MOST_CARD_BUTTONS), (), terse=True),
}
RICH: Final = {
    "text": Field(text(), "", terse=True),
    "buttons": Field(list_of(A_BUTTON, MOST_BUTTONS), (), terse=True),
    "quick_replies": Field(list_of(A_BUTTON, MOST_BUTTONS), (), terse=True),
    "cards": Field(list_of(object_kind(Card, CARD, Card(title="")), MOST_CARDS), (), terse=True),
    "layout": Field(one_of(Layout), Layout.CAROUSEL, terse=True),
    "images": Field(list_of(object_kind(Picture, PICTURE, Picture(url="")), MOST_CARDS), (), terse=True),
}
PARTS: Final = ("buttons", "quick_replies", "cards", "images")


def is_rich(value: Json) -> bool:
    """An object of texts by locale has no lists in it."""
    return isinstance(value, dict) and any(isinstance(value.get(name), list) for name in PARTS)


def read_rich(at: At) -> Rich:
    found = Rich(**record(at, RICH))
    if not any(getattr(found, name) for name in PARTS):
        at.refuse("empty", "This rich message has nothing but its text.", "a text alone, or buttons, quick_replies, cards or images")
    return found


def write_rich(rich: Rich) -> dict[str, Json]:
    body = written({name: getattr(rich, name) for name in RICH}, RICH)
    return body if any(name in body for name in PARTS) else {**body, "buttons": []}


def read_message(at: At) -> str | Rich:
    if isinstance(at.value, str):
        return clean(at, at.value, MAX_TEXT)
    return read_rich(at) if is_rich(at.value) else wrong(at, "a text, or a rich message with buttons, quick_replies, cards or images", "")


def write_message(message: str | Rich) -> Json:
    return message if isinstance(message, str) else write_rich(message)


def messages(*, bare: bool = True) -> Kind:
    """As `texts`, where every text may be a rich message."""
    table = map_of(Kind(read_message, "", write_message), 50, TEXT_KEYED)

    def read(at: At) -> Mapping[str, str | Rich]:
        if isinstance(at.value, str) or is_rich(at.value):
            return {"default": read_message(at)}
        return table.read(at) if isinstance(at.value, dict) else wrong(at, "a message, or an object of messages by locale or channel", {})

    def write(value: Mapping[str, str | Rich]) -> Json:
        alone = set(value) == {"default"} and (bare or isinstance(value["default"], Rich))
        return write_message(value["default"]) if alone else table.write(value)

    return Kind(read, {}, write)
