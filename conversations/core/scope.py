"""What an expression or a template sees: each name it reads, looked up when it is evaluated, and nothing else.

A name without a value (an unfilled slot) is left out, which makes an expression fail and a placeholder render empty.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from conversations.core import products
from conversations.core.words import best_text
from flows.core.types import EvaluationFailed, Expression, Flow, SlotRule, SlotType, Template

if TYPE_CHECKING:
    from conversations.core.run import Run

MISSING: Any = object()

Reader = Callable[["Run", str], Any]
Readers = tuple[tuple[str, Reader, str], ...]  # (full name, how to read it, the part after the dot)


def _slot(run: "Run", name: str) -> Any:
    if type(run.level) is dict:  # taking back what was done: with the values of that time
        return run.level["seen"].get(f"slots.{name}", MISSING)
    return run.work.slots.get(name, MISSING)


def _filled(run: "Run", name: str) -> Any:
    return _slot(run, name) is not MISSING


def _label(run: "Run", name: str) -> Any:
    """What people read for an enum's value, in this user's language; the value itself where there is no label."""
    value = _slot(run, name)
    if value is MISSING:
        return MISSING
    flow = run.plan_at(run.level).program.flow
    rule = flow.slots.get(name)
    if rule is not None and rule.type is SlotType.PRODUCT:
        return products.label(run.book.products, value)
    if isinstance(value, list):
        return ", ".join(_label_of(run, flow, rule, one) for one in value)
    return _label_of(run, flow, rule, value)


def _label_of(run: "Run", flow: Flow, rule: SlotRule | None, value: Any) -> str:
    labels = next((choice.labels for choice in rule.choices if choice.value == value), {}) if rule else {}
    return best_text(labels, run.work.locale, run.work.channel, flow.default_locale) or str(value)


def _product(run: "Run", name: str) -> Any:
    """The product in a slot: its names, categories, and its values in the columns of the customer's database."""
    value = _slot(run, name)
    return MISSING if value is MISSING else products.shown(run.book.products, value)


def _columns(run: "Run", name: str) -> Any:
    """The tenant's column mappings: term to SQL."""
    return run.book.products.columns


def _variable(run: "Run", name: str) -> Any:
    level = run.level
    if type(level) is int:
        return run.work.frames[level].variables.get(name, MISSING)
    return level["seen"].get(f"variables.{name}", MISSING) if type(level) is dict else MISSING


def _result(run: "Run", name: str) -> Any:
    if type(run.level) is dict and (kept := run.level["seen"].get(f"results.{name}")) is not None:
        return kept
    return run.work.results.get(name, MISSING)


def _facts(run: "Run", name: str) -> Any:
    return run.facts


def _message(run: "Run", name: str) -> Any:
    return run.heard.get(name, MISSING)


def _conversation(run: "Run", name: str) -> Any:
    if name == "id":
        return run.conversation_id
    return getattr(run.work, name, MISSING) if name in ("locale", "channel") else MISSING


def _profile(run: "Run", name: str) -> Any:
    if not run.personal:
        return MISSING if name else {}
    return run.work.profile.get(name, MISSING) if name else run.work.profile


def _user(run: "Run", name: str) -> Any:
    return run.work.profile.get(name, "") if name else run.work.profile


def _error(run: "Run", name: str) -> Any:
    return run.error.get(name, "") if name else run.error


def _now(run: "Run", name: str) -> Any:
    return run.now


def _extra(run: "Run", name: str) -> Any:
    return run.extra


def _all_results(run: "Run", name: str) -> Any:
    return _result(run, name) if name else run.work.results


READERS: Mapping[str, Reader] = {
    "slots": _slot,
    "filled": _filled,
    "labels": _label,
    "products": _product,
    "columns": _columns,
    "variables": _variable,
    "results": _all_results,
    "message": _message,
    "conversation": _conversation,
    "profile": _profile,
    "user": _user,
    "error": _error,
    "now": _now,
    "response": _extra,
    "value": _extra,
    "facts": _facts,
}


def readers_of(names: Iterable[str]) -> Readers:
    """Names nobody can read are left out."""
    split = ((name, *name.partition(".")[::2]) for name in sorted(names))
    return tuple((name, READERS[root], rest) for name, root, rest in split if root in READERS)


class Bound:
    """An expression or template and how to read what it needs."""

    __slots__ = ("readers", "reads_message", "source")

    def __init__(self, source: Expression | Template) -> None:
        self.source: Any = source
        self.readers = readers_of(source.reads)
        self.reads_message = any(name.startswith("message.") for name in source.reads)

    def scope(self, run: "Run") -> dict[str, Any]:
        scope = {}
        for name, read, key in self.readers:
            value = read(run, key)
            if value is not MISSING:
                scope[name] = value
        return scope


class Guard(Bound):
    """A bound expression."""

    __slots__ = ("evaluate",)

    def __init__(self, source: Expression) -> None:
        super().__init__(source)
        self.evaluate = source.evaluate

    def value(self, run: "Run") -> Any:
        """Raises EvaluationFailed; says so in words when a name it needs has no value."""
        scope = self.scope(run)
        if len(scope) < len(self.readers):
            missing = [name for name, _, _ in self.readers if name not in scope]
            return self._without(scope, missing)
        return self.evaluate(scope)

    def _without(self, scope: Mapping[str, Any], missing: list[str]) -> Any:
        """It may still have a value: `filled.a && slots.a > 3` does not look at slots.a when a is not filled."""
        try:
            return self.evaluate(scope)
        except EvaluationFailed:
            raise EvaluationFailed(f"{missing[0]} has no value") from None


class Words(Bound):
    """A bound template."""

    __slots__ = ("constant", "render")

    def __init__(self, source: Template) -> None:
        super().__init__(source)
        self.readers = readers_of({*source.reads, "conversation.locale"})  # filters write numbers and dates the user's way
        self.render = source.render
        self.constant: str | None = None if "{{" in source.source else source.render({})

    def text(self, run: "Run") -> str:
        """Never raises: a placeholder without a value is empty."""
        return self.constant if self.constant is not None else self.render(self.scope(run))


class Verbatim:
    """A text that is no template (a choice's label, a text that was not compiled): said as it is written."""

    reads: frozenset[str] = frozenset()

    def __init__(self, source: str) -> None:
        self.source = source

    def render(self, scope: Mapping[str, Any]) -> str:
        return self.source
