"""The step that says what differs: each variant with its share and its modifications, shown as the difference of two flows."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from experiments import services
from experiments.admin.frame import rev_of
from experiments.models import Experiment, Variant
from experiments.services import challenging, drafting
from flows import queries as flows
from mcp_platform.admin_base import JsonField, JsonWidget, tell
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.pages import principal

if TYPE_CHECKING:
    from experiments.admin.planning import Planning

STATE: Final = re.compile(r'\$\.states(?:\.([^.\[]+)|\["((?:[^"\\]|\\.)+)"\])')
PLACE: Final = re.compile(r"^\$\.variants\[(\d+)\](?:\.(\w+))?(.*)$")
VERSIONS: Final = 30
Fault = Mapping[str, Any]


def page(plan: "Planning", request: HttpRequest, row: Experiment) -> HttpResponse:
    """GET shows, POST saves and does what the button says: save, look, add, equal, drop:N, draft:N, version:N, state:N."""
    held = list(row.variants.all())
    if request.method != "POST":
        return _shown(plan, request, row, [_of_row(one) for one in held], [])
    given, faults = _read(request.POST, held)
    verb, _, place = request.POST.get("do", "save").partition(":")
    index = int(place) if place.isdecimal() and int(place) < len(given) else None
    if faults:
        return _shown(plan, request, row, given, faults)
    try:
        wanted = _done(row, given, verb, index, request.POST)
        services.change(row.tenant, key=row.pk, fields={"variants": wanted}, expected_rev=rev_of(request), by=principal(request, row.tenant))
    except PlatformError as refused:
        details = [one for one in refused.details.get("errors") or () if str(one.get("path", "")).startswith("$.variants")]
        if not details:
            tell(request, refused)
        return _shown(plan, request, row, given, details)
    return HttpResponseRedirect(_next(plan, request, row, verb, index, wanted))


def _next(plan: "Planning", request: HttpRequest, row: Experiment, verb: str, index: int | None, wanted: list[dict[str, Any]]) -> str:
    if verb == "state" and index is not None:
        asked = {"variant": wanted[index]["key"], "state": request.POST.get(f"state_{index}", "")}
        return f"{plan.to('state', row.pk)}?{urlencode(asked)}"
    return plan.to("plan", row.pk, "who" if verb == "save" else "differs")


def _done(row: Experiment, given: list[dict[str, Any]], verb: str, index: int | None, post: Mapping[str, str]) -> list[dict[str, Any]]:
    """The variants as the button wants them."""
    if verb == "add":
        return _equal([*given, {"key": _fresh(given), "percentage": 0.0}])
    if verb == "drop" and index is not None and not given[index].get("is_control"):
        return _equal([one for place, one in enumerate(given) if place != index])
    if verb == "equal":
        return _equal(given)
    if verb in ("draft", "version") and index is not None:
        chosen = post.get(f"version_{index}", "")
        number = int(chosen) if chosen.isdecimal() and len(chosen) < 9 else 0
        kind, modifications = drafting.of_draft(row) if verb == "draft" else drafting.of_version(row, number)
        return [{**one, "patch_format": kind, "modifications": modifications} if place == index else one for place, one in enumerate(given)]
    return given


def _fresh(given: list[dict[str, Any]]) -> str:
    keys = {one["key"] for one in given}
    return next(key for n in range(1, len(keys) + 2) if (key := f"variant-{n}") not in keys)


def _equal(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    part = round(100 / len(given), 2)
    control = next((place for place, one in enumerate(given) if one.get("is_control")), 0)
    rest = round(100 - part * (len(given) - 1), 2)
    return [{**one, "percentage": rest if place == control else part} for place, one in enumerate(given)]


def _of_row(one: Variant) -> dict[str, Any]:
    return {
        "key": one.key,
        "name": one.name,
        "is_control": one.is_control,
        "percentage": one.percentage,
        "patch_format": one.patch_format,
        "modifications": one.modifications,
        "metadata": one.metadata,
        **({"model": one.model_id} if one.model_id else {}),
    }


def _read(post: Mapping[str, str], held: list[Variant]) -> tuple[list[dict[str, Any]], list[Fault]]:
    """What was typed, and what of it cannot be read. What is not on the page stays as it is."""
    found: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for index, one in enumerate(held):
        given = _of_row(one)
        for name, read in (
            ("key", _key),
            ("name", _text),
            ("percentage", _figure),
            ("patch_format", _format),
            ("modifications", _json),
            ("model", _model),
        ):
            field = f"{name}_{index}"
            if field not in post:
                continue
            try:
                given[name] = read(post[field])
            except ValueError as refused:
                given[f"typed_{name}"] = post[field]
                faults.append({"path": f"$.variants[{index}].{name}", "message": str(refused), "expected": ""})
        found.append(given)
    return found, faults


def _key(typed: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_\-]{0,62}", typed):
        raise ValueError("Small letters, digits, _ and -; starts with a letter; at most 63 characters.")
    return typed


def _text(typed: str) -> str:
    return typed.strip()[:200]


def _figure(typed: str) -> float:
    try:
        number = float(typed)
    except ValueError:
        raise ValueError("Enter a number.") from None
    if not 0 <= number <= 100:
        raise ValueError("Enter a number from 0 to 100.")
    return number


def _format(typed: str) -> str:
    return typed if typed in Variant.Format.values else Variant.Format.MERGE.value


def _json(typed: str) -> Any:
    try:
        return JsonField(required=False, initial=dict).clean(typed)
    except ValidationError as refused:
        raise ValueError(" ".join(refused.messages)) from refused


def _model(typed: str) -> Any:
    try:
        return UUID(typed) if typed else None
    except ValueError:
        raise ValueError("Choose a model.") from None


def _shown(plan: "Planning", request: HttpRequest, row: Experiment, given: list[dict[str, Any]], faults: list[Fault]) -> HttpResponse:
    """`faults`: of what was just typed; without any, those of the plan as it is saved."""
    known: Sequence[Fault] = faults or services.review(row, services.sizing(row))["faults"]
    held = list(row.variants.all())
    cards = [
        {
            **one,
            "index": index,
            "text": one.get("typed_modifications", json.dumps(one["modifications"] or {}, indent=2, ensure_ascii=False)),
            "share": one.get("typed_percentage", f"{one['percentage']:g}"),
            "faults": _of(known, index),
            "changes": changes(row, held[index]) if not faults else None,
        }
        for index, one in enumerate(given)
    ]
    running = row.kind == Experiment.Kind.FLOW and row.flow is not None
    return plan.step(
        request,
        row,
        "differs",
        cards=cards,
        typed=faults,
        formats=Variant.Format.choices,
        states=_states(row) if running else [],
        versions=list(flows.versions(row.tenant, row.flow.pk).values_list("number", flat=True)[:VERSIONS]) if row.flow else [],
        total=sum(one["percentage"] for one in given),
        is_flow=row.kind == Experiment.Kind.FLOW,
        models=_models(row),
    )


def _of(faults: Sequence[Fault], index: int) -> list[dict[str, str]]:
    """Those of one variant, without the way to it."""
    found = []
    for one in faults:
        place = PLACE.match(str(one["path"]))
        if place and int(place[1]) == index:
            rest = place[3].lstrip(".: ")
            found.append({"where": rest, "message": str(one["message"]), "expected": str(one.get("expected") or "")})
    return found


def _states(row: Experiment) -> list[str]:
    control = next(iter(row.variants.all()), None)
    try:
        return list(drafting.states_of(row, control)) if control is not None else []
    except PlatformError:
        return []


def _models(row: Experiment) -> list[tuple[str, str]]:
    return (
        [(str(one.pk), f"{one} ({one.get_status_display().lower()})") for one in challenging.candidates(row)]
        if row.kind != Experiment.Kind.FLOW
        else []
    )


def changes(row: Experiment, variant: Variant) -> dict[str, Any]:
    """Context of templates/flows/diff.html: what a variant changes, by state."""
    refused, found = services.changed(row, variant)
    groups: dict[str, list[dict[str, str]]] = {}
    for change in found:
        place = STATE.match(change.path)
        told = {
            "kind": change.kind.value,
            "label": (change.path[place.end() :].lstrip(".") or "the state") if place else change.path.removeprefix("$."),
            "before": _said(change.before),
            "after": _said(change.after),
        }
        groups.setdefault((place[1] or place[2]) if place else "", []).append(told)
    listed = [{"state": state, "changes": told} for state, told in groups.items()]
    return {"refused": refused, "groups": listed, "before": "what runs", "after": str(variant), "count": len(found)}


def _said(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, indent=1)


def state_page(plan: "Planning", request: HttpRequest, row: Experiment) -> HttpResponse:
    """Write one state of a variant anew; the modifications are worked out from that."""
    index, variant = next(
        ((n, one) for n, one in enumerate(row.variants.all()) if one.key == request.GET.get("variant") and not one.is_control), (0, None)
    )
    if variant is None:
        raise Http404("There is no such variant.")
    try:
        states = drafting.states_of(row, variant)
    except PlatformError as fault:
        tell(request, fault)
        return HttpResponseRedirect(plan.to("plan", row.pk, "differs"))
    name = request.GET.get("state", "")
    if name not in states:
        raise Http404("There is no such state.")
    typed, refused = json.dumps(states[name], indent=2, ensure_ascii=False), ""
    if request.method == "POST":
        typed = request.POST.get("state", "")
        try:
            kind, modifications = drafting.with_state(row, variant, name, _object(typed))
            given = [
                {**_of_row(one), **({"patch_format": kind, "modifications": modifications} if n == index else {})}
                for n, one in enumerate(row.variants.all())
            ]
            services.change(row.tenant, key=row.pk, fields={"variants": given}, expected_rev=rev_of(request), by=principal(request, row.tenant))
            messages.success(request, f"{variant} says this in the state {name} now.")
            return HttpResponseRedirect(plan.to("plan", row.pk, "differs"))
        except ValueError as fault:
            refused = str(fault)
        except PlatformError as fault:
            refused = fault.message
    widget = JsonWidget({"rows": 24, "aria-label": f"The state {name}"}).render("state", typed)
    return plan.step(request, row, "state", variant=variant, name=name, widget=widget, refused=refused, back=plan.to("plan", row.pk, "differs"))


def _object(typed: str) -> dict[str, Any]:
    found = _json(typed)
    if not isinstance(found, dict):
        raise ValueError("A state is an object: {…}.")
    return found
