"""The decision page: what was decided on which numbers, whether the record is whole, and the form that adds to it."""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from experiments import queries, services
from experiments.admin import drawing
from experiments.admin.frame import Framed
from experiments.models import Decision, Experiment
from experiments.services.rows import content
from mcp_platform.admin_base import pretty
from mcp_platform.tenancy.models import User
from mcp_platform.tenancy.pages import principal

IDENTITY: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DECIDABLE: Final = ("running", "paused", "stopped")
VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "promote": ("Published", "success"),
    "keep": ("The base stays", "info"),
    "inconclusive": ("Inconclusive", ""),
    "stop": ("Stopped", "danger"),
    "rebase": ("Another phase", "primary"),
    "weights": ("Other percentages", "primary"),
}


class Deciding(Framed):
    """Mixed into the page of an experiment."""

    def decisions_page(self, request: HttpRequest, pk: Any) -> HttpResponse:
        row = self.row(request, pk, "run" if request.method == "POST" else "view")
        if request.method == "POST":
            return self._decide(request, row)
        broken = services.verify_decisions(row)
        found = row.findings or {}
        return self.show(
            request,
            "experiments/decisions.html",
            title=row.name,
            broken=broken,
            records=[_record(one, broken) for one in queries.decisions(row)],
            findings=found,
            arms=[one for one in row.variants.all() if not one.is_control],
            decidable=row.state in DECIDABLE,
            warnings=warnings(row, found),
            **self.frame(request, row, "decisions"),
        )

    def _decide(self, request: HttpRequest, row: Experiment) -> HttpResponse:
        given, to = request.POST, self.to("decisions", row.pk)
        verdict, reason = given.get("verdict", ""), given.get("reason", "").strip()[:2000]
        if not reason or not verdict:
            messages.error(request, "Say what becomes of it, and why: the record keeps it.")
            return HttpResponseRedirect(to)
        by, overwrite = principal(request, row.tenant), bool(given.get("overwrite_draft"))
        return self.perform(request, lambda: decide(row, verdict, reason, overwrite, by), done="It is decided, and the decision is kept.", to=to)


def decide(row: Experiment, verdict: str, reason: str, overwrite: bool, by: Any) -> Decision:
    """`verdict`: promote:<variant>, keep or inconclusive."""
    if verdict.startswith("promote:"):
        variant = verdict.removeprefix("promote:")
        return services.promote(row.tenant, key=row.pk, variant=variant, reason=reason, overwrite_draft=overwrite, by=by)
    return services.decide(row.tenant, key=row.pk, verdict="keep" if verdict == "keep" else "inconclusive", reason=reason, by=by)


def warnings(row: Experiment, found: Mapping[str, Any]) -> list[str]:
    """What somebody should think of who decides now."""
    code = found.get("verdict", {}).get("code", "")
    said = {
        "mismatch": "Units were not shared out as planned: no number here can be believed.",
        "harm": "A guardrail is broken.",
        "undecided": "No difference is certain: whatever you choose, the numbers do not say that it is the better one.",
        "wait": "The planned units are not there yet; a test that is read early cries wolf.",
        "optimises": "A bandit tells no effect.",
    }
    told = [said[code]] if code in said else []
    if not found:
        told.append("Nothing was counted yet.")
    if row.state in ("running", "paused"):
        told.append("It still runs: deciding ends it.")
    return told


def _record(one: Decision, broken: int | None) -> dict[str, Any]:
    label, colour = VERDICTS.get(one.verdict, (one.verdict, ""))
    numbers = one.numbers or {}
    return {
        "row": one,
        "who": _who(one.by),
        "label": label,
        "colour": colour,
        "holds": broken is None or one.number < broken,
        "said": numbers.get("verdict", {}).get("sentence", ""),
        "exposed": numbers.get("exposed", 0),
        "metrics": [_line(metric, arm) for metric in numbers.get("metrics", ()) for arm in metric["arms"] if not arm["control"]],
        "content": pretty(content(one)),
    }


def _who(actor: str) -> str:
    """A person by name; of a key or a program as it stands."""
    kind, _, key = actor.partition(":")
    found = User.objects.filter(pk=key).first() if kind == "user" and IDENTITY.fullmatch(key) else None
    return found.get_username() if found is not None else actor


def _line(metric: Mapping[str, Any], arm: Mapping[str, Any]) -> dict[str, str]:
    difference = arm.get("difference") or {}
    value, lower, upper = (drawing.told(metric, difference.get(name), signed=True) for name in ("value", "lower", "upper"))
    within = f"{lower} … {upper}" if difference.get("lower") is not None else drawing.unsaid(arm)
    return {"metric": metric["label"], "role": metric["role"], "arm": arm["key"], "value": value, "within": within}
