"""Where the states of a flow are drawn: columns that follow the conversation from left to right, by the number of steps from the start."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 144
HEIGHT: Final = 52
GAP_X: Final = 98  # room for the label of an arrow
GAP_Y: Final = 26
MARGIN: Final = 24
SWEEPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    name: str
    x: int
    y: int
    reached: bool  # there is a way from the start


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    source: str
    target: str
    labels: tuple[str, ...]
    path: str  # of an SVG path element
    x: int  # where the label stands
    y: int
    back: bool  # against the direction of the conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    width: int
    height: int
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


Edge = tuple[str, str, str]  # source, target, label


def draw(names: Sequence[str], start: str, edges: Iterable[Edge]) -> Drawing:
    """Every name is drawn once; edges to names that are not there are left out. Equal input gives an equal drawing."""
    labels = _merged(names, edges)
    columns = _columns(names, start, labels)
    places = _places(columns, labels)
    reached = frozenset(places)
    _park([name for name in names if name not in reached], places, max(len(columns), 4))
    nodes = tuple(Node(name=name, x=places[name][0], y=places[name][1], reached=name in reached) for name in names)
    bottom = max((y + HEIGHT for _, y in places.values()), default=0)
    arrows = tuple(_arrow(source, target, tuple(found), places, bottom, number) for number, ((source, target), found) in enumerate(labels.items()))
    lowest = max((arrow.y + 16 for arrow in arrows if arrow.back), default=0)
    return Drawing(
        width=max((x + WIDTH for x, _ in places.values()), default=0) + MARGIN + (36 if any(source == target for source, target in labels) else 0),
        height=max(bottom, lowest) + MARGIN,
        nodes=nodes,
        arrows=arrows,
    )


def _merged(names: Sequence[str], edges: Iterable[Edge]) -> dict[tuple[str, str], list[str]]:
    known = set(names)
    found: dict[tuple[str, str], list[str]] = {}
    for source, target, label in edges:
        if source in known and target in known:
            texts = found.setdefault((source, target), [])
            if label not in texts:
                texts.append(label)
    return found


def _columns(names: Sequence[str], start: str, labels: Mapping[tuple[str, str], object]) -> list[list[str]]:
    """Breadth first from the start."""
    onward: dict[str, list[str]] = {name: [] for name in names}
    for source, target in labels:
        onward[source].append(target)
    columns: list[list[str]] = []
    seen: set[str] = set()
    front = [start] if start in onward else []
    while front:
        seen.update(front)
        columns.append(front)
        front = [name for name in dict.fromkeys(target for source in front for target in onward[source]) if name not in seen]
    return columns


def _park(names: Sequence[str], places: dict[str, tuple[int, int]], width: int) -> None:
    """What no arrow reaches stands below the others, in rows as wide as the drawing."""
    top = max((y + HEIGHT + 2 * GAP_Y for _, y in places.values()), default=MARGIN)
    for number, name in enumerate(names):
        row, column = divmod(number, width)
        places[name] = (MARGIN + column * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y))


def _places(columns: list[list[str]], labels: Mapping[tuple[str, str], object]) -> dict[str, tuple[int, int]]:
    near: dict[str, list[str]] = {name: [] for column in columns for name in column}
    for source, target in labels:
        if source in near and target in near:
            near[source].append(target)
            near[target].append(source)
    tallest = max((len(column) for column in columns), default=0)
    rows = {name: row + (tallest - len(column)) / 2 for column in columns for row, name in enumerate(column)}
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            _settle(column, near, rows, tallest)
    column_of = {name: number for number, column in enumerate(columns) for name in column}
    return {name: (MARGIN + column_of[name] * (WIDTH + GAP_X), MARGIN + round(row * (HEIGHT + GAP_Y))) for name, row in rows.items()}


def _settle(column: list[str], near: Mapping[str, list[str]], rows: dict[str, float], tallest: int) -> None:
    """Order a column by the mean row of its neighbours in other columns: short arrows, few crossings."""
    own = set(column)
    wanted = {}
    for name in column:
        others = [rows[other] for other in near[name] if other not in own]
        wanted[name] = sum(others) / len(others) if others else rows[name]
    column.sort(key=lambda name: wanted[name])
    first = (tallest - len(column)) / 2
    for row, name in enumerate(column):
        rows[name] = first + row


def _arrow(source: str, target: str, labels: tuple[str, ...], places: Mapping[str, tuple[int, int]], bottom: int, number: int) -> Arrow:
    (x1, y1), (x2, y2) = places[source], places[target]
    if source == target:
        x, y = x1 + WIDTH, y1 + HEIGHT // 2
        return Arrow(
            source=source,
            target=target,
            labels=labels,
            path=f"M {x} {y - 10} C {x + 34} {y - 26}, {x + 34} {y + 26}, {x} {y + 10}",
            x=x + 30,
            y=y,
            back=True,
        )
    if x2 > x1:
        ax, ay, bx, by = x1 + WIDTH, y1 + HEIGHT // 2, x2, y2 + HEIGHT // 2
        bend = max(40, (bx - ax) // 2)
        # Near the target: arrows leave a state together and arrive apart.
        label_x, label_y = bx - GAP_X // 2 + 4, round(ay + (by - ay) * (0.62 if bx - ax <= GAP_X else 0.94))
        return Arrow(
            source=source,
            target=target,
            labels=labels,
            path=f"M {ax} {ay} C {ax + bend} {ay}, {bx - bend} {by}, {bx} {by}",
            x=label_x,
            y=label_y - 5,
            back=False,
        )
    return _back_arrow(source, target, labels, (x1, y1), (x2, y2), bottom, number)


def _back_arrow(source: str, target: str, labels: tuple[str, ...], start: tuple[int, int], end: tuple[int, int], bottom: int, number: int) -> Arrow:
    """Back or down in the same column: out below the source, into the bottom of the target, deeper the further it goes."""
    (x1, y1), (x2, y2) = start, end
    ax, bx = x1 + WIDTH // 2 + 12, x2 + WIDTH // 2 - 12
    if x1 == x2:
        side = x1 - 26 - 6 * (number % 3)
        path = f"M {x1} {y1 + HEIGHT // 2} C {side} {y1 + HEIGHT // 2}, {side} {y2 + HEIGHT // 2}, {x2} {y2 + HEIGHT // 2}"
        return Arrow(source=source, target=target, labels=labels, path=path, x=side, y=(y1 + y2 + HEIGHT) // 2, back=True)
    deep = min(bottom, max(y1, y2) + HEIGHT) + 22 + 10 * (number % 4)
    down = f"M {ax} {y1 + HEIGHT} C {ax} {deep}, {ax - 20} {deep}, {ax - 60} {deep}"
    path = f"{down} L {bx + 60} {deep} C {bx + 20} {deep}, {bx} {deep}, {bx} {y2 + HEIGHT}"
    return Arrow(source=source, target=target, labels=labels, path=path, x=(ax + bx) // 2, y=deep - 4, back=True)
