"""What every page of an experiment shows: where it stands, its tabs, and the buttons that may be pressed now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.http import HttpRequest

from experiments import queries, services
from experiments.admin import drawing
from experiments.admin.forms import percentage
from experiments.models import Experiment
from mcp_platform.tenancy.pages import TenantPage, may

COLOURS: Final[Mapping[str, str]] = {"running": "success", "paused": "warning", "stopped": "danger", "decided": "info", "validated": "primary"}
PLANNED: Final = (Experiment.State.DRAFT, Experiment.State.VALIDATED)
NEEDS: Final[Mapping[str, str]] = {"validate": "write", "rebase": "write", "archive": "write", "delete": "write"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """`ask` is a question before; `words` lets one say why."""

    verb: str
    label: str
    icon: str
    look: str = ""
    ask: str = ""
    words: bool = False


STOP: Final = Button(
    verb="stop",
    label="Stop for everybody",
    icon="dangerous",
    look="bad",
    ask="Stop the experiment? Within a second every flow begins in its current version again. It cannot go on afterwards, only with a new phase.",
    words=True,
)
BUTTONS: Final[Mapping[str, tuple[Button, ...]]] = {
    "draft": (),
    "validated": (
        Button(verb="start", label="Start", icon="play_arrow", look="main", ask="Start the experiment? People begin to meet its variants."),
    ),
    "running": (Button(verb="pause", label="Pause", icon="pause", ask="Pause? Nobody new takes part; what is counted stays."), STOP),
    "paused": (Button(verb="resume", label="Go on", icon="play_arrow", look="main"), STOP),
    "stopped": (
        Button(
            verb="rebase",
            label="Another phase",
            icon="restart_alt",
            ask="Apply the variants to the version that runs now? The new phase has another seed: nobody keeps an arm, and it counts from nothing.",
        ),
    ),
    "decided": (Button(verb="archive", label="Put away", icon="archive"),),
}

# Pages of other parts that belong to an experiment: each gives (title, icon, address) or nothing. They register themselves with `offer`.
Link = Callable[[HttpRequest, Experiment], tuple[str, str, str] | None]
_links: list[Link] = []


def offer(link: Link) -> Link:
    """A tab on every page of an experiment."""
    if link not in _links:
        _links.append(link)
    return link


class Framed(TenantPage):
    """Mixed into the page of an experiment."""

    permissions: ClassVar = {
        "view": "experiments:read",
        "add": "experiments:write",
        "write": "experiments:write",
        "run": "experiments:run",
    }

    def row(self, request: HttpRequest, pk: Any, what: str = "view") -> Experiment:
        """With everything that pages read. Raises Http404 for strangers, Denied without the permission."""
        found = self.mine(request, pk, what)
        return queries.experiment(found.tenant_id, found.pk)

    def holds(self, request: HttpRequest, row: Experiment) -> dict[str, bool]:
        return {what: may(request, needed, row.tenant_id) for what, needed in self.permissions.items()}

    def frame(self, request: HttpRequest, row: Experiment, tab: str) -> dict[str, Any]:
        held = self.holds(request, row)
        return {
            "object": row,
            "row": row,
            "tab": tab,
            "tabs": self._tabs(request, row),
            "colour": COLOURS.get(row.state, ""),
            "coverage": drawing.percent(row.coverage, digits=0 if row.coverage * 100 % 1 == 0 else 1),
            "buttons": [
                {"it": one, "to": self.to("press", row.pk, one.verb)} for one in BUTTONS.get(row.state, ()) if held[NEEDS.get(one.verb, "run")]
            ],
            "covered": str(percentage(row.coverage)),
            "may_run": held["run"],
            "may_write": held["write"],
        }

    def _tabs(self, request: HttpRequest, row: Experiment) -> list[dict[str, str]]:
        own = [("plan", "Plan", "edit_note", self.to("plan", row.pk, "review"))]
        if row.state not in PLANNED:
            own.insert(0, ("live", "Live", "monitoring", self.to("change", row.pk)))
        if row.decision_count or row.state not in PLANNED:
            own.append(("decisions", "Decisions", "gavel", self.to("decisions", row.pk)))
        more = [(f"more-{index}", *found) for index, link in enumerate(_links) if (found := link(request, row)) is not None]
        return [{"key": key, "title": title, "icon": icon, "to": to} for key, title, icon, to in (*own, *more)]


def rev_of(request: HttpRequest) -> int | None:
    """The revision that the page showed, so that nobody's change is overwritten."""
    given = request.POST.get("rev", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 10 else None


def press(row: Experiment, verb: str, given: Mapping[str, str], by: Any) -> Any:
    """One button, one service call."""
    return CALLS[verb](row, given, by)


def _coverage(given: Mapping[str, str]) -> float:
    """In percent; what is no number is refused by the service, as a coverage that no experiment can have."""
    try:
        return float(given.get("coverage", "")) / 100
    except ValueError:
        return -1.0


CALLS: Final[Mapping[str, Callable[[Experiment, Mapping[str, str], Any], Any]]] = {
    "validate": lambda row, _, by: services.validate(row.tenant, key=row.pk, by=by),
    "start": lambda row, _, by: services.start(row.tenant, key=row.pk, by=by),
    "pause": lambda row, _, by: services.pause(row.tenant, key=row.pk, by=by),
    "resume": lambda row, _, by: services.resume(row.tenant, key=row.pk, by=by),
    "stop": lambda row, given, by: services.stop(row.tenant, key=row.pk, reason=given.get("reason", "")[:500], by=by),
    "ramp": lambda row, given, by: services.ramp(row.tenant, key=row.pk, coverage=_coverage(given), by=by),
    "step": lambda row, _, by: services.step(row.tenant, key=row.pk, by=by),
    "count": lambda row, _, by: services.count(row.tenant, key=row.pk),
    "force": lambda row, given, by: services.force(row.tenant, key=row.pk, unit=given.get("unit", "")[:200], variant=given.get("variant", ""), by=by),
    "unforce": lambda row, given, by: services.unforce(row.tenant, key=row.pk, unit=given.get("unit", ""), by=by),
    "rebase": lambda row, _, by: services.rebase(row.tenant, key=row.pk, by=by),
    "archive": lambda row, _, by: services.archive(row.tenant, key=row.pk, by=by),
    "delete": lambda row, _, by: services.delete(row.tenant, key=row.pk, by=by),
}
DONE: Final[Mapping[str, str]] = {
    "validate": "Its variants are frozen as versions. It can start.",
    "start": "It runs.",
    "pause": "It pauses: nobody new takes part.",
    "resume": "It goes on.",
    "stop": "It is stopped: every flow begins in its current version again.",
    "ramp": "The coverage has changed.",
    "step": "The next step of the ramp is taken.",
    "count": "Counted now.",
    "force": "This unit sees that variant from now on, and what it does is not analysed.",
    "unforce": "This unit gets what everybody gets.",
    "rebase": "A new phase is planned on the version that runs now. Look at it, then start.",
    "archive": "It is put away.",
    "delete": "The plan is deleted.",
}
