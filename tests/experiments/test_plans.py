"""Plans that are changed: what a change keeps, what it opens again, what it refuses; and the numbers that a start freezes."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from experiments import queries, services
from experiments.core import funnel
from experiments.core.metrics import Outcome
from experiments.core.sums import Sums
from experiments.errors import NotInThisState, PlanRefused
from experiments.models import Assignment, Decision, Evaluation, Experiment, Exposure, MetricDefinition, MetricSnapshot
from experiments.services import assigning, challenging, checking, counting
from experiments.services.sizing import Basis, Lately, _source
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.experiments.scenes import DESK, PLAN, SHORTER, begun, desk, planned, say, started
from tests.tenancy.clients import client_of, logged_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    assigning.forget_everything()
    tenant = factories.TenantFactory.create()
    desk(tenant)
    return tenant


@pytest.fixture
def owner(office: Tenant) -> Any:
    return logged_in(factories.member(office))


def fresh(row: Experiment) -> Experiment:
    return queries.experiment(row.tenant, row.pk)


def address(name: str, row: Experiment, *args: str) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=(row.pk, *args))


def of_an_earlier_phase(office: Tenant) -> Experiment:
    """It ran, somebody met it, it was stopped and planned anew; a tester is forced."""
    row = started(office)
    for _ in range(6):
        say(office, begun(office), "hi")
    services.count(office, key=row.key)
    services.stop(office, key=row.key, reason="enough", by=None)
    row = services.rebase(office, key=row.key, by=None)
    services.force(office, key=row.key, unit="ada", variant="short", by=None)
    return fresh(row)


def kept(row: Experiment) -> tuple[int, ...]:
    rows = (Assignment, Exposure, MetricSnapshot, Decision)
    return (*(model.objects.for_tenant(row.tenant_id).filter(experiment=row).count() for model in rows), row.forces.count())


def test_what_has_run_is_never_deleted(office: Tenant, owner: Any) -> None:
    row = of_an_earlier_phase(office)
    before = kept(row)
    assert min(before) > 0
    answer = client_of(office).delete(f"/api/v1/experiments/{row.key}")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "EXPERIMENT_STATE")
    with scope.platform_scope(), pytest.raises(NotInThisState):
        services.delete(office, key=row.key, by=None)
    text = owner.get(address("plan", row, "review")).content.decode()
    assert "Delete the plan" not in text
    assert "Put it away" in text
    owner.post(address("press", row, "delete"))
    services.change(office, key=row.key, fields={"unit": "user"}, by=None)
    with pytest.raises(NotInThisState):
        services.delete(office, key=row.key, by=None)
    assert kept(fresh(row)) == before
    assert services.verify_decisions(row) is None
    owner.post(address("press", row, "archive"))
    assert fresh(row).state == "archived"


def test_a_plan_that_never_ran_is_deleted(office: Tenant, owner: Any) -> None:
    row = planned(office)
    assert "Delete the plan" in owner.get(address("plan", row, "review")).content.decode()
    services.delete(office, key=row.key, by=None)
    assert not queries.experiments(office).exists()


def variants_of(row: Experiment, **more: str) -> dict[str, str]:
    found = {"rev": str(row.rev), "do": "save"}
    for index, one in enumerate(row.variants.all()):
        found |= {f"key_{index}": one.key, f"name_{index}": one.name, f"percentage_{index}": str(one.percentage)}
        if not one.is_control:
            found[f"modifications_{index}"] = json.dumps(one.modifications)
    return found | more


def test_next_without_a_change_changes_nothing(office: Tenant, owner: Any) -> None:
    row = of_an_earlier_phase(office)
    before, versions = kept(row), [one.version_id for one in row.variants.all()]
    answer = owner.post(address("plan", row, "differs"), variants_of(row))
    assert answer.headers["Location"] == address("plan", row, "who")
    assert (kept(fresh(row)), fresh(row).state) == (before, "validated")
    assert [one.version_id for one in fresh(row).variants.all()] == versions
    services.change(office, key=row.key, fields={"flow": "desk", "environment": "production", "metrics": PLAN["metrics"]}, by=None)
    assert fresh(row).state == "validated"


def test_a_changed_variant_keeps_its_units_and_is_validated_again(office: Tenant, owner: Any) -> None:
    row = of_an_earlier_phase(office)
    before = kept(row)
    other = {"states": {"ask": {"config": {"prompts": {"storeys": "And storeys?"}}}}}
    owner.post(address("plan", row, "differs"), variants_of(row, modifications_1=json.dumps(other), percentage_0="40", percentage_1="60"))
    row = fresh(row)
    assert (kept(row), row.state) == (before, "draft")
    control, short = row.variants.all()
    assert (control.version_id, short.version_id, short.modifications, short.percentage) == (None, None, other, 60.0)
    services.validate(office, key=row.key, by=None)
    assert services.start(office, key=row.key, by=None).state == "running"


def test_an_arm_that_units_were_in_stays(office: Tenant, owner: Any) -> None:
    row = of_an_earlier_phase(office)
    before = kept(row)
    text = owner.post(address("plan", row, "differs"), variants_of(row, key_1="brief")).content.decode()
    assert "units of an earlier phase are in it" in text
    third = {"key": "third", "percentage": 0.0, "modifications": {"description": "x"}}
    services.change(office, key=row.key, fields={"variants": [*PLAN["variants"], third]}, by=None)
    assert [one.key for one in fresh(row).variants.all()] == ["control", "short", "third"]
    services.change(office, key=row.key, fields={"variants": PLAN["variants"]}, by=None)
    assert (kept(fresh(row)), [one.key for one in fresh(row).variants.all()]) == (before, ["control", "short"])


def test_forced_units_outlive_a_change_of_the_first_draft(office: Tenant) -> None:
    row = planned(office)
    services.force(office, key=row.key, unit="ada", variant="short", by=None)
    swapped = [
        {"key": "short", "percentage": 30.0, "is_control": True},
        {"key": "control", "percentage": 70.0, "modifications": SHORTER, "model": None},
    ]
    services.change(office, key=row.key, fields={"variants": swapped}, by=None)
    assert [(one.key, one.is_control, one.percentage) for one in fresh(row).variants.all()] == [("short", True, 30.0), ("control", False, 70.0)]
    assert row.forces.get().variant.key == "short"


def test_variants_go_back_as_they_were_read(office: Tenant) -> None:
    row = planned(office)
    client = client_of(office)
    read = client.get(f"/api/v1/experiments/{row.key}").json()
    answer = client.patch(f"/api/v1/experiments/{row.key}", {"variants": read["variants"]}, format="json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["variants"] == read["variants"]


def test_what_was_judged_is_judged_again(office: Tenant) -> None:
    factories.published(office, {**DESK, "flow_id": "other"})
    changes: list[dict[str, Any]] = [{"metrics": [{"metric": "refused", "role": "primary"}]}, {"unit": "user"}, {"flow": "other"}]
    for fields in changes:
        row = planned(office, key=f"by-{next(iter(fields))}")
        services.validate(office, key=row.key, by=None)
        services.change(office, key=row.key, fields={"hypothesis": "x", "coverage": 0.5}, by=None)
        assert fresh(row).state == "validated"
        services.change(office, key=row.key, fields=fields, by=None)
        assert fresh(row).state == "draft"


def test_another_flow_is_another_subject(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.published(office, {**DESK, "flow_id": "other"})
    row = planned(office, kind="intent_model", variants=[PLAN["variants"][0], {"key": "other", "percentage": 50.0}])
    Experiment.objects.filter(pk=row.pk).update(subject="flow:desk", state="validated")  # as a validation leaves it
    services.change(office, key=row.key, fields={"flow": "other"}, by=None)
    row = fresh(row)
    assert (row.subject, row.state) == ("", "draft")
    assert [one["code"] for one in challenging.pin(row, list(row.variants.all()))] == ["no_champion"]
    assert row.subject == "flow:other"


def lately(refused: Iterable[int]) -> Callable[..., Lately]:
    """Conversations with so many refused values each."""
    outcomes = [("", Outcome(ended=True, slots_refused=one)) for one in refused]
    return lambda *_: Lately(outcomes=outcomes, total=len(outcomes), users=0, days=2.0)


def test_the_plan_of_the_start_is_the_mark_until_the_end(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_source, "recent", lately([0, 0, 0, 24] * 10))  # mean 6, deviation about 10.5
    row = planned(office, stats_mode="fixed", minimum_effect=0.5, metrics=[{"metric": "refused", "role": "primary"}])
    services.validate(office, key=row.key, by=None)
    row = fresh(row)
    shown = services.sizing(row, basis=services.logged(row))
    assert (shown["baseline"], shown["units_per_arm"] > 5_000) == (6.0, True)
    services.start(office, key=row.key, by=None)
    monkeypatch.setattr(_source, "recent", lately([1, 2] * 20))
    row = fresh(row)
    assert services.sizing(row) == services.sizing(row, basis=services.logged(row)) == shown
    found = services.standing(row)
    assert found["sizing"] == shown
    assert found["progress"]["units_per_arm"] == shown["units_per_arm"]
    assert not counting.due(row, shown["units_per_arm"] - 1)
    assert counting.due(row, shown["units_per_arm"])
    services.stop(office, key=row.key, by=None)
    assert services.standing(fresh(row))["sizing"] == shown
    row = services.rebase(office, key=row.key, by=None)
    assert services.sizing(fresh(row), basis=services.logged(row))["baseline"] == 1.5, "another phase is planned anew"


def test_a_forecast_of_another_metric_plans_nothing(office: Tenant) -> None:
    row = planned(office)
    services.validate(office, key=row.key, by=None)
    row = fresh(row)
    results = {"basis": {"mean": 0.6, "deviation": 0.49, "units": 500}, "power": {"metric": "completed"}}
    made = services.prepare(office, key=row.key, kind="simulation", by=None)
    Evaluation.objects.filter(pk=made.pk).update(results=results, finished_at=timezone.now())
    assert services.sizing(row)["baseline"] == 0.6
    services.change(office, key=row.key, fields={"metrics": [{"metric": "refused", "role": "primary"}]}, by=None)
    services.validate(office, key=row.key, by=None)
    row = fresh(row)
    assert queries.newest_forecast(row) is not None, "the arms are what they were"
    assert services.sizing(row)["basis"] is None
    assert services.sizing(row, basis=Basis(mean=0.6, deviation=0.49, units=500, daily=1.0, metric="completed"))["basis"] is None


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"alpha": 1e-17}, "$.alpha"),
        ({"alpha": float("nan")}, "$.alpha"),
        ({"power": 1 - 1e-17}, "$.power"),
        ({"power": 0.99995}, "$.power"),
        ({"ramp": [{"coverage": 0.1, "min_hours": 1e8}, {"coverage": 1.0}]}, "$.ramp[0].min_hours"),
        ({"ramp": [{"coverage": 0.1, "min_units": 10**30}, {"coverage": 1.0}]}, "$.ramp[0].min_units"),
        ({"ramp": [{"coverage": (n + 1) / 21} for n in range(21)]}, "$.ramp"),
    ],
)
def test_what_no_page_could_show_is_refused(office: Tenant, fields: dict[str, Any], path: str) -> None:
    row = planned(office)
    with pytest.raises(PlanRefused) as refused:
        services.change(office, key=row.key, fields=fields, by=None)
    assert [one["path"] for one in refused.value.details["errors"]] == [path]


def test_the_edges_of_a_plan_can_be_shown(office: Tenant, owner: Any) -> None:
    edges = {"alpha": checking.LEAST_ALPHA, "power": checking.MOST_POWER}
    row = started(office, **edges, ramp=[{"coverage": 0.1, "min_hours": 8_760}, {"coverage": 1.0}])
    counted(row, Sums(n=500, y=50, yy=50, d=500, dd=500, yd=50), Sums(n=500, y=150, yy=150, d=500, dd=500, yd=150))
    assert services.watch(office, key=row.key) == ""
    Experiment.objects.filter(pk=row.pk).update(ramp=[{"coverage": 0.1, "min_hours": 1e8}, {"coverage": 1.0}])  # of before there was a limit
    assert owner.get(address("change", row)).status_code == 200
    assert fresh(row).sized["units_per_arm"] > 0


def counted(row: Experiment, control: Sums, short: Sums, *, metric: str = "completed", ago: int = 0) -> None:
    """As if it had been measured some days ago."""
    day = timezone.now().date() - timedelta(days=ago)
    for variant, sums in zip(row.variants.all(), (control, short), strict=True):
        keys: Any = {"tenant": row.tenant, "experiment": row, "variant": variant, "metric": metric, "phase": row.phase, "day": day}
        MetricSnapshot.objects.create(**keys, sums=sums.to_json())


def test_a_long_ramp_is_edited_whole(office: Tenant, owner: Any) -> None:
    ramp = [{"coverage": share / 100, "min_hours": 0, "min_units": 0} for share in (1, 2, 5, 10, 20, 50, 75, 100)]
    row = planned(office, ramp=ramp)
    page = address("plan", row, "who")
    text = owner.get(page).content.decode()
    assert 'name="ramp_9_coverage"' in text
    assert 'name="ramp_10_coverage"' not in text
    given = {"rev": str(row.rev), "unit": "conversation", "allocation": "hash", "coverage": "100", "targeting": "{}", "auto_stop": "on"}
    given |= {f"ramp_{index}_coverage": f"{one['coverage'] * 100:g}" for index, one in enumerate(ramp)}
    owner.post(page, given)
    assert fresh(row).ramp == ramp
    text = owner.post(page, {**given, "rev": "", "ramp_7_hours": "9000"}).content.decode()
    assert "This is out of range" in text


def test_a_stale_page_leaves_no_metrics_behind(office: Tenant, owner: Any) -> None:
    row = planned(office)
    given = {
        "rev": str(row.rev), "stats_mode": "sequential", "baseline": "", "minimum_effect": "0.1", "alpha": "0.05", "power": "0.8",
        "role_completed": "primary", "role_dropped_off": "guardrail",
    }  # fmt: skip
    services.change(office, key=row.key, fields={"hypothesis": "meanwhile"}, by=None)
    text = owner.post(address("plan", row, "size"), given).content.decode()
    assert "changed the experiment after you read it" in text
    assert not MetricDefinition.objects.for_tenant(office).filter(key="dropped_off").exists()


def test_shares_are_shown_and_names_are_sent_as_they_are(office: Tenant, owner: Any) -> None:
    row = planned(office)
    answer = owner.post(address("plan", row, "differs"), variants_of(row, do="state:1", state_1="a&b#c+d"))
    assert answer.headers["Location"].endswith("?variant=short&state=a%26b%23c%2Bd")
    services.validate(office, key=row.key, by=None)
    services.start(office, key=row.key, by=None)
    services.ramp(office, key=row.key, coverage=0.004, by=None)
    assert 'value="0.4"' in owner.get(address("change", row)).content.decode()


def test_the_funnel_is_that_of_the_last_count_of_each_arm(office: Tenant) -> None:
    row = started(office)
    old, new = Sums(n=10, y=5, yy=5, d=10, dd=10, yd=5), Sums(n=20, y=15, yy=15, d=20, dd=20, yd=15)
    counted(row, old, old, metric="state:ask", ago=2)
    counted(row, new, new, metric="state:ask", ago=1)
    counted(row, old, old, metric="state:done", ago=3)
    MetricSnapshot.objects.filter(variant__key="short", metric="state:ask", day=timezone.now().date() - timedelta(days=1)).delete()
    assert queries.state_funnel(row) == {"ask": {"control": new, "short": old}, "done": {"control": old, "short": old}}
    assert queries.last_exposure(row) is None
    for _ in range(3):
        say(office, begun(office), "hi")
    assert queries.last_exposure(row) == Exposure.objects.order_by("-at").values_list("at", flat=True)[0]


def test_conversations_of_one_user_are_not_independent() -> None:
    alone = sum((Sums.of(float(n < 50)) for n in range(100)), Sums())
    alike = sum((Sums.of(10.0 * (n < 50), 10.0) for n in range(100)), Sums())  # ten each, and all ten the same
    assert funnel.interval(alike, 0.05) == pytest.approx(funnel.interval(alone, 0.05))
    mixed = sum((Sums.of(5.0 + n % 2, 10.0) for n in range(100)), Sums())
    low, high = funnel.interval(mixed, 0.05)
    assert 0 < high - low < funnel.interval(alone, 0.05)[1] - funnel.interval(alone, 0.05)[0]
    assert funnel.interval(Sums.of(10.0, 10.0))[0] < 0.3, "one user"


def test_a_test_at_the_end_finds_nothing_in_the_funnel_before() -> None:
    held = {"ask": {"control": Sums(n=100, y=80, yy=80, d=100, dd=100, yd=80), "a": Sums(n=100, y=20, yy=20, d=100, dd=100, yd=20)}}
    options: Any = {"mode": "fixed", "alpha": 0.05, "many": False}
    early, late = (funnel.lifts(["ask"], [("control", True), ("a", False)], held, **options, due=due)[0]["arms"][1] for due in (False, True))
    assert (early["p_value"], early["adjusted_p_value"], early["significant"]) == (None, None, False)
    assert late["significant"]
    assert early["difference"]["value"] == late["difference"]["value"]
