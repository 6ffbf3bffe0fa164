"""The syntax tree of an expression, as CEL's own compiler found it: macros expanded, names resolved, operators as functions.

The compiler gives its tree as a `cel.expr.CheckedExpr` message. Only a dozen of its fields matter here, so they are read from the wire format
directly instead of carrying the generated classes of the whole schema.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Const:
    value: Any
    at: int = 0


@dataclass(frozen=True, slots=True)
class Ident:
    name: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or with `test` the macro `has(operand.field)`."""

    operand: "Node"
    field: str
    test: bool = False
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator (`_>=_`, `@in`); what a method is called on is its first argument."""

    function: str
    args: tuple["Node", ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple["Node", ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class MapOf:
    entries: tuple[tuple["Node", "Node"], ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Fold:
    """What the macros all, exists, exists_one, map and filter expand to."""

    variable: str
    over: "Node"
    total: str
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"
    at: int = 0


Node: TypeAlias = Const | Ident | Select | Call | ListOf | MapOf | Fold


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.args
        case ListOf():
            return node.items
        case MapOf():
            return tuple(part for entry in node.entries for part in entry)
        case Fold():
            return (node.over, node.start, node.condition, node.step, node.result)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def tree(serialized: bytes) -> Node:
    """The tree of a serialized compiled expression. `at` counts characters of the source from 0."""
    checked = fields(one(fields(serialized), 2))
    info = fields(one(checked, 5))
    places = {one(entry, 1, 0): one(entry, 2, 0) for entry in map(fields, info.get(4, []))}
    return node_of(one(checked, 4), places)


Message: TypeAlias = dict[int, list[Any]]
Places: TypeAlias = Mapping[int, int]


def node_of(data: bytes, places: Places) -> Node:
    message = fields(data)
    at = places.get(one(message, 2, 0), 0)
    for number, build in BUILDERS.items():
        if number in message:
            return build(fields(message[number][0]), at, places)
    raise ValueError(message)


def const(message: Message, at: int, places: Places) -> Node:
    for number, read in CONSTANTS.items():
        if number in message:
            return Const(read(message[number][0]), at)
    raise ValueError(message)


def ident(message: Message, at: int, places: Places) -> Node:
    return Ident(text(one(message, 1)).removeprefix("."), at)


def select(message: Message, at: int, places: Places) -> Node:
    return Select(node_of(one(message, 1), places), text(one(message, 2)), bool(one(message, 3, 0)), at)


def call(message: Message, at: int, places: Places) -> Node:
    parts = message.get(1, []) + message.get(3, [])
    return Call(text(one(message, 2)), tuple(node_of(part, places) for part in parts), at)


def list_of(message: Message, at: int, places: Places) -> Node:
    return ListOf(tuple(node_of(part, places) for part in message.get(1, [])), at)


def map_of(message: Message, at: int, places: Places) -> Node:
    entries = map(fields, message.get(2, []))
    return MapOf(tuple((node_of(one(entry, 3), places), node_of(one(entry, 4), places)) for entry in entries), at)


def fold(message: Message, at: int, places: Places) -> Node:
    over, start, condition, step, result = (node_of(one(message, number), places) for number in (2, 4, 5, 6, 7))
    return Fold(text(one(message, 1)), over, text(one(message, 3)), start, condition, step, result, at)


BUILDERS: Final[Mapping[int, Callable[[Message, int, Places], Node]]] = {3: const, 4: ident, 5: select, 6: call, 7: list_of, 8: map_of, 9: fold}


def one(message: Message, number: int, default: Any = b"") -> Any:
    return message[number][-1] if number in message else default


def text(data: bytes) -> str:
    return data.decode()


def signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


CONSTANTS: Final[Mapping[int, Callable[[Any], Any]]] = {
    1: lambda value: None,
    2: bool,
    3: signed,
    4: int,
    5: lambda data: struct.unpack("<d", data)[0],
    6: text,
    7: bytes,
}


def fields(data: bytes) -> Message:
    """Field number -> its values: numbers, or the bytes of texts, messages and fixed-width numbers."""
    found: Message = {}
    place = 0
    while place < len(data):
        tag, place = varint(data, place)
        value, place = READERS[tag & 7](data, place)
        found.setdefault(tag >> 3, []).append(value)
    return found


def varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def delimited(data: bytes, place: int) -> tuple[bytes, int]:
    length, place = varint(data, place)
    return data[place : place + length], place + length


READERS: Final[Mapping[int, Callable[[bytes, int], tuple[Any, int]]]] = {
    0: varint,
    1: lambda data, place: (data[place : place + 8], place + 8),
    2: delimited,
    5: lambda data, place: (data[place : place + 4], place + 4),
}
