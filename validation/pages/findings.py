"""One finding, on its page and in the panel beside the board, the plan and the model."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from mcp_platform.tenancy.pages import principal
from validation.models import Finding
from validation.pages import buildings
from validation.queries import detail
from validation.services import board

HISTORY: Final = {
    "comment": "chat_bubble",
    "state": "flag",
    "assignee": "person",
    "due": "event",
    "waiver": "approval",
}


def panel(request: HttpRequest, found: Finding) -> dict[str, Any]:
    """Everything that templates/validation/finding_panel.html shows."""
    by = principal(request, found.tenant)
    told = detail.detail(found.tenant, found)
    return {
        "finding": {**told, "state_words": words(told["state"])},
        "scale": scale(found),
        "history": [{**note, "icon": HISTORY[note["kind"]], "said": said(note)} for note in told["notes"]],
        "states": [(state, words(state)) for state in board.STATES],
        "people": buildings.people(found.building),
        "may_change": by.may("findings:write"),
        "may_ask": by.may("waivers:request"),
        "can_ask": not any(one["state"] in ("requested", "approved", "needs_reconfirmation") for one in told["waivers"]),
        "waivers": [waiver(one) for one in told["waivers"]],
        "finding_url": reverse("admin:validation_finding_change", args=(found.pk,)),
        "plan_url": shown_in("plan", found),
        "model_url": shown_in("model", found),
        "board_url": reverse("admin:validation_finding_board", args=(found.building_id,)),
        "thumbnail": f"/api/v1/validation/buildings/{found.building_id}/plan?{urlencode({'storey': found.storey, 'finding': str(found.pk)})}",
    }


def waiver(one: dict[str, Any]) -> dict[str, Any]:
    url = reverse("admin:validation_waiver_change", args=(one["id"],))
    return {**one, "url": url, "kind_words": words(one["kind"]), "state_words": words(one["state"]).lower()}


def shown_in(page: str, found: Finding) -> str:
    query = {"finding": str(found.pk), **({"storey": found.storey} if found.storey else {})}
    return f"{reverse(f'admin:validation_finding_{page}', args=(found.building_id,))}?{urlencode(query)}"


def words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def said(note: dict[str, Any]) -> str:
    """A line of the history in words."""
    say: Callable[[dict[str, Any]], str] = _SAID[note["kind"]]
    return say(note["data"])


_SAID: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "comment": lambda data: "commented",
    "state": lambda data: f"{words(data.get('from') or '')} → {words(data.get('to') or '')}",
    "assignee": lambda data: f"assigned to {data['to']}" if data.get("to") else "took the assignment away",
    "due": lambda data: f"due {data['to']}" if data.get("to") else "took the due day away",
    "waiver": lambda data: f"waiver {words(data.get('state') or '').lower()}",
}


def scale(found: Finding) -> dict[str, Any] | None:
    """Where actual and required stand on a bar, in percent of its length; None when they are no numbers."""
    actual, required = found.actual, found.required
    if isinstance(actual, bool) or not isinstance(actual, int | float) or not isinstance(required, int | float):
        return None
    top = max(abs(actual), abs(required)) * 1.15 or 1.0
    return {"actual": round(max(actual, 0) / top * 100, 1), "required": round(max(required, 0) / top * 100, 1)}
