"""The forms of the steps in which an experiment is planned. They know what a field looks like; whether a plan holds is for the services to say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django import forms
from django.utils.text import slugify

from experiments import queries
from experiments.core.metrics import MEASURES
from experiments.models import KEY, Experiment, ExperimentMetric
from experiments.services.challenging import UNITS, measures
from experiments.services.checking import MOST_STEPS
from flows import queries as flows
from flows.models import FlowVersion
from mcp_platform.admin_base import JsonField, refused_fields
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy.models import Tenant

Choices = list[tuple[str, str]]
BOX: Final = {"class": "mcp-input"}
LEAST_ROWS: Final = 6  # for steps of a ramp
SPARE_ROWS: Final = 2
LISTED: Final = ("channel", "locale")  # what targeting is mostly about, as words with commas between
MOST_ARMS: Final = 5
RAMP: Final = re.compile(r"^\$\.ramp\[(\d+)\]\.(\w+)")
CELLS: Final[Mapping[str, str]] = {"coverage": "coverage", "min_hours": "hours", "min_units": "units"}
# Offered where a tenant has no metric of that measure yet: (key, name).
USUAL: Final[Mapping[str, tuple[str, str]]] = {
    "completion": ("completed", "Completed"),
    "drop_off": ("dropped_off", "Dropped off"),
    "turns_to_completion": ("turns_to_completion", "Messages until completion"),
    "low_confidence_rate": ("not_understood", "Not understood"),
    "handoff_rate": ("handed_over", "Handed to a person"),
    "turn_failures": ("turn_failures", "Failed turns"),
    "turn_latency": ("turn_latency", "Milliseconds of a turn"),
    "slot_retries": ("slot_retries", "Refused slot values"),
    "csat": ("satisfaction", "Satisfaction"),
    "intent_confidence": ("intent_confidence", "Confidence of intents"),
    "precision_at": ("right_among_first", "Right among the first"),
    "confirmed_share": ("confirmed_share", "Confirmed of the judged"),
    "findings_fixed": ("findings_fixed", "Findings fixed"),
}


def text(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={**BOX, **attrs})


def area(rows: int = 2, **attrs: Any) -> forms.Textarea:
    return forms.Textarea(attrs={**BOX, "rows": rows, **attrs})


def figure(**attrs: Any) -> forms.NumberInput:
    return forms.NumberInput(attrs={**BOX, "step": "any", **attrs})


def choice(choices: Iterable[tuple[Any, Any]], **more: Any) -> forms.ChoiceField:
    return forms.ChoiceField(choices=list(choices), widget=forms.Select(attrs=BOX), **more)


def share(**more: Any) -> forms.FloatField:
    """In percent."""
    return forms.FloatField(min_value=0, max_value=100, widget=figure(min=0, max=100), **more)


class StepForm(forms.Form):
    """What a service refuses is shown on the field it is about, with the input kept."""

    def refuse(self, error: PlatformError) -> None:
        for name, message in refused_fields(error):
            self.mark(name or "", message)

    def mark(self, name: str, message: str) -> None:
        self.add_error(name if name in self.fields else None, message)


def _flows(tenant: Tenant) -> Choices:
    """Those that run somewhere; there is nothing to compare with before."""
    published = FlowVersion.objects.for_tenant(tenant).values("flow")
    rows = flows.flows(tenant).filter(archived_at=None, pk__in=published).values_list("flow_id", "name")
    return [(flow_id, name or flow_id) for flow_id, name in rows]


class QuestionForm(StepForm):
    name = forms.CharField(max_length=200, label="What is tried out", widget=text(placeholder="A shorter question about storeys", autofocus=True))
    hypothesis = forms.CharField(
        max_length=2000,
        required=False,
        label="What you expect, and why",
        widget=area(3, placeholder="Fewer people leave at the intake, because they need to read less."),
    )

    def __init__(self, data: Any, *, tenant: Tenant, row: Experiment | None = None) -> None:
        initial = {} if row is None else {"name": row.name, "hypothesis": row.hypothesis, "environment": row.environment.name}
        super().__init__(data, initial={**initial, "flow": row.flow.flow_id if row is not None and row.flow else ""})
        self.tenant, self.row = tenant, row
        if row is None or row.kind != Experiment.Kind.RISK_MODEL:
            self.fields["flow"] = choice(_flows(tenant), label="Flow")
        self.fields["environment"] = choice([(one.name, one.name) for one in flows.environments(tenant)], label="Environment")
        if row is None:
            self.fields["key"] = forms.CharField(
                max_length=63,
                required=False,
                validators=[KEY],
                label="Key",
                widget=text(placeholder="made from the name"),
                help_text="As events and reports call it",
            )
            kinds = [(Experiment.Kind.FLOW, "The flow"), (Experiment.Kind.INTENT_MODEL, "The model that understands its users")]
            self.fields["kind"] = choice(
                [*kinds, (Experiment.Kind.RISK_MODEL, "The ranking of findings (of no flow)")], required=False, label="What differs"
            )
            self.fields["arms"] = choice([(n, f"{n} against the control") for n in range(1, MOST_ARMS + 1)], label="Variants")

    def plan(self) -> dict[str, Any]:
        """Fields of `services.create` or `services.change`."""
        given = dict(self.cleaned_data)
        if self.row is not None:
            return given
        arms = int(given.pop("arms"))
        given["key"] = given["key"] or fresh_key(self.tenant, given["name"])
        given["kind"] = given["kind"] or Experiment.Kind.FLOW
        if given["kind"] == Experiment.Kind.RISK_MODEL:
            given["flow"] = None
        return {**given, "variants": equal_arms(arms)}


def fresh_key(tenant: Tenant, name: str) -> str:
    base = re.sub(r"^[^a-z]+", "", slugify(name))[:55] or "experiment"
    taken = set(queries.experiments(tenant).filter(key__startswith=base).values_list("key", flat=True))
    return next(key for key in (base, *(f"{base}-{n}" for n in range(2, len(taken) + 3))) if key not in taken)


def equal_arms(arms: int) -> list[dict[str, Any]]:
    """The control, and so many that are still like it."""
    part = round(100 / (arms + 1), 2)
    rest = [{"key": "variant" if arms == 1 else f"variant-{n}", "percentage": part} for n in range(1, arms + 1)]
    return [{"key": "control", "is_control": True, "percentage": round(100 - part * arms, 2)}, *rest]


class WhoForm(StepForm):
    unit = choice(Experiment.Unit.choices, label="What is shared out", help_text="Users keep their variant over all their conversations")
    coverage = share(label="How many of them take part (%)")
    allocation = choice(Experiment.Allocation.choices, label="How")
    channel = forms.CharField(required=False, label="Only these channels", widget=text(placeholder="web, api"))
    locale = forms.CharField(required=False, label="Only these languages", widget=text(placeholder="en, de"))
    targeting = JsonField(
        required=False, initial=dict, label="Only who fits this condition", help_text="MongoDB-like, as GrowthBook's; user_id, profile.… and more"
    )
    namespace_start = share(required=False, label="from (%)")
    namespace_end = share(required=False, label="to (%)")
    starts_at = forms.DateTimeField(
        required=False, label="Nobody before (UTC)", widget=forms.DateTimeInput(attrs={**BOX, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )
    ends_at = forms.DateTimeField(
        required=False, label="Stops by itself at (UTC)", widget=forms.DateTimeInput(attrs={**BOX, "type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )
    auto_stop = forms.BooleanField(required=False, label="Stop by itself when a guardrail breaks or units are shared out wrongly")

    def __init__(self, data: Any, *, row: Experiment) -> None:
        named, rest = split_targeting(row.targeting)
        plain = {name: getattr(row, name) for name in ("unit", "allocation", "starts_at", "ends_at", "auto_stop")}
        shares = {name: percentage(getattr(row, name)) for name in ("coverage", "namespace_start", "namespace_end")}
        names = {"namespace": row.namespace.key if row.namespace else "", "holdout": row.holdout.key if row.holdout else ""}
        super().__init__(data, initial={**plain, **shares, **names, **named, "targeting": rest, **ramp_fields(row.ramp)})
        self.fields["unit"].choices = [(unit, Experiment.Unit(unit).label) for unit in UNITS[row.kind]]  # type: ignore[attr-defined]  # of a choice
        self.fields["namespace"] = choice([("", "none"), *_keys(queries.namespaces(row.tenant))], required=False, label="Namespace")
        self.fields["holdout"] = choice([("", "none"), *_keys(queries.holdouts(row.tenant))], required=False, label="Holdout")
        self.steps = max(MOST_STEPS, len(row.ramp or []))
        for index in range(self.steps):
            self.fields[f"ramp_{index}_coverage"] = share(required=False)
            self.fields[f"ramp_{index}_hours"] = forms.FloatField(required=False, min_value=0, widget=figure(min=0))
            self.fields[f"ramp_{index}_units"] = forms.IntegerField(required=False, min_value=0, widget=forms.NumberInput(attrs={**BOX, "min": 0}))

    def mark(self, name: str, message: str) -> None:
        """A fault of a step of the ramp is shown in its row."""
        place = RAMP.match(message)
        filled = [index for index in range(self.steps) if self._typed(index)]
        if place and int(place[1]) < len(filled):
            cell = f"ramp_{filled[int(place[1])]}_{CELLS.get(place[2], 'coverage')}"
            super().mark(cell, f"This {message.partition(': ')[2]}")
        else:
            super().mark(name, message)

    def _typed(self, index: int) -> Any:
        name = f"ramp_{index}_coverage"
        return self.data.get(name) if self.is_bound else self.initial.get(name)

    def clean_targeting(self) -> Any:
        given = self.cleaned_data["targeting"]
        if not isinstance(given, dict):
            raise forms.ValidationError("A condition is an object: {…}.")
        return given

    def ramp_rows(self) -> list[list[forms.BoundField]]:
        """Every step, and some to spare."""
        filled = max((index + 1 for index in range(self.steps) if self._typed(index)), default=0)
        shown = min(max(filled + SPARE_ROWS, LEAST_ROWS), self.steps)
        return [[self[f"ramp_{index}_{name}"] for name in CELLS.values()] for index in range(shown)]

    def plan(self) -> dict[str, Any]:
        given = self.cleaned_data
        plain = {name: given[name] for name in ("unit", "allocation", "starts_at", "ends_at", "auto_stop")}
        shares = {
            name: (given[name] if given[name] is not None else other) / 100
            for name, other in (("coverage", 100), ("namespace_start", 0), ("namespace_end", 100))
        }
        names = {name: given[name] or None for name in ("namespace", "holdout")}
        listed = {name: words(given[name]) for name in LISTED if words(given[name])}
        return {**plain, **shares, **names, "targeting": joined_targeting(listed, given["targeting"]), "ramp": self._ramp()}

    def _ramp(self) -> list[dict[str, Any]]:
        given = self.cleaned_data
        rows = [[given[f"ramp_{index}_{name}"] for name in CELLS.values()] for index in range(self.steps)]
        return [{"coverage": cover / 100, "min_hours": hours or 0, "min_units": units or 0} for cover, hours, units in rows if cover]


def percentage(value: float) -> float:
    found = float(f"{value * 100:.10g}")
    return int(found) if found.is_integer() else found


def _keys(rows: Iterable[Any]) -> Choices:
    return [(row.key, row.name or row.key) for row in rows]


def ramp_fields(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for index, step in enumerate(steps):
        found |= {
            f"ramp_{index}_coverage": percentage(step["coverage"]),
            f"ramp_{index}_hours": step.get("min_hours") or None,
            f"ramp_{index}_units": step.get("min_units") or None,
        }
    return found


def words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def split_targeting(targeting: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """(what the plain fields can show, the rest)."""
    named = {name: _as_words(targeting[name]) for name in LISTED if name in targeting}
    shown = {name: value for name, value in named.items() if value}
    return shown, {name: value for name, value in targeting.items() if name not in shown}


def _as_words(value: Any) -> str:
    held = value.get("$in") if isinstance(value, Mapping) and set(value) == {"$in"} else [value]
    return ", ".join(held) if isinstance(held, list) and held and all(isinstance(one, str) and one and "," not in one for one in held) else ""


def joined_targeting(listed: Mapping[str, list[str]], rest: Mapping[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {name: {"$in": found} if len(found) > 1 else found[0] for name, found in listed.items()}
    both = named.keys() & rest.keys()
    return {"$and": [named, dict(rest)]} if both else {**named, **rest}


class SizeForm(StepForm):
    stats_mode = choice(Experiment.Mode.choices, label="When the answer is read")
    baseline = forms.FloatField(
        required=False, min_value=-1e12, max_value=1e12, label="The primary metric now", widget=figure(), help_text="A share as a number from 0 to 1"
    )
    minimum_effect = forms.FloatField(
        min_value=0.0001,
        max_value=1e12,
        label="Smallest difference worth knowing of",
        widget=figure(),
        help_text="Absolute: 0.05 is five points of a share",
    )
    alpha = forms.FloatField(label="Chance of a false alarm", widget=figure(min=0.0001, max=0.4999))
    power = forms.FloatField(label="Chance to find it", widget=figure(min=0.5, max=0.9999))

    def __init__(self, data: Any, *, row: Experiment) -> None:
        super().__init__(data, initial={name: getattr(row, name) for name in SIZES})
        self.row = row
        self.rows = metric_rows(row)
        for one in self.rows:
            roles = [("", "not measured"), *ExperimentMetric.Role.choices]
            self.fields[f"role_{one['key']}"] = choice(roles, required=False, initial=one["role"])
            self.fields[f"margin_{one['key']}"] = forms.FloatField(required=False, min_value=0, initial=one["margin"] or None, widget=figure(min=0))

    def metric_fields(self) -> list[dict[str, Any]]:
        return [{**one, "role_field": self[f"role_{one['key']}"], "margin_field": self[f"margin_{one['key']}"]} for one in self.rows]

    def plan(self) -> dict[str, Any]:
        given = self.cleaned_data
        used = [
            {"metric": one["key"], "role": given[f"role_{one['key']}"], "margin": given[f"margin_{one['key']}"] or 0.0}
            for one in self.rows
            if given[f"role_{one['key']}"]
        ]
        return {**{name: given[name] for name in SIZES}, "metrics": used}

    def new_metrics(self) -> list[dict[str, Any]]:
        """Of those that were chosen, the usual ones that the tenant does not have yet."""
        return [
            {"key": one["key"], "name": one["label"], "measure": one["measure"]}
            for one in self.rows
            if not one["known"] and self.cleaned_data[f"role_{one['key']}"]
        ]


SIZES: Final = ("stats_mode", "baseline", "minimum_effect", "alpha", "power")


def metric_rows(row: Experiment) -> list[dict[str, Any]]:
    """The tenant's metrics, then the usual ones that it lacks, each with the part that it plays here."""
    used = {one.metric.key: one for one in row.metrics.all()}
    known = [one for one in queries.metrics(row.tenant) if measures(row.kind, one.measure)]
    measured = {one.measure for one in known}
    keys = set(queries.metrics(row.tenant).values_list("key", flat=True))
    found: list[dict[str, Any]] = [
        {"key": one.key, "label": str(one), "measure": one.measure, "of": one.of, "known": True, "about": MEASURES[one.measure].label}
        for one in known
    ]
    found += [
        {"key": key, "label": name, "measure": measure, "of": "", "known": False, "about": MEASURES[measure].label}
        for measure, (key, name) in USUAL.items()
        if measure not in measured and key not in keys and measures(row.kind, measure)
    ]
    for one in found:
        use = used.get(one["key"])
        one.update(role=use.role if use else "", margin=use.margin if use else 0.0)
    return sorted(found, key=lambda one: ("primary", "secondary", "guardrail", "").index(one["role"]))
