"""Plan, run, watch, decide: what is allowed when, and what happens by itself."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test.client import Client
from django.utils import timezone

from experiments import queries, services
from experiments.core import features
from experiments.core.sums import Sums
from experiments.errors import BaseHasMoved, NotInThisState, Overlaps, OverlayRefused, PlanRefused, RampRefused
from experiments.models import Decision, Experiment, MetricSnapshot
from experiments.services import assigning, watching
from flows import queries as flows
from flows.errors import DraftHasChanged, FlowHasProblems
from flows.models import Pointer
from flows.services import create_environment, publish, save_draft
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests import factories
from tests.experiments.scenes import DESK, PLAN, begun, desk, planned, say, started

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    assigning.forget_everything()
    tenant = factories.TenantFactory.create()
    desk(tenant)
    return tenant


def paths(refused: Any) -> list[str]:
    return [fault["path"] for fault in refused.value.details["errors"]]


def variants(*modifications: Any, patch_format: str = "merge") -> dict[str, Any]:
    share = 100.0 / (len(modifications) + 1)
    made = [{"key": "control", "is_control": True, "percentage": share}]
    return {
        "variants": made
        + [{"key": f"v{n}", "percentage": share, "modifications": one, "patch_format": patch_format} for n, one in enumerate(modifications)]
    }


def test_a_plan_tells_every_fault(office: Tenant) -> None:
    wrong = {
        "key": "x",
        "name": "x",
        "flow": "desk",
        "targeting": {"a": {"$like": 1}},
        "alpha": 0.9,
        "metrics": [{"metric": "completed", "role": "guardrail"}],
        "variants": [{"key": "a", "percentage": 10.0}, {"key": "a", "percentage": 20.0}],
    }
    with pytest.raises(PlanRefused) as refused:
        services.create(office, fields=wrong, by=None)
    assert paths(refused) == ["$.targeting.a.$like", "$.alpha", "$.variants", "$.variants", "$.variants[1].key", "$.metrics"]


@pytest.mark.parametrize(
    ("modifications", "patch_format", "error"),
    [
        ({}, "merge", OverlayRefused),
        ({"version": "9"}, "merge", OverlayRefused),
        ({"flow_id": "other"}, "merge", OverlayRefused),
        ([{"op": "test", "path": "/name", "value": "x"}], "json_patch", OverlayRefused),
        ([{"op": "remove", "path": "/states/nowhere"}], "json_patch", OverlayRefused),
        ({"states": {"ask": {"transitions": [{"condition": "slot_filled", "target_state": "nowhere"}]}}}, "merge", FlowHasProblems),
    ],
)
def test_variants_pass_the_checks_of_a_publish(office: Tenant, modifications: Any, patch_format: str, error: type[Exception]) -> None:
    row = planned(office, **variants(modifications, patch_format=patch_format))
    with pytest.raises(error) as refused:
        services.validate(office, key=row.key, by=None)
    assert paths(refused)[0].startswith("$.variants[1].modifications")


def test_patches_of_lists_and_equal_variants(office: Tenant) -> None:
    patch = [{"op": "test", "path": "/name", "value": DESK["name"]}, {"op": "replace", "path": "/states/ask/config/prompts/storeys", "value": "?"}]
    services.validate(office, key=planned(office, **variants(patch, patch_format="json_patch")).key, by=None)
    twice = planned(office, **{**variants(PLAN["variants"][1]["modifications"], PLAN["variants"][1]["modifications"]), "key": "twice"})
    with pytest.raises(OverlayRefused):
        services.validate(office, key=twice.key, by=None)


def test_a_base_that_moved_asks_for_a_rebase(office: Tenant) -> None:
    row = planned(office)
    services.validate(office, key=row.key, by=None)
    save_draft(office, flow_id="desk", document={**DESK, "description": "newer", "variables": {"x": {"type": "int", "default": 1}}}, by=None)
    publish(office, flow_id="desk", by=None)
    with pytest.raises(BaseHasMoved):
        services.start(office, key=row.key, by=None)
    again = services.rebase(office, key=row.key, by=None)
    assert (again.phase, again.bucket_version, again.state) == (2, 1, "validated")
    assert again.seed != row.seed
    assert services.start(office, key=row.key, by=None).state == "running"


def test_two_experiments_on_a_flow_need_ranges_apart(office: Tenant) -> None:
    services.save_namespace(office, fields={"key": "room"}, by=None)
    started(office, namespace="room", namespace_end=0.5)
    other = planned(office, key="other", namespace="room", namespace_start=0.4)
    services.validate(office, key=other.key, by=None)
    with pytest.raises(Overlaps):
        services.start(office, key=other.key, by=None)
    services.change(office, key=other.key, fields={"namespace_start": 0.5}, by=None)
    services.start(office, key=other.key, by=None)
    arms = {begun(office).reply["ab_variant"].partition(":")[0] for _ in range(20)}
    assert arms == {"shorter", "other"}


def test_what_shares_people_out_is_fixed_while_it_runs(office: Tenant) -> None:
    row = started(office)
    with pytest.raises(PlanRefused) as refused:
        services.change(office, key=row.key, fields={"seed": "x", "variants": PLAN["variants"]}, by=None)
    assert paths(refused) == ["$.seed", "$.variants"]
    moved = {
        "coverage": 0.5,
        "starts_at": timezone.now(),
        "stats_mode": "fixed",
        "minimum_effect": 0.2,
        "metrics": [{"metric": "refused", "role": "primary"}],
    }
    factories.published(office, {**DESK, "flow_id": "other"})
    create_environment(office, name="staging", by=None)
    with pytest.raises(PlanRefused) as refused:
        services.change(office, key=row.key, fields={**moved, "flow": "other", "environment": "staging"}, by=None)
    assert set(paths(refused)) == {f"$.{name}" for name in (*moved, "flow", "environment")}
    services.change(office, key=row.key, fields={"hypothesis": "Shorter is better.", "metrics": PLAN["metrics"]}, by=None)
    with pytest.raises(NotInThisState):
        services.delete(office, key=row.key, by=None)


def counted(row: Experiment, metric: str, control: Sums, short: Sums) -> None:
    """As if it had been measured."""
    for variant, sums in zip(row.variants.all(), (control, short), strict=True):
        MetricSnapshot.objects.create(
            tenant=row.tenant, experiment=row, variant=variant, metric=metric, phase=row.phase, day=timezone.now().date(), sums=sums.to_json()
        )


def test_a_broken_guardrail_stops_it_by_itself(office: Tenant) -> None:
    row = started(office, metrics=[*PLAN["metrics"], {"metric": "refused", "role": "guardrail"}])
    counted(row, "refused", Sums(n=2000, y=200, yy=200), Sums(n=2000, y=800, yy=800))
    assert services.watch(office, key=row.key) == "harm"
    row.refresh_from_db()
    assert row.state == "stopped"
    assert "refused" in row.stop_reason
    assert begun(office).reply["ab_variant"] is None
    assert AuditEntry.objects.filter(tenant=office, action="experiment.stop").get().changes["automatic"] is True
    assert queries.decisions(row).get().verdict == "stop"


def test_a_ramp_climbs_by_itself_and_not_over_broken_numbers(office: Tenant) -> None:
    row = started(office, ramp=[{"coverage": 0.1}, {"coverage": 0.5, "min_hours": 1}, {"coverage": 1.0}], auto_stop=False)
    assert row.coverage == 0.1
    assert services.watch(office, key=row.key) == "ramped"
    assert queries.experiment(office, row.key).coverage == 0.5
    assert services.watch(office, key=row.key) == "", "the hour is not over"
    Experiment.objects.update(stepped_at=timezone.now() - timedelta(hours=2), findings={"breaches": [{"metric": "m"}]})
    with pytest.raises(RampRefused):
        services.ramp(office, key=row.key, coverage=1.0, by=None)


def test_a_bandit_moves_its_weights(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    row = started(office, allocation="bandit")
    counted(row, "completed", Sums(n=500, y=50, yy=50), Sums(n=500, y=150, yy=150))
    monkeypatch.setattr(watching, "LEAST_BANDIT", 0)
    assert services.watch(office, key=row.key) == "weights"
    weights = {one.key: one.weight for one in row.variants.all()}
    assert (weights["short"] or 0) > 0.9
    assert services.watch(office, key=row.key) == "", "the same numbers give the same weights"
    assert queries.experiment(office, row.key).findings["verdict"]["code"] == "optimises"


def test_a_bandit_ramps_too(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    row = started(office, allocation="bandit", ramp=[{"coverage": 0.1}, {"coverage": 1.0}])
    counted(row, "completed", Sums(n=500, y=50, yy=50), Sums(n=500, y=150, yy=150))
    monkeypatch.setattr(watching, "LEAST_BANDIT", 0)
    assert services.watch(office, key=row.key) == "ramped"
    assert (row.variants.get(key="short").weight or 0) > 0.9


def test_who_was_never_counted_comes_first(office: Tenant) -> None:
    services.save_namespace(office, fields={"key": "room"}, by=None)
    rows = [started(office, key=key, namespace="room", namespace_start=start, namespace_end=start + 0.5) for key, start in (("a", 0), ("b", 0.5))]
    Experiment.objects.filter(pk=rows[0].pk).update(counted_at=timezone.now() - timedelta(hours=1))
    assert [pk for _, pk in services.experiments_behind()] == [rows[1].pk, rows[0].pk]


def test_its_end_stops_it(office: Tenant) -> None:
    row = started(office, ends_at=timezone.now() + timedelta(hours=1))
    Experiment.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    queries.forget(office.pk)
    assert begun(office).reply["ab_variant"] is None
    assert services.watch(office, key=row.key) == "ended"


def test_promote_publishes_and_the_decisions_are_chained(office: Tenant) -> None:
    row = started(office)
    services.stop(office, key=row.key, reason="enough", by=None)
    made = services.promote(office, key=row.key, variant="short", reason="It is shorter.", by=None)
    assert made.number == 2
    now = Pointer.objects.get(tenant=office, environment__is_default=True).version_id
    assert str(now) == str(row.variants.get(key="short").version_id)
    assert say(office, begun(office), "hi")["response"]["text"] == "Storeys?"
    assert services.verify_decisions(row) is None
    Decision.objects.filter(pk=made.pk).delete()
    assert services.verify_decisions(row) == 2, "the last one is missing"
    tampered = Decision.objects.get(number=1)
    from django.db.models.query import QuerySet

    changed = QuerySet.update(Decision.objects.filter(pk=tampered.pk), reason="because")
    assert services.verify_decisions(row) == (1 if changed else 2), "PostgreSQL lets nobody change it"


def test_a_draft_in_work_is_not_overwritten(office: Tenant) -> None:
    row = started(office)
    save_draft(office, flow_id="desk", document={**DESK, "variables": {"x": {"type": "int", "default": 1}}}, by=None)
    with pytest.raises(DraftHasChanged):
        services.promote(office, key=row.key, variant="short", reason="x", by=None)
    assert queries.experiment(office, row.key).state == "running", "nothing of it has happened"
    services.promote(office, key=row.key, variant="short", reason="x", overwrite_draft=True, by=None)


def test_an_sdk_computes_what_the_platform_gives(office: Tenant) -> None:
    services.save_holdout(office, fields={"key": "kept", "share": 0.2}, by=None)
    services.save_namespace(office, fields={"key": "room"}, by=None)
    row = started(office, unit="user", namespace="room", namespace_end=0.7, holdout="kept", coverage=0.8, targeting={"channel": "web"})
    services.force(office, key=row.key, unit="a-tester", variant="short", by=None)
    document = json.loads(json.dumps(services.features(office)))["features"]
    assert "a-tester" not in json.dumps(document)
    for n in range(60):
        value = features.evaluate("shorter", features.Context(attributes={"id": f"u{n}", "channel": "web"}, features=document)).value
        assert begun(office, f"u{n}").reply["ab_variant"] == (f"shorter:{value}" if value else None)


def test_rest_tells_a_story(office: Tenant) -> None:
    client = Client(headers=factories.bearer(office))

    def call(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = client.generic(method, f"/api/v1/{path}", json.dumps(body).encode() if body is not None else b"", content_type="application/json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    made = call("POST", "experiments", {**PLAN, "baseline": 0.4}, 201)
    assert (made["state"], made["enabled"], made["flow"]) == ("draft", False, "desk")
    call("POST", "experiments/shorter/start", status=409)
    assert call("POST", "experiments/shorter/validate")["states"] == ["ask"]
    assert call("POST", "experiments/shorter/start")["enabled"]
    say(office, begun(office), "hi")
    found = call("POST", "experiments/shorter/findings")
    assert found["findings"]["exposed"] == 1
    assert found["findings"]["verdict"]["code"] == "undecided"
    assert found["sizing"]["units_per_arm"] > 1000
    assert set(found["funnel"]) == {"hello", "ask", "done"}
    assert list(call("GET", "experiment-features")["features"]) == ["shorter"]
    call("POST", "experiments/shorter/stop", {"reason": "enough"})
    call("POST", "experiments/shorter/decisions", {"verdict": "keep", "reason": "no difference"}, 201)
    told = call("GET", "experiments/shorter/decisions")
    assert told["intact"]
    assert [one["verdict"] for one in told["decisions"]] == ["stop", "keep"]
    refused = call("POST", "experiments", {**PLAN, "key": "Bad Key", "colour": 1}, 400)
    assert {fault["path"] for fault in refused["errors"]} == {"$.key", "$.colour"}
    assert flows.versions(office, "desk").count() == 2
