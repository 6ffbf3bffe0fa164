"""Rich messages: filled in for a user, the same in plain words with numbered options, and which option a typed word or number means."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from conversations.core.scope import Words
from conversations.core.types import Reply
from flows.core.types import Button, Card, Json, Picture, Rich

if TYPE_CHECKING:
    from conversations.core.run import Run

SCHEMES: Final = frozenset(("http", "https", "mailto", "tel"))
LONGEST_LABEL: Final = 200
LONGEST_URL: Final = 2_000

Part = dict[str, Json]
Verbal = Callable[[str], Words]


class RichWords:
    """A rich message of a program, its templates at hand."""

    __slots__ = ("constant", "rich", "verbal", "words")

    def __init__(self, rich: Rich, verbal: Verbal) -> None:
        self.rich = rich
        self.verbal = verbal
        self.words = verbal(rich.text)
        self.constant = self.words.constant

    def text(self, run: "Run") -> str:
        return self.words.text(run)

    def parts(self, run: "Run") -> Part:
        """The members of a Reply. A button without a label, and an address that no client may open, are left out."""
        rich = self.rich
        return {
            "text": self.text(run),
            "buttons": self._buttons(run, rich.buttons),
            "quick_replies": self._buttons(run, rich.quick_replies),
            "cards": tuple(card for one in rich.cards if (card := self._card(run, one))),
            "layout": rich.layout.value if rich.cards else "",
            "images": tuple(image for one in rich.images if (image := self._image(run, one))),
        }

    def _fill(self, run: "Run", source: str, longest: int = LONGEST_LABEL) -> str:
        return self.verbal(source).text(run)[:longest] if source else ""

    def _url(self, run: "Run", source: str) -> str:
        url = self._fill(run, source, LONGEST_URL).strip()
        return url if url and is_address(url) else ""

    def _buttons(self, run: "Run", buttons: tuple[Button, ...]) -> tuple[Part, ...]:
        return tuple(button for one in buttons if (button := self._button(run, one)))

    def _button(self, run: "Run", button: Button) -> Part:
        label = self._fill(run, button.label)
        if not label:
            return {}
        if button.url:
            url = self._url(run, button.url)
            return {"label": label, "url": url} if url else {}
        if button.intent or button.slots:
            wanted = {"intent": button.intent} if button.intent else {}
            slots = {"slots": dict(button.slots)} if button.slots else {}
            return {"label": label, "postback": {**wanted, **slots, "token": run.token()}}
        return {"label": label, "say": self._fill(run, button.text, 500) or label}

    def _card(self, run: "Run", card: Card) -> Part:
        title = self._fill(run, card.title, 500)
        found: Part = {
            "title": title,
            "subtitle": self._fill(run, card.subtitle, 2_000),
            "image": self._url(run, card.image),
            "url": self._url(run, card.url),
            "buttons": list(self._buttons(run, card.buttons)),
        }
        return {name: value for name, value in found.items() if value} if title else {}

    def _image(self, run: "Run", picture: Picture) -> Part:
        url = self._url(run, picture.url)
        alt = self._fill(run, picture.alt, 500)
        return {"url": url, **({"alt": alt} if alt else {})} if url else {}


def is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in SCHEMES and bool(parts.netloc or parts.scheme.lower() in ("mailto", "tel"))


def options(parts: Mapping[str, Any]) -> Iterable[Part]:
    """Every button of a message in the order in which the plain text numbers them; links are no options."""
    for field in ("buttons", "quick_replies"):
        yield from (button for button in parts.get(field) or () if "url" not in button)
    for card in parts.get("cards") or ():
        yield from (button for button in card.get("buttons") or () if "url" not in button)


def has_options(parts: Mapping[str, Any]) -> bool:
    return next(iter(options(parts)), None) is not None


def offered(parts: Mapping[str, Any]) -> list[Part]:
    return list(options(parts))


def with_plain(reply: Reply) -> Reply:
    """The reply with all of it in words: options numbered as typed numbers select them, links and pictures with their addresses."""
    lines = [reply.text] if reply.text else []
    lines += [f"{image['alt']}: {image['url']}" if image.get("alt") else str(image["url"]) for image in reply.images]
    number = 0
    flat: list[Mapping[str, Json]] = [*reply.buttons, *reply.quick_replies]
    for button in flat:
        number, line = _line(button, number)
        lines.append(line)
    for card in reply.cards:
        lines.append(_card_line(card))
        for button in card.get("buttons") or ():
            number, line = _line(button, number)
            lines.append(f"  {line}")
    return Reply(
        text=reply.text,
        type=reply.type,
        state=reply.state,
        delay_ms=reply.delay_ms,
        typing_indicator=reply.typing_indicator,
        buttons=reply.buttons,
        token=reply.token,
        quick_replies=reply.quick_replies,
        cards=reply.cards,
        layout=reply.layout,
        images=reply.images,
        plain="\n".join(lines),
    )


def _line(button: Mapping[str, Json], number: int) -> tuple[int, str]:
    if "url" in button:
        return number, f"{button['label']}: {button['url']}"
    return number + 1, f"{number + 1}. {button['label']}"


def _card_line(card: Mapping[str, Json]) -> str:
    head = " – ".join(str(card[name]) for name in ("title", "subtitle") if card.get(name))
    return f"{head}: {card['url']}" if card.get("url") else head
