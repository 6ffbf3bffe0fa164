"""The rooms, walls and doors of the demo building as plain values, in metres. No IFC here."""

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

Rect = tuple[float, float, float, float]  # x0, y0, x1, y1
STOREY_HEIGHT: Final = 3.6
CEILING: Final = 2.7
WALL: Final = 0.2
LENGTH: Final = 42.0
DEPTH: Final = 16.0
SOUTH: Final = (0.2, 7.0)  # y from, to of the southern rooms
CORRIDOR: Final = (7.2, 9.0)
NORTH: Final = (9.2, 15.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    name: str
    long_name: str
    rect: Rect
    storey: int
    ceiling: float = CEILING
    declared: int | None = None
    facade: str = ""  # "S" or "N": has a window there

    @property
    def slot(self) -> str:
        return self.name[2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    name: str
    rect: Rect
    storey: int
    sides: tuple[str, ...] = ()  # names of rooms; "" for outside
    rating: str = ""
    external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """`at` is the middle of the opening; `along` the direction of its wall."""

    name: str
    wall: str
    at: tuple[float, float]
    along: str  # "x" or "y"
    width: float
    height: float
    storey: int
    sides: tuple[str, str]
    external: bool = False
    fire_exit: bool = False
    accessible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    name: str
    wall: str
    at: tuple[float, float]
    storey: int
    width: float = 1.8
    height: float = 1.5
    sill: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    rooms: list[Room]
    walls: list[Wall]
    doors: list[Door]
    windows: list[Window]


# slot, long name on the ground floor and upstairs ("" for none there), x where it ends
_SOUTH: Final = (
    ("S1", "Lobby", "", 8.0),
    ("S2", "Office", "Office", 13.4),
    ("S3", "Office", "Office", 19.0),
    ("S4", "Training room", "Meeting room", 27.6),
    ("S5", "Office", "Office", 33.6),
    ("S6", "Storage", "Storage", 37.4),
    ("S7", "Office", "Office", 41.8),
)
_NORTH: Final = (
    ("N1", "Stair A", "Stair A", 4.2),
    ("N2", "Open office", "Open office", 11.0),
    ("N3", "Accessible toilet", "Copy room", 12.6),
    ("N4", "Toilet", "Accessible toilet", 16.0),
    ("N5", "Office", "Office", 20.8),
    ("K2", "Service corridor", "Cleaner", 21.85),
    ("N7", "Office", "Open office", 27.8),
    ("N8", "Stair B", "Stair B", 31.6),
    ("N9", "Plant room", "Server room", 35.6),
    ("N10", "Open office", "Open office", 41.8),
)
_MOVING: Final = ("S2", "S5", "N9")  # their eastern wall moves a little with the seed
_WINDOWED: Final = ("Office", "Open office", "Training room", "Meeting room", "Lobby")


def layout(seed: int, without: Collection[str] = ()) -> Layout:
    """Seeds move some walls by up to 0.4 m. `without`: keys of violations that are corrected."""
    dice = random.Random(seed)  # noqa: S311  dice of a demo, seeded
    ends = {slot: end for slot, _, _, end in (*_SOUTH, *_NORTH)}
    ends |= {slot: round(ends[slot] + dice.uniform(-0.4, 0.4), 2) for slot in _MOVING}
    ends |= {"K2": 22.2} if "narrow_corridor" in without else {}
    ends |= {"N3": 13.0} if "turning_circle" in without else {}
    rooms = [room for storey in (0, 1) for room in _storey(storey, ends, without)]
    doors = [door for room in rooms for door in _doors(room, without)]
    return Layout(rooms=rooms, walls=list(_walls(rooms, without)), doors=doors, windows=[made for room in rooms for made in _windows(room)])


def _storey(storey: int, ends: dict[str, float], without: Collection[str]) -> Iterator[Room]:
    yield Room(name=f"{storey}.K1", long_name="Corridor", rect=(WALL, CORRIDOR[0], LENGTH - WALL, CORRIDOR[1]), storey=storey)
    for band, rows in ((SOUTH, _SOUTH), (NORTH, _NORTH)):
        west = WALL
        for slot, below, above, _ in rows:
            long_name = (below, above)[storey]
            if long_name:
                yield _room(f"{storey}.{slot}", long_name, (west, band[0], ends[slot], band[1]), without)
            west = round(ends[slot] + WALL, 3)


def _room(name: str, long_name: str, rect: Rect, without: Collection[str]) -> Room:
    low = name == "0.K2" and "low_ceiling" not in without
    declared = 40 if name == "0.S4" and "too_few_declared" not in without else None
    facade = ("S" if rect[1] < CORRIDOR[0] else "N") if long_name in _WINDOWED else ""
    return Room(name=name, long_name=long_name, rect=rect, storey=int(name[0]), ceiling=2.2 if low else CEILING, declared=declared, facade=facade)


def _doors(room: Room, without: Collection[str]) -> Iterator[Door]:
    """One to the corridor from every room, and the ways out."""
    if room.name.endswith(".K1"):
        yield from _corridor_exits(room, without)
        return
    x, southern = _middle(room), room.rect[1] < CORRIDOR[0]
    yield _door(room, x, southern, without)
    if room.name == "0.S4" and "one_way_out" in without:
        yield _plain(room, "Door 0.S4 second", room.rect[0] + 0.9, southern)
    if room.name == "0.N1":
        yield _exit("Exit 0.N1", "Facade 0 west", (WALL / 2, NORTH[0] + 0.8), "y", room, 1.2)
    if room.name == "0.K2":
        yield _exit("Exit 0.K2", "Facade 0 north", (x, DEPTH - WALL / 2), "x", room, _passable(room))
    if room.name == "0.S1":
        yield _exit("Exit 0.S1", "Facade 0 south", (x, WALL / 2), "x", room, 1.8)


def _door(room: Room, x: float, southern: bool, without: Collection[str]) -> Door:
    made = _plain(room, f"Door {room.name}", x, southern)
    if room.name == "0.S3" and "narrow_door" not in without:
        return replace(made, width=0.75)
    if room.name == "0.S6" and "low_door" not in without:
        return replace(made, height=1.95)
    if room.slot == "S1":
        return replace(made, width=1.8)
    return replace(made, width=_passable(room)) if room.slot == "K2" else made


def _passable(room: Room) -> float:
    """A door in the end of a passage is no wider than the passage."""
    return min(1.0, round(room.rect[2] - room.rect[0], 3))


def _plain(room: Room, name: str, x: float, southern: bool) -> Door:
    y = (SOUTH[1] + CORRIDOR[0]) / 2 if southern else (CORRIDOR[1] + NORTH[0]) / 2
    return Door(
        name=name,
        wall=f"Wall {room.name} corridor",
        at=(x, y),
        along="x",
        width=1.0,
        height=2.15,
        storey=room.storey,
        sides=(room.name, f"{room.storey}.K1"),
        accessible="toilet" in room.long_name.lower() or room.slot in ("S1", "S2", "S4"),
        fire_exit=room.long_name.startswith("Stair"),
    )


def _exit(name: str, wall: str, at: tuple[float, float], along: str, room: Room, width: float) -> Door:
    return Door(
        name=name,
        wall=wall,
        at=at,
        along=along,
        width=width,
        height=2.15,
        storey=room.storey,
        sides=(room.name, ""),
        external=True,
        fire_exit=True,
        accessible=room.slot == "S1",
    )


def _corridor_exits(room: Room, without: Collection[str]) -> Iterator[Door]:
    """The ground floor's corridor has a way out at its eastern end; upstairs only the correction gives it one, to an outer stair."""
    if room.storey == 0 or "dead_end" in without:
        at = (LENGTH - WALL / 2, (CORRIDOR[0] + CORRIDOR[1]) / 2)
        yield _exit(f"Exit {room.name}", f"Facade {room.storey} east", at, "y", room, 1.2)


def _windows(room: Room) -> Iterator[Window]:
    if room.facade:
        y = WALL / 2 if room.facade == "S" else DEPTH - WALL / 2
        side = "south" if room.facade == "S" else "north"
        x = _middle(room) + (2.2 if room.slot == "S1" else 0.0)
        yield Window(name=f"Window {room.name}", wall=f"Facade {room.storey} {side}", at=(x, y), storey=room.storey)


def _walls(rooms: list[Room], without: Collection[str]) -> Iterator[Wall]:
    for storey in (0, 1):
        here = [room for room in rooms if room.storey == storey]
        yield from _facades(storey, here)
        for southern in (True, False):
            band = [room for room in here if room.slot != "K1" and (room.rect[1] < CORRIDOR[0]) == southern]
            yield from _of_band(storey, band, southern, without)


def _facades(storey: int, here: list[Room]) -> Iterator[Wall]:
    rects = {
        "south": (0.0, 0.0, LENGTH, WALL),
        "north": (0.0, DEPTH - WALL, LENGTH, DEPTH),
        "west": (0.0, WALL, WALL, DEPTH - WALL),
        "east": (LENGTH - WALL, WALL, LENGTH, DEPTH - WALL),
    }
    for side, rect in rects.items():
        sides = tuple(room.name for room in here if _touch(room.rect, rect))
        yield Wall(name=f"Facade {storey} {side}", rect=rect, storey=storey, sides=(*sides, ""), rating="90", external=True)


def _of_band(storey: int, band: list[Room], southern: bool, without: Collection[str]) -> Iterator[Wall]:
    """The corridor's wall of each room, and the walls between neighbours."""
    y0, y1 = (SOUTH[1], CORRIDOR[0]) if southern else (CORRIDOR[1], NORTH[0])
    for room in band:
        rect = (room.rect[0] - (0.0 if room.rect[0] == WALL else WALL), y0, room.rect[2], y1)
        name = f"Wall {room.name} corridor"
        yield Wall(name=name, rect=rect, storey=storey, sides=(room.name, f"{storey}.K1"), rating=_rating(name, without))
    first = band[0]
    if first.rect[0] > WALL:  # beside the void over the lobby
        rect = (first.rect[0] - WALL, first.rect[1], first.rect[0], first.rect[3])
        yield Wall(name=f"Wall void-{first.name}", rect=rect, storey=storey, sides=(first.name,))
    for left, right in pairwise(band):
        name = f"Wall {left.name}-{right.name}"
        rect = (left.rect[2], left.rect[1], right.rect[0], left.rect[3])
        yield Wall(name=name, rect=rect, storey=storey, sides=(left.name, right.name), rating=_rating(name, without))


_WEAK: Final = {"Wall 0.S4 corridor": "corridor_wall_rating", "Wall 0.N7-0.N8": "stair_wall_rating"}


def _rating(name: str, without: Collection[str]) -> str:
    """Minutes as authoring tools write them. Walls of corridors and stairs need 60, walls between rooms nothing."""
    if name in _WEAK and _WEAK[name] not in without:
        return "30"
    around_stair = any(f".{slot}" in f"{name}-" for slot in ("N1-", "N1 ", "N8-", "N8 "))
    return "60" if "corridor" in name or around_stair else ""


def _touch(room: Rect, wall: Rect) -> bool:
    near = 1e-6
    return room[0] <= wall[2] + near and room[2] >= wall[0] - near and room[1] <= wall[3] + near and room[3] >= wall[1] - near


def _middle(room: Room) -> float:
    return round((room.rect[0] + room.rect[2]) / 2, 3)
