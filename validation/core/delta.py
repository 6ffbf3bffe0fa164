"""What a live change does to a building: operations read from JSON, applied to elements, and the conflicts between writers.

The server's order decides: the last writer of a field wins, field by field, and is told whose value it has replaced.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, Final, TypeAlias

from validation.core.building import MAP_FIELDS, PLAIN_FIELDS, Element, Value

Fault: TypeAlias = dict[str, Any]  # path (a JSONPath), code, message, expected
LONGEST_ID: Final = 40
LONGEST_NAME: Final = 255
LONGEST_KEY: Final = 200
LONGEST_TEXT: Final = 4000
MOST_POINTS: Final = 500
MOST_FIELDS: Final = 500
WHOLE: Final = "*"  # the field name of a conflict about the element itself
_MISSING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """Create the element or change the named fields of it. `ifc_class` is "" when the client does not say it again.

    changes: field as the protocol names it ("name", "properties.Pset_DoorCommon.FireRating") -> value. hash: what the client believes the
    element's content hash to be afterwards; "" when it does not say.
    """

    global_id: str
    ifc_class: str
    changes: Mapping[str, Value]
    unset: tuple[str, ...] = ()
    hash: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        return (*self.changes, *self.unset, *(("ifc_class",) if self.ifc_class else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    global_id: str


Op: TypeAlias = Upsert | Delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A state of an element in time. `author` is the client whose change made it; `element` None while it is deleted."""

    seq: int
    author: str
    element: Element | None


