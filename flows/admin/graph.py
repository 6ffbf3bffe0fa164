"""The picture of a flow, from its draft as it is: also one with problems."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from flows.admin.problems import Review
from flows.core import layout
from flows.core.types import Json

LABEL_LENGTH = 14
LABELLED = 90  # more arrows than that carry their label as a tooltip only


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    node: layout.Node
    type: str
    is_start: bool
    errors: int
    warnings: int
    state_id: int
    to: str
    subtitle: str
    is_lost: bool

    @property
    def port(self) -> float:
        """Where on its right side an arrow to another state is drawn from."""
        return self.node.y + layout.HEIGHT / 2


def graph(review: Review) -> dict[str, Any]:
    """Context of templates/flows/graph.html."""
    states: Mapping[str, Json] = review.document["states"]
    start = review.document["initial_state"]
    drawing = layout.draw(list(states), start, _edges(states))
    found = review.found
    handled = _handled(review.document["global_handlers"])
    boxes = [
        Box(
            node=node,
            type=states[node.name]["type"],
            is_start=node.name == start,
            errors=sum(one.is_error for one in found if one.state == node.name),
            warnings=sum(not one.is_error for one in found if one.state == node.name),
            state_id=review.ids[node.name],
            to=reverse("admin:flows_state_change", args=(review.ids[node.name],)),
            subtitle=" · ".join([states[node.name]["type"].replace("_", " "), *([f"on {handled[node.name]}"] if node.name in handled else [])]),
            is_lost=not node.reached and node.name not in handled,
        )
        for node in drawing.nodes
    ]
    arrows = [{"arrow": arrow, "label": _short(arrow.labels), "title": "\n".join(arrow.labels)} for arrow in drawing.arrows]
    return {
        "drawing": drawing,
        "boxes": boxes,
        "arrows": arrows,
        "labelled": len(arrows) <= LABELLED,
        "least": round(drawing.width * 0.78),
        "box": {"width": layout.WIDTH, "height": layout.HEIGHT},
    }


def _edges(states: Mapping[str, Json]) -> Iterator[layout.Edge]:
    for name, state in states.items():
        for transition in state["transitions"]:
            yield name, transition["target_state"], _label(transition)


def _handled(handlers: Json) -> dict[str, str]:
    """State -> what brings a conversation there from anywhere."""
    rows = [row for row in handlers.values() if isinstance(row, dict)] if isinstance(handlers, dict) else []
    return {str(row["target_state"]): str(row.get("on", "handler")) for row in rows if row.get("target_state")}


def _label(transition: Mapping[str, Json]) -> str:
    condition = str(transition["condition"])
    said = transition.get("expression") or transition["condition_value"]
    if condition in ("expression", "intent_match") and said:
        return "always" if said == "true" else str(said)
    return f"{condition.replace('_', ' ')} {said}".strip()


def _short(labels: tuple[str, ...]) -> str:
    text = labels[0] if labels else ""
    more = f" +{len(labels) - 1}" if len(labels) > 1 else ""
    room = LABEL_LENGTH - len(more)
    return (text if len(text) <= room else f"{text[: room - 1]}…") + more
