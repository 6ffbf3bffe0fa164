"""Slots whose values are products: what people call them becomes the canonical id. The names come with the book, not with the flow."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from flows.core.types import Json, SlotRule, SlotType
from mcp_platform.metadata.core import vocabulary as names
from mcp_platform.metadata.core.vocabulary import Mention, Vocabulary

if TYPE_CHECKING:
    from conversations.core.run import Run

SHOWN: Final = 8  # products that are offered as buttons


def with_names(run: "Run", rule: SlotRule) -> SlotRule:
    """The rule of a product slot, with the products that are known in this step."""
    return knowing(rule, run.book.products)


def knowing(rule: SlotRule, known: Vocabulary) -> SlotRule:
    return replace(rule, known=known) if rule.type is SlotType.PRODUCT else rule


def found_in(rule: SlotRule, text: str, *, guess: bool) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """(ids, the words they were read from, ids of which one was meant). The whole text, else every name in it, else (`guess`) a misspelt one."""
    known: Vocabulary = rule.known
    whole = names.named(known, text, rule.categories)
    mentions = (Mention(start=0, words=text, ids=whole),) if whole else names.mentions(known, text, rule.categories)
    if not mentions and guess:
        near = names.near(known, text, rule.categories)
        mentions = (near,) if near is not None else ()
    sure = tuple(dict.fromkeys(one.ids[0] for one in mentions if len(one.ids) == 1))
    if rule.multiple or not sure:
        unsure = next((one for one in mentions if len(one.ids) > 1), None)
        if unsure is not None:
            return (), unsure.words, unsure.ids
    if len(sure) > 1 and not rule.multiple:
        return (), mentions[0].words, sure
    words = mentions[0].words if len(mentions) == 1 else text
    return sure, words, ()


def taken(rule: SlotRule, ids: tuple[str, ...]) -> Json:
    return list(ids) if rule.multiple else ids[0]


def facts(rule: SlotRule, ids: tuple[str, ...]) -> Mapping[str, Json]:
    """Of the question which one is meant."""
    return {"products": ", ".join(names.name_of(rule.known, one) for one in ids[:SHOWN]), "ids": list(ids[:SHOWN])}


def label(known: Vocabulary, value: Any) -> str:
    """What people read."""
    return ", ".join(label(known, one) for one in value) if isinstance(value, list) else names.name_of(known, str(value))


def shown(known: Vocabulary, value: Any) -> Json:
    """What templates and requests see: the whole product, or all of them; {} for one that is gone."""
    return [shown(known, one) for one in value] if isinstance(value, list) else names.shown(known, str(value))


def offered(rule: SlotRule) -> tuple[tuple[str, str], ...]:
    """(name, id) of the products that may be chosen, when they are few enough for buttons."""
    known: Vocabulary = rule.known
    if len(known.products) > 100 * SHOWN:
        return ()
    ids = names.within(known, known.products, rule.categories)
    return tuple(sorted((names.name_of(known, one), one) for one in ids)) if len(ids) <= SHOWN else ()