# Whose batches are our own: an uploaded file's, stated facts', functions of spaces. No client may come under these names.
RESERVED_CLIENTS: Final = frozenset({"revision", "people", "functions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Somebody else wrote this field after the client's base: `base` is what the client had read, `theirs` what it has now replaced."""

    global_id: str
    field: str
    base: Value
    theirs: Value


def read(given: Any, *, most: int, path: str = "$.ops") -> tuple[tuple[Op, ...], list[Fault]]:
    """The operations of one batch and what is wrong with them, every fault with its path. With faults the operations are not complete."""
    faults: list[Fault] = []
    if not isinstance(given, list) or not given:
        return (), [fault(path, "is no list of operations", f"1 to {most} operations")]
    if len(given) > most:
        return (), [fault(path, f"has {len(given)} operations", f"at most {most}; send more batches", code="too_many")]
    found = [_op(one, f"{path}[{index}]", faults) for index, one in enumerate(given)]
    return tuple(one for one in found if one is not None), faults


def fault(path: str, message: str, expected: str, code: str = "invalid") -> Fault:
    return {"path": path, "code": code, "message": message, "expected": expected}


def _op(given: Any, path: str, faults: list[Fault]) -> Op | None:
    kind = given.get("op") if isinstance(given, dict) else None
    reader = _OPS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        faults.append(fault(f"{path}.op" if isinstance(given, dict) else path, "is no operation", "op: " + ", ".join(_OPS)))
        return None
    before = len(faults)
    _text(given.get("global_id"), f"{path}.global_id", faults, longest=LONGEST_ID, empty=False)
    made = reader(given, path, faults)
    return made if len(faults) == before else None


def _read_delete(given: Mapping[str, Any], path: str, faults: list[Fault]) -> Delete:
    _known(given, ("op", "global_id"), path, faults)
    return Delete(global_id=str(given.get("global_id")))


def _read_upsert(given: Mapping[str, Any], path: str, faults: list[Fault]) -> Upsert:
    _known(given, ("op", "global_id", "ifc_class", "set", "unset", "hash"), path, faults)
    changes, unset = given.get("set", {}), given.get("unset", [])
    _text(given.get("ifc_class", ""), f"{path}.ifc_class", faults, longest=63)
    _text(given.get("hash", ""), f"{path}.hash", faults, longest=64)
    if not isinstance(changes, dict) or len(changes) > MOST_FIELDS:
        faults.append(fault(f"{path}.set", "is no map of fields", f"an object of at most {MOST_FIELDS} fields"))
        changes = {}
    if not isinstance(unset, list) or len(unset) > MOST_FIELDS:
        faults.append(fault(f"{path}.unset", "is no list of fields", f"an array of at most {MOST_FIELDS} field names"))
        unset = []
    for name, value in changes.items():
        if _field(name, f"{path}.set", faults):
            _value(name, value, f"{path}.set[{name!r}]", faults)
    for index, name in enumerate(unset):
        if _field(name, f"{path}.unset[{index}]", faults) and name in changes:
            faults.append(fault(f"{path}.unset[{index}]", "is set by the same operation", "either set or unset"))
    texts = [name for name in unset if isinstance(name, str)]
    return Upsert(
        global_id=str(given.get("global_id")),
        ifc_class=str(given.get("ifc_class", "")),
        changes=changes,
        unset=tuple(texts),
        hash=str(given.get("hash", "")),
    )


_OPS: Final[Mapping[str, Callable[[Mapping[str, Any], str, list[Fault]], Op]]] = {"upsert": _read_upsert, "delete": _read_delete}


def _known(given: Mapping[str, Any], names: Sequence[str], path: str, faults: list[Fault]) -> None:
    faults.extend(fault(f"{path}.{name}", "is not known here", ", ".join(names), code="unknown") for name in given if name not in names)


def _field(name: Any, path: str, faults: list[Fault]) -> bool:
    """Whether it names a field of an element."""
    if isinstance(name, str) and (name in PLAIN_FIELDS or (_map_of(name) and len(name) <= LONGEST_KEY)):
        return True
    expected = ", ".join([*PLAIN_FIELDS, *(f"{group}.<name>" for group in MAP_FIELDS)])
    faults.append(fault(path, f"{name!r} is no field of an element"[:200], expected, code="unknown"))
    return False


def _map_of(name: str) -> tuple[str, str] | None:
    """("properties", "Pset_DoorCommon.FireRating") of such a field; None for a plain one."""
    group, dot, key = name.partition(".")
    return (MAP_FIELDS[group], key) if dot and key and group in MAP_FIELDS else None


def _value(name: str, value: Any, path: str, faults: list[Fault]) -> None:
    _VALUES.get(name, _VALUE_OF_GROUP.get(name.partition(".")[0], _json))(value, path, faults)


def _text(value: Any, path: str, faults: list[Fault], *, longest: int = LONGEST_NAME, empty: bool = True) -> None:
    if not isinstance(value, str) or len(value) > longest or not (value or empty) or "\x00" in value:
        faults.append(fault(path, "is no such text", f"a text of {0 if empty else 1} to {longest} characters"))


def _id(value: Any, path: str, faults: list[Fault]) -> None:
    _text(value, path, faults, longest=LONGEST_ID)


def _short(value: Any, path: str, faults: list[Fault]) -> None:
    _text(value, path, faults, longest=63)


def _ids(value: Any, path: str, faults: list[Fault]) -> None:
    if not isinstance(value, list) or len(value) > MOST_POINTS or not all(isinstance(one, str) and len(one) <= LONGEST_ID for one in value):
        faults.append(fault(path, "is no list of global ids", f"at most {MOST_POINTS} global ids"))


def _box(value: Any, path: str, faults: list[Fault]) -> None:
    if value is not None and not (isinstance(value, list) and len(value) == 6 and all(map(_is_number, value))):
        faults.append(fault(path, "is no box", "[min x, y, z, max x, y, z] in metres, or null"))


def _ring(value: Any, path: str, faults: list[Fault]) -> None:
    points = isinstance(value, list) and 3 <= len(value) <= MOST_POINTS
    if value is not None and not (points and all(isinstance(one, list) and len(one) == 2 and all(map(_is_number, one)) for one in value)):
        faults.append(fault(path, "is no outline", f"3 to {MOST_POINTS} points [x, y] in metres, or null"))


def _number(value: Any, path: str, faults: list[Fault]) -> None:
    if not _is_number(value):
        faults.append(fault(path, "is no number", "a number in SI units"))


def _json(value: Any, path: str, faults: list[Fault]) -> None:
    scalar = isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and len(value) <= LONGEST_TEXT and "\x00" not in value)
    several = isinstance(value, list) and len(value) <= MOST_POINTS and all(isinstance(one, bool | int | float | str) for one in value)
    if not (scalar or several):
        faults.append(fault(path, "is no value of a property", "a boolean, a number, a text, or a list of them"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and abs(value) < 1e15


Check: TypeAlias = Callable[[Any, str, list[Fault]], None]
_VALUES: Final[Mapping[str, Check]] = {
    "predefined_type": _short,
    "name": _text,
    "tag": _text,
    "storey": _id,
    "space": _id,
    "connects": _ids,
    "discipline": _short,
    "box": _box,
    "footprint": _ring,
}
_VALUE_OF_GROUP: Final[Mapping[str, Check]] = {"quantities": _number}


def apply(before: Element | None, op: Op) -> Element | None:
    """The element after the operation; None when it is gone. A new element needs `ifc_class`; the caller has seen to it (`needs_class`)."""
    if isinstance(op, Delete):
        return None
    start = before or Element(global_id=op.global_id, ifc_class=op.ifc_class)
    plain: dict[str, Any] = {name: _frozen(name, value) for name, value in op.changes.items() if name in PLAIN_FIELDS}
    plain |= {name: _DEFAULTS[name] for name in op.unset if name in PLAIN_FIELDS}
    if op.ifc_class:
        plain["ifc_class"] = op.ifc_class
    plain |= _maps_after(start, op)
    return replace(start, **plain)


def _maps_after(start: Element, op: Upsert) -> dict[str, dict[str, Value]]:
    """Those of the three maps that the operation touches, as they are after it."""
    made: dict[str, dict[str, Value]] = {}
    for name in (*op.changes, *op.unset):
        found = _map_of(name)
        if found is None:
            continue
        attribute, key = found
        held = made.setdefault(attribute, dict(getattr(start, attribute)))
        if name in op.changes:
            held[key] = op.changes[name]
        else:
            held.pop(key, None)
    return made


def _frozen(name: str, value: Value) -> Value:
    if name == "footprint" and value is not None:
        return tuple((float(x), float(y)) for x, y in value)
    return tuple(value) if isinstance(value, list) else value


_DEFAULTS: Final[Mapping[str, Value]] = {
    one.name: getattr(Element(global_id="", ifc_class=""), one.name) for one in fields(Element) if one.name in PLAIN_FIELDS
}


def needs_class(before: Element | None, op: Op) -> bool:
    """Whether the operation makes an element without saying of which class."""
    return before is None and isinstance(op, Upsert) and not op.ifc_class


def changed(before: Element | None, after: Element | None) -> frozenset[str]:
    """The fields that differ, as the protocol names them; WHOLE when the element came or went."""
    if before is None or after is None:
        return frozenset() if before is after else frozenset({WHOLE})
    plain = {name for name in ("ifc_class", *PLAIN_FIELDS) if getattr(before, name) != getattr(after, name)}
    for group, attribute in MAP_FIELDS.items():
        old, new = getattr(before, attribute), getattr(after, attribute)
        if old is not new:
            plain |= {f"{group}.{key}" for key in {*old, *new} if old.get(key, _MISSING) != new.get(key, _MISSING)}
    return frozenset(plain)


def conflicts(op: Op, base: Element | None, since: Iterable[Version], *, author: str) -> list[Conflict]:
    """What others have written into the same fields after the client's base.

    base: the element as the client had read it; since: its versions after that, oldest first; author: the client of the operation. A delete
    conflicts with every field that another has written.
    """
    theirs: dict[str, Value] = {}
    previous = base
    for version in since:
        if version.author != author:
            theirs |= {name: value_of(version.element, name) for name in changed(previous, version.element)}
        previous = version.element
    meant = set(theirs) if isinstance(op, Delete) else {*op.fields, WHOLE} & set(theirs)
    if previous is None and isinstance(op, Delete):
        return []  # both have deleted it
    return [
        Conflict(global_id=op.global_id, field=name, base=value_of(base, name), theirs=theirs[name])
        for name in sorted(meant)
        if name == WHOLE or not isinstance(op, Upsert) or _meant(op, name) != theirs[name]
    ]


def _meant(op: Upsert, name: str) -> Value:
    if name == "ifc_class":
        return op.ifc_class
    return op.changes.get(name)


def value_of(element: Element | None, name: str) -> Value:
    """JSON of a field; None when it is not there. Of WHOLE: whether there is an element, as its class."""
    if element is None:
        return None
    if name == WHOLE:
        return element.ifc_class
    found = _map_of(name)
    if found is not None:
        return getattr(element, found[0]).get(found[1])
    value = getattr(element, name)
    return [list(one) if isinstance(one, tuple) else one for one in value] if isinstance(value, tuple) else value
