"""What the walk through all doors (tests/platform/test_walk.py) finds of experiments: one that is planned, one that runs, and what they share."""

from typing import Any

from django.db.models import Model

from experiments import services
from experiments.models import Evaluation, Experiment, Holdout, MetricDefinition, Namespace
from flows.models import Flow

ONE = "experiments/{key}"
EVALUATED = "experiments/{valid_key}/evaluations"
METRIC = "experiment-metrics/{metric_key}"
ROOM = "experiment-namespaces/{namespace_key}"
HELD = "experiment-holdouts/{holdout_key}"
SECOND = {"states": {"ask": {"config": {"prompts": {"name": "Who are you?"}}}}}


def _variants() -> list[dict[str, Any]]:
    return [{"key": "control", "is_control": True, "percentage": 50.0}, {"key": "second", "percentage": 50.0, "modifications": SECOND}]


def _plan(names: Any) -> dict[str, Any]:
    return {"key": "new", "name": "New", "flow": "ours-flow", "variants": _variants(), "metrics": [{"metric": "ours-metric", "role": "primary"}]}


EXPERIMENTS: tuple[tuple[Any, ...], ...] = (
    ("GET experiments", 200, None, 200),
    ("POST experiments", 201, _plan),
    ("GET experiment-features", 200, None, 200),
    (f"GET {ONE}",),
    (f"PATCH {ONE}", 200, {"hypothesis": "new"}),
    (f"DELETE {ONE}", 204),
    (f"POST {ONE}/validate",),
    ("POST experiments/{valid_key}/start",),
    ("POST experiments/{running_key}/pause",),
    ("POST experiments/{paused_key}/resume",),
    ("POST experiments/{running_key}/stop", 200, {"reason": "enough"}),
    ("POST experiments/{running_key}/ramp", 200, {"coverage": 0.5}),
    ("POST experiments/{ramped_key}/step",),
    (f"GET {ONE}/review",),
    ("POST experiment-sizing", 200, {"baseline": 0.5, "effect": 0.1}, 200),
    ("POST experiments/{valid_key}/rebase",),
    (f"POST {ONE}/archive",),
    (f"POST {ONE}/forces", 200, {"unit": "ours-user", "variant": "second"}),
    (f"GET {ONE}/decisions",),
    ("POST experiments/{running_key}/decisions", 201, {"verdict": "keep", "reason": "no difference"}),
    (f"GET {EVALUATED}",),
    (f"POST {EVALUATED}", 202, {"kind": "simulation"}),
    (f"GET {EVALUATED}/{{evaluation_id}}",),
    (f"DELETE {EVALUATED}/{{evaluation_id}}", 204),
    (f"GET {ONE}/findings",),
    (f"POST {ONE}/findings",),
    ("GET experiment-metrics", 200, None, 200),
    ("POST experiment-metrics", 201, {"key": "new", "name": "New", "measure": "csat"}, 201),
    (f"GET {METRIC}",),
    (f"PATCH {METRIC}", 200, {"name": "ours-new"}),
    ("DELETE experiment-metrics/{spare_key}", 204),
    ("GET experiment-namespaces", 200, None, 200),
    ("POST experiment-namespaces", 201, {"key": "new"}, 201),
    (f"GET {ROOM}",),
    (f"PATCH {ROOM}", 200, {"name": "ours-new"}),
    ("DELETE experiment-namespaces/{free_key}", 204),
    ("GET experiment-holdouts", 200, None, 200),
    ("POST experiment-holdouts", 201, {"key": "new", "share": 0.1}, 201),
    (f"GET {HELD}",),
    (f"PATCH {HELD}", 200, {"name": "ours-new"}),
    (f"DELETE {HELD}", 204),
)
STANDS_FOR = {
    f"{{{name}}}": "{key}"
    for name in ("valid_key", "running_key", "ramped_key", "paused_key", "metric_key", "spare_key", "namespace_key", "free_key", "holdout_key")
}


def experiments(flow: Flow) -> tuple[dict[str, Any], dict[type[Model], Model]]:
    """Names for addresses, and the rows of the admin's pages."""
    ours = flow.tenant
    services.save_metric(ours, fields={"key": "ours-metric", "name": "ours-completed", "measure": "completion"}, by=None)
    services.save_metric(ours, fields={"key": "ours-spare", "name": "ours-spare", "measure": "csat"}, by=None)
    for room in ("ours-room", "ours-free"):
        services.save_namespace(ours, fields={"key": room}, by=None)
    services.save_holdout(ours, fields={"key": "ours-kept", "share": 0.1}, by=None)
    made = {}
    ramp = [{"coverage": 0.5}, {"coverage": 1.0}]
    for number, name in enumerate(("plan", "valid", "running", "ramped", "paused")):
        spans = {"namespace": "ours-room", "namespace_start": number / 5, "namespace_end": (number + 1) / 5, "ramp": ramp if name == "ramped" else []}
        fields = {**_plan({}), "key": f"ours-{name}", "name": f"ours-{name}", "flow": flow.flow_id, **spans}
        row = services.create(ours, fields=fields, by=None)
        if name != "plan":
            services.validate(ours, key=row.key, by=None)
        if name in ("running", "ramped", "paused"):
            services.start(ours, key=row.key, by=None)
        made[name] = row.key
    services.pause(ours, key=made["paused"], by=None)
    evaluation = services.prepare(ours, key=made["valid"], kind="replay", by=None)
    names = {
        "key": made["plan"],
        "valid_key": made["valid"],
        "evaluation_id": evaluation.pk,
        "running_key": made["running"],
        "ramped_key": made["ramped"],
        "paused_key": made["paused"],
        "metric_key": "ours-metric",
        "spare_key": "ours-spare",
        "namespace_key": "ours-room",
        "free_key": "ours-free",
        "holdout_key": "ours-kept",
    }
    rows: dict[type[Model], Model] = {
        Evaluation: evaluation,
        Experiment: Experiment.objects.get(tenant=ours, key=made["running"]),
        MetricDefinition: MetricDefinition.objects.get(tenant=ours, key="ours-metric"),
        Namespace: Namespace.objects.get(tenant=ours, key="ours-room"),
        Holdout: Holdout.objects.get(tenant=ours, key="ours-kept"),
    }
    return names, rows
