"""Bad plans, bad variants, bad deeds of experiments, and what they share. The office has a draft `plan` on the flow permit with the metric `done`."""

from typing import Any

from tests.platform.bad_input.row import Bad

SCHEMA, INVALID = "SCHEMA_ERROR", "EXPERIMENT_INVALID"
NEW, ONE = "POST experiments", "experiments/plan"
PROMPT = {"states": {"ask": {"config": {"prompts": {"storeys": "Storeys?"}}}}}


def arms(**second: Any) -> list[dict[str, Any]]:
    return [{"key": "control", "is_control": True, "percentage": 50.0}, {"key": "short", "percentage": 50.0, "modifications": PROMPT, **second}]


def plan(**more: Any) -> dict[str, Any]:
    return {"key": "new", "name": "New", "flow": "permit", "variants": arms(), "metrics": [{"metric": "done", "role": "primary"}], **more}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in plan().items() if key != name}


ROWS = [
    Bad("plan that is a list", NEW, [], 400, SCHEMA, "$"),
    Bad("plan without a key", NEW, without("key"), 400, SCHEMA, "$.key"),
    Bad("plan without variants", NEW, without("variants"), 400, SCHEMA, "$.variants"),
    Bad("plan with a misspelt member", NEW, plan(coverige=0.5), 400, SCHEMA, "$.coverige"),
    Bad("plan with a key of two words", NEW, plan(key="two words"), 400, SCHEMA, "$.key"),
    Bad("plan of a made-up kind", NEW, plan(kind="colour"), 400, SCHEMA, "$.kind"),
    Bad("plan with a made-up unit", NEW, plan(unit="household"), 400, SCHEMA, "$.unit"),
    Bad("plan that covers more than everybody", NEW, plan(coverage=1.5), 400, SCHEMA, "$.coverage"),
    Bad("plan with a coverage in words", NEW, plan(coverage="half"), 400, SCHEMA, "$.coverage"),
    Bad("plan of no flow", NEW, plan(flow="nobody"), 404, "FLOW_NOT_FOUND"),
    Bad("plan of the neighbour's flow", NEW, plan(flow="theirs"), 404, "FLOW_NOT_FOUND"),
    Bad("plan in no environment", NEW, plan(environment="moon"), 404, "ENVIRONMENT_NOT_FOUND"),
    Bad("plan in no namespace", NEW, plan(namespace="nowhere"), 404, "NAMESPACE_NOT_FOUND"),
    Bad("plan that keeps no holdout", NEW, plan(holdout="nobody"), 404, "HOLDOUT_NOT_FOUND"),
    Bad("plan with no metric of ours", NEW, plan(metrics=[{"metric": "nothing", "role": "primary"}]), 404, "METRIC_NOT_FOUND"),
    Bad("plan with a made-up role", NEW, plan(metrics=[{"metric": "done", "role": "hero"}]), 400, SCHEMA, "$.metrics[0].role"),
    Bad("plan with a key that is taken", NEW, plan(key="plan"), 409, "ALREADY_EXISTS"),
    Bad("shares that sum to less", NEW, plan(variants=arms(percentage=20.0)), 400, INVALID, "$.variants"),
    Bad("two controls", NEW, plan(variants=arms(is_control=True)), 400, INVALID, "$.variants"),
    Bad("a share below nothing", NEW, plan(variants=arms(percentage=-1.0)), 400, SCHEMA, "$.variants[1].percentage"),
    Bad("an arm without a share", NEW, plan(variants=[{"key": "control", "is_control": True}]), 400, SCHEMA, "$.variants[0].percentage"),
    Bad("an arm with a made-up format", NEW, plan(variants=arms(patch_format="diff")), 400, SCHEMA, "$.variants[1].patch_format"),
    Bad("an arm with a model that is no id", NEW, plan(variants=arms(model="best")), 400, SCHEMA, "$.variants[1].model"),
    Bad("targeting that matches nobody", NEW, plan(targeting={"channel": {"$equals": "web"}}), 400, INVALID, "$.targeting.channel.$equals"),
    Bad("targeting that is a list", NEW, plan(targeting=[]), 400, SCHEMA, "$.targeting"),
    Bad("an error probability of two", NEW, plan(alpha=2.0), 400, INVALID, "$.alpha"),
    Bad("an error probability of nearly nothing", NEW, plan(alpha=1e-17), 400, INVALID, "$.alpha"),
    Bad("an end before the beginning", NEW, plan(starts_at="2030-02-01T00:00:00Z", ends_at="2030-01-01T00:00:00Z"), 400, INVALID, "$.ends_at"),
    Bad("an end in words", NEW, plan(ends_at="soon"), 400, SCHEMA, "$.ends_at"),
    Bad("a namespace from its end to its start", NEW, plan(namespace_start=0.8, namespace_end=0.2), 400, INVALID, "$.namespace_end"),
    Bad("a ramp that falls", NEW, plan(ramp=[{"coverage": 0.5}, {"coverage": 0.1}]), 400, INVALID, "$.ramp[1].coverage"),
    Bad("a ramp of ten thousand years", NEW, plan(ramp=[{"coverage": 0.5, "min_hours": 1e8}]), 400, INVALID, "$.ramp[0].min_hours"),
    Bad("a ramp of a hundred steps", NEW, plan(ramp=[{"coverage": n / 100} for n in range(1, 101)]), 400, INVALID, "$.ramp"),
    Bad("a metric twice", NEW, plan(metrics=[{"metric": "done", "role": "primary"}] * 2), 400, INVALID, "$.metrics[1]"),
    Bad("guardrails alone", NEW, plan(metrics=[{"metric": "done", "role": "guardrail"}]), 400, INVALID, "$.metrics"),
    Bad("an arm twice", NEW, plan(variants=arms(key="control")), 400, INVALID, "$.variants[1].key"),
    Bad(
        "a control that differs", NEW, plan(variants=[{**arms()[0], "modifications": PROMPT}, arms()[1]]), 400, INVALID, "$.variants[0].modifications"
    ),
    Bad("a ramp without coverage", NEW, plan(ramp=[{"min_hours": 1}]), 400, SCHEMA, "$.ramp[0].coverage"),
    Bad("no such experiment", "GET experiments/nothing", None, 404, "EXPERIMENT_NOT_FOUND"),
    Bad("the neighbour's experiment", f"GET {ONE}", None, 404, "EXPERIMENT_NOT_FOUND", by="neighbour"),
    Bad("experiments of a made-up state", "GET experiments?state=great", None, 400, SCHEMA, "$.state"),
    Bad("a change of an old revision", f"PATCH {ONE}", {"hypothesis": "x"}, 412, "STALE_ETAG", headers={"If-Match": '"77"'}),
    Bad("a change of what is not there", f"PATCH {ONE}", {"colour": "red"}, 400, SCHEMA, "$.colour"),
    Bad("a start of a draft", f"POST {ONE}/start", None, 409, "EXPERIMENT_STATE"),
    Bad("a pause of a draft", f"POST {ONE}/pause", None, 409, "EXPERIMENT_STATE"),
    Bad("a stop of a draft", f"POST {ONE}/stop", {}, 409, "EXPERIMENT_STATE"),
    Bad("a stop with a novel", f"POST {ONE}/stop", {"reason": "x" * 501}, 400, SCHEMA, "$.reason"),
    Bad("a ramp of a draft", f"POST {ONE}/ramp", {"coverage": 0.5}, 409, "EXPERIMENT_STATE"),
    Bad("a ramp beyond everybody", f"POST {ONE}/ramp", {"coverage": 7}, 400, SCHEMA, "$.coverage"),
    Bad("a ramp to nowhere", f"POST {ONE}/ramp", {}, 400, SCHEMA, "$.coverage"),
    Bad("a rebase of a draft", f"POST {ONE}/rebase", None, 409, "EXPERIMENT_STATE"),
    Bad("a force into no arm", f"POST {ONE}/forces", {"unit": "ada", "variant": "third"}, 404, "VARIANT_NOT_FOUND"),
    Bad("a force of nobody", f"POST {ONE}/forces", {"variant": "short"}, 400, SCHEMA, "$.unit"),
    Bad("a decision on a draft", f"POST {ONE}/decisions", {"verdict": "keep", "reason": "x"}, 409, "EXPERIMENT_STATE"),
    Bad("an evaluation of a draft", f"POST {ONE}/evaluations", {"kind": "replay"}, 409, "EXPERIMENT_STATE"),
    Bad("an evaluation of nothing", "POST experiments/nothing/evaluations", {"kind": "replay"}, 404, "EXPERIMENT_NOT_FOUND"),
    Bad("an evaluation without a kind", f"POST {ONE}/evaluations", {}, 400, SCHEMA, "$.kind"),
    Bad("an evaluation from tea leaves", f"POST {ONE}/evaluations", {"kind": "tea"}, 400, SCHEMA, "$.kind"),
    Bad("a replay with a seed", f"POST {ONE}/evaluations", {"kind": "replay", "seed": 1}, 400, INVALID, "$.seed"),
    Bad("a simulation of three", f"POST {ONE}/evaluations", {"kind": "simulation", "conversations": 3}, 400, INVALID, "$.conversations"),
    Bad("a simulation of a million", f"POST {ONE}/evaluations", {"kind": "simulation", "conversations": 10**6}, 400, SCHEMA, "$.conversations"),
    Bad("evaluations of a made-up kind", f"GET {ONE}/evaluations?kind=tea", None, 400, SCHEMA, "$.kind"),
    Bad("no such evaluation", f"GET {ONE}/evaluations/00000000-0000-4000-8000-000000000000", None, 404, "EVALUATION_NOT_FOUND"),
    Bad("a made-up verdict", f"POST {ONE}/decisions", {"verdict": "maybe", "reason": "x"}, 400, SCHEMA, "$.verdict"),
    Bad("a decision without a reason", f"POST {ONE}/decisions", {"verdict": "keep"}, 400, SCHEMA, "$.reason"),
    Bad("an experiment by who may only read flows", NEW, plan(), 403, "PERMISSION_DENIED", by="flow reader"),
    Bad("features of no environment", "GET experiment-features?environment=moon", None, 404, "ENVIRONMENT_NOT_FOUND"),
    Bad("a metric of nothing", "POST experiment-metrics", {"key": "m", "name": "M", "measure": "luck"}, 400, SCHEMA, "$.measure"),
    Bad("a metric of no state", "POST experiment-metrics", {"key": "m", "name": "M", "measure": "reached_state"}, 400, INVALID, "$.of"),
    Bad("a metric that is there", "POST experiment-metrics", {"key": "done", "name": "M", "measure": "csat"}, 409, "ALREADY_EXISTS"),
    Bad("a metric in use measured anew", "PATCH experiment-metrics/done", {"measure": "csat"}, 409, "EXPERIMENT_IN_USE"),
    Bad("a metric in use deleted", "DELETE experiment-metrics/done", None, 409, "EXPERIMENT_IN_USE"),
    Bad("no such metric", "GET experiment-metrics/nothing", None, 404, "METRIC_NOT_FOUND"),
    Bad("a holdout of more than everybody", "POST experiment-holdouts", {"key": "h", "share": 2}, 400, SCHEMA, "$.share"),
    Bad("no such holdout", "DELETE experiment-holdouts/nothing", None, 404, "HOLDOUT_NOT_FOUND"),
    Bad("a namespace without a key", "POST experiment-namespaces", {"name": "Room"}, 400, SCHEMA, "$.key"),
    Bad("no such namespace", "GET experiment-namespaces/nothing", None, 404, "NAMESPACE_NOT_FOUND"),
]
