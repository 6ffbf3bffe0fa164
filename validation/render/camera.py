"""Where to stand to see an element: cameras in metres, in the coordinates of the building."""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

from validation.core.building import Box

Vector: TypeAlias = tuple[float, float, float]
FIELD: Final = 60.0  # degrees, vertical; viewers promise 45 to 60
RATIO: Final = 4 / 3
NEAREST: Final = 2.0  # metres
MARGIN: Final = 1.25  # how much more than the box is in view
FROM: Final = (-1.0, -1.0, 0.8)  # seen from the south-west and a little above
WORLD: Final[Box] = (-25.0, -25.0, 0.0, 25.0, 25.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perspective:
    at: Vector
    direction: Vector
    up: Vector
    field: float = FIELD
    ratio: float = RATIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthogonal:
    """scale: height of what is seen, in metres."""

    at: Vector
    direction: Vector
    up: Vector
    scale: float
    ratio: float = RATIO


Camera: TypeAlias = Perspective | Orthogonal


def towards(box: Box) -> Perspective:
    """The whole box from outside, in perspective."""
    centre, radius = _middle(box), max(_radius(box), 0.5)
    back = _unit(FROM)
    distance = max(NEAREST, MARGIN * radius / math.sin(math.radians(FIELD / 2)))
    direction = (-back[0], -back[1], -back[2])
    return Perspective(at=_add(centre, back, distance), direction=direction, up=_up(direction))


def above(box: Box) -> Orthogonal:
    """The whole box from above, as a plan shows it; north is up."""
    x, y, _ = _middle(box)
    width, depth = box[3] - box[0], box[4] - box[1]
    scale = max(NEAREST, MARGIN * max(depth, width / RATIO))
    return Orthogonal(at=(x, y, box[5] + 10.0), direction=(0.0, 0.0, -1.0), up=(0.0, 1.0, 0.0), scale=scale)


def around(boxes: list[Box]) -> Box | None:
    if not boxes:
        return None
    low = [min(box[axis] for box in boxes) for axis in range(3)]
    high = [max(box[axis] for box in boxes) for axis in range(3, 6)]
    return (low[0], low[1], low[2], high[0], high[1], high[2])


def _middle(box: Box) -> Vector:
    return ((box[0] + box[3]) / 2, (box[1] + box[4]) / 2, (box[2] + box[5]) / 2)


def _radius(box: Box) -> float:
    return math.dist(box[:3], box[3:]) / 2


def _unit(vector: Vector) -> Vector:
    length = math.hypot(*vector)
    return (vector[0] / length, vector[1] / length, vector[2] / length)


def _add(point: Vector, direction: Vector, length: float) -> Vector:
    return (point[0] + direction[0] * length, point[1] + direction[1] * length, point[2] + direction[2] * length)


def _up(direction: Vector) -> Vector:
    """Upright, at a right angle to the direction."""
    return _unit(_add((0.0, 0.0, 1.0), direction, -direction[2]))
