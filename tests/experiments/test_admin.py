"""The pages of experiments: the steps of a plan, the live page and its buttons, the decisions, and who may see which."""

import json
from typing import Any

import pytest
from django.urls import reverse

from experiments import queries, services
from experiments.admin import drawing
from experiments.admin.forms import fresh_key, joined_targeting, split_targeting
from experiments.models import Decision, Experiment, MetricDefinition
from experiments.services import assigning
from flows.services import save_draft
from mcp_platform.tenancy.models import Role, Tenant
from tests import factories
from tests.experiments.scenes import DESK, begun, desk, planned, say, started
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


def address(name: str, *args: Any) -> str:
    return reverse(f"admin:experiments_experiment_{name}", args=args)


def press(person: Any, row: Experiment, verb: str, **given: str) -> str:
    answer = person.post(address("press", row.pk, verb), given, follow=True)
    return str(answer.content.decode())


def fresh(row: Experiment) -> Experiment:
    return queries.experiment(row.tenant_id, row.pk)


def variants_of(row: Experiment, **more: str) -> dict[str, str]:
    found = {"rev": str(row.rev)}
    for index, one in enumerate(row.variants.all()):
        found |= {f"key_{index}": one.key, f"name_{index}": one.name, f"percentage_{index}": str(one.percentage)}
        if not one.is_control:
            found[f"modifications_{index}"] = json.dumps(one.modifications)
    return found | more


def test_from_plan_to_decision(office: Tenant, owner: Any) -> None:
    row = planned(office, hypothesis="<b>Shorter</b> is better")
    page = address("change", row.pk)
    text = owner.get(page).content.decode()
    assert "&lt;b&gt;Shorter&lt;/b&gt;" in text
    assert "Storeys?" in text, "the difference, before anything is frozen"
    assert "Validate and freeze" in text
    assert "frozen" in press(owner, row, "validate")
    assert "It runs." in press(owner, row, "start")
    assert "Nothing is counted yet" in owner.get(page).content.decode()
    say(office, begun(office), "hi")
    assert "Counted now." in press(owner, row, "count")
    text = owner.get(page).content.decode()
    assert "too early" in text
    assert 'aria-label="Lifts with their intervals"' in text
    assert "Stopped" in press(owner, row, "stop", reason="enough")
    answer = owner.post(address("decisions", row.pk), {"verdict": "promote:short", "reason": "it is shorter"}, follow=True).content.decode()
    assert "the decision is kept" in answer
    assert "The record is whole" in answer
    row.refresh_from_db()
    assert row.state == "decided"
    assert "A shorter question" in owner.get(address("changelist")).content.decode()
    Decision.objects.filter(experiment=row, number=2).delete()
    assert "The record is broken: decision 2" in owner.get(address("decisions", row.pk)).content.decode()


def test_who_decides_experiments_may_not_publish_flows_with_that(office: Tenant) -> None:
    row = started(office)
    operator = logged_in(factories.member(office, Role.OPERATOR))
    answer = operator.post(address("decisions", row.pk), {"verdict": "promote:short", "reason": "it is shorter"}, follow=True)
    assert "flows:publish" in answer.content.decode()
    program, body = client_of(office, Role.OPERATOR), {"verdict": "promote", "variant": "short", "reason": "it is shorter"}
    assert program.post(f"/api/v1/experiments/{row.key}/decisions", body, format="json").status_code == 403
    assert fresh(row).state == "running"
    told = program.post(f"/api/v1/experiments/{row.key}/decisions", {"verdict": "keep", "reason": "as good"}, format="json")
    assert (told.status_code, fresh(row).state) == (201, "decided")


def test_who_may_see_and_press(office: Tenant, owner: Any) -> None:
    row = started(office)
    viewer, stranger = logged_in(factories.member(office, Role.VIEWER)), logged_in(factories.member(factories.TenantFactory.create()))
    pages = [address("change", row.pk), address("live", row.pk), address("decisions", row.pk), address("plan", row.pk, "review")]
    assert [viewer.get(page).status_code for page in pages] == [200] * 4
    assert [stranger.get(page).status_code for page in pages] == [404] * 4
    for verb in ("stop", "ramp", "step", "count", "archive", "force"):
        assert viewer.post(address("press", row.pk, verb)).status_code == 403
        assert stranger.post(address("press", row.pk, verb)).status_code == 404
    assert viewer.post(address("decisions", row.pk), {"verdict": "keep", "reason": "x"}).status_code == 403
    assert viewer.get(address("add")).status_code == 403
    assert fresh(row).state == "running"
    text = viewer.get(pages[0]).content.decode()
    assert "Stop for everybody" not in text
    assert "Stop for everybody" in owner.get(pages[0]).content.decode()


def test_a_plan_begins_with_a_question(office: Tenant, owner: Any) -> None:
    assert "Ask one question" in owner.get(address("changelist")).content.decode()
    wrong = owner.post(address("add"), {"name": "", "flow": "desk", "environment": "production", "arms": "1", "kind": "flow"}).content.decode()
    assert "required" in wrong
    given = {"name": "12 Shorter questions", "hypothesis": "", "flow": "desk", "environment": "production", "arms": "2", "key": "", "kind": "flow"}
    answer = owner.post(address("add"), given)
    row = queries.experiments(office).get()
    assert answer.headers["Location"] == address("plan", row.pk, "differs")
    assert (row.key, [one.percentage for one in row.variants.all()]) == ("shorter-questions", [33.34, 33.33, 33.33])
    assert fresh_key(office, "Shorter questions") == "shorter-questions-2"
    assert "with this name already" in owner.post(address("add"), {**given, "key": row.key}).content.decode()
    assert queries.experiments(office).count() == 1


def test_variants_are_edited_and_their_faults_shown_where_they_are(office: Tenant, owner: Any) -> None:
    row = planned(office)
    page = address("plan", row.pk, "differs")
    text = owner.get(page).content.decode()
    assert "How many storeys?" in text
    assert "Storeys?" in text
    broken = {"states": {"ask": {"transitions": [{"condition": "slot_filled", "target_state": "nowhere"}]}}}
    text = owner.post(page, variants_of(row, modifications_1=json.dumps(broken), do="look"), follow=True).content.decode()
    assert "nowhere" in text.split('id="variant-1"')[1].split('role="alert"')[1]
    row = fresh(row)
    text = owner.post(page, variants_of(row, modifications_1="{no", percentage_1="many", do="save")).content.decode()
    assert "Not JSON at line 1" in text
    assert "Enter a number." in text
    assert "{no" in text, "what was typed is kept"
    owner.post(page, variants_of(row, do="add"))
    row = fresh(row)
    assert [one.key for one in row.variants.all()] == ["control", "short", "variant-1"]
    text = owner.post(page, variants_of(row, percentage_1="50", do="save")).content.decode()
    assert "sum to" in text
    owner.post(page, variants_of(row, do="drop:2"))
    row = fresh(row)
    assert [(one.key, one.percentage) for one in row.variants.all()] == [("control", 50.0), ("short", 50.0)]
    stale = owner.post(page, variants_of(row, rev="1", do="save"), follow=True).content.decode()
    assert "changed the experiment after you read it" in stale


def test_a_variant_is_made_of_the_draft_or_of_a_state(office: Tenant, owner: Any) -> None:
    row = planned(office)
    page = address("plan", row.pk, "differs")
    assert "is what runs already" in owner.post(page, variants_of(row, do="draft:1"), follow=True).content.decode()
    save_draft(office, flow_id="desk", document={**DESK, "description": "Other", "variables": {"x": {"type": "int", "initial": 1}}}, by=None)
    owner.post(page, variants_of(fresh(row), do="draft:1"))
    assert set(fresh(row).variants.all()[1].modifications) == {"description", "variables"}
    answer = owner.post(page, variants_of(fresh(row), do="state:1", state_1="ask"))
    state = answer.headers["Location"]
    assert "storeys" in owner.get(state).content.decode()
    anew = {**DESK["states"]["ask"], "config": {**DESK["states"]["ask"]["config"], "prompts": {"storeys": "And storeys?"}}}
    assert "A state is an object" in owner.post(state, {"state": "[]"}).content.decode()
    owner.post(state, {"state": json.dumps(anew), "rev": str(fresh(row).rev)})
    assert fresh(row).variants.all()[1].modifications["states"]["ask"]["config"]["prompts"] == {"storeys": "And storeys?"}
    assert owner.get(f"{address('state', row.pk)}?variant=control&state=ask").status_code == 404


def test_who_and_how_many(office: Tenant, owner: Any) -> None:
    row = planned(office, metrics=[])
    who = {
        "rev": str(row.rev), "unit": "user", "allocation": "hash", "coverage": "50", "channel": "web, api", "locale": "",
        "targeting": '{"profile.tier": "gold"}',
        "namespace": "", "holdout": "", "namespace_start": "", "namespace_end": "", "starts_at": "", "ends_at": "", "auto_stop": "on",
        "ramp_0_coverage": "10", "ramp_0_hours": "24", "ramp_1_coverage": "5",
    }  # fmt: skip
    page = address("plan", row.pk, "who")
    assert "does not grow" in owner.post(page, who).content.decode()
    assert "$.targeting.a.$like" in owner.post(page, {**who, "targeting": '{"a": {"$like": 1}}'}).content.decode()
    answer = owner.post(page, {**who, "ramp_1_coverage": "100"})
    assert answer.headers["Location"] == address("plan", row.pk, "size")
    row = fresh(row)
    assert (row.coverage, row.targeting) == (0.5, {"channel": {"$in": ["web", "api"]}, "profile.tier": "gold"})
    assert row.ramp == [{"coverage": 0.1, "min_hours": 24.0, "min_units": 0}, {"coverage": 1.0, "min_hours": 0, "min_units": 0}]
    size = address("plan", row.pk, "size")
    text = owner.get(size).content.decode()
    assert "a primary metric" in text
    assert "Dropped off" in text, "a usual one that the office lacks"
    given = {
        "rev": str(row.rev), "stats_mode": "sequential", "baseline": "0.6", "minimum_effect": "0.1", "alpha": "0.05", "power": "0.8",
        "role_completed": "primary", "role_dropped_off": "guardrail", "margin_dropped_off": "0.02", "stay": "1",
    }  # fmt: skip
    text = owner.post(size, given, follow=True).content.decode()
    assert 'aria-label="Power by units in each arm"' in text
    assert MetricDefinition.objects.for_tenant(office).get(key="dropped_off").measure == "drop_off"
    assert {(one.metric.key, one.role, one.margin) for one in fresh(row).metrics.all()} == {
        ("completed", "primary", 0.0),
        ("dropped_off", "guardrail", 0.02),
    }
    assert "from 0.0001 to below 0.5" in owner.post(size, {**given, "alpha": "0.7", "rev": ""}).content.decode()


def test_plans_that_have_started_are_only_read(office: Tenant, owner: Any) -> None:
    row = started(office)
    for step in ("question", "differs", "who", "size"):
        assert owner.get(address("plan", row.pk, step)).headers["Location"] == address("plan", row.pk, "review")
    assert "Validate and freeze" not in owner.get(address("plan", row.pk, "review")).content.decode()
    assert owner.get(address("plan", row.pk, "nowhere")).status_code == 404


def test_buttons_of_a_running_experiment(office: Tenant, owner: Any) -> None:
    row = started(office, ramp=[{"coverage": 0.2, "min_hours": 24}, {"coverage": 0.6}])
    services.count(office, key=row.key)
    text = owner.get(address("change", row.pk)).content.decode()
    assert "not before" in text
    assert "Take the next step now" in text
    assert "next step of the ramp is taken" in press(owner, row, "step")
    assert "The coverage has changed." in press(owner, row, "ramp", coverage="75")
    assert fresh(row).coverage == 0.75
    assert "is no share" in press(owner, row, "ramp", coverage="many")
    assert "is missing" in press(owner, row, "force", unit="", variant="short")
    press(owner, row, "force", unit="ada", variant="short")
    assert "ada: short" in owner.get(address("change", row.pk)).content.decode()
    press(owner, row, "unforce", unit="ada")
    assert not fresh(row).forces.exists()
    press(owner, row, "pause")
    part = owner.get(address("live", row.pk)).content.decode()
    assert 'data-state="paused"' in part
    assert "<html" not in part


def test_a_decision_needs_words(office: Tenant, owner: Any) -> None:
    row = started(office)
    text = owner.post(address("decisions", row.pk), {"verdict": "keep", "reason": "  "}, follow=True).content.decode()
    assert "the record keeps it" in text
    assert fresh(row).state == "running"
    owner.post(address("decisions", row.pk), {"verdict": "keep", "reason": "no difference"})
    assert fresh(row).state == "decided"
    assert not [one for one in queries.decisions(row) if one.verdict != "keep"]


def test_shared_rows_are_edited_by_services(office: Tenant, owner: Any) -> None:
    add = reverse("admin:experiments_metricdefinition_add")
    given = {"name": "To the end", "key": "to_the_end", "measure": "reached_state", "of": "", "cap": "0", "higher_is_better": "unknown"}
    assert "is missing" in owner.post(add, given).content.decode()
    owner.post(add, {**given, "of": "done"})
    made = MetricDefinition.objects.for_tenant(office).get(key="to_the_end")
    planned(office, metrics=[{"metric": "to_the_end", "role": "primary"}])
    page = reverse("admin:experiments_metricdefinition_change", args=(made.pk,))
    assert "what it measures cannot change" in owner.post(page, {**given, "of": "ask"}).content.decode()
    owner.post(page, {**given, "of": "done", "name": "All the way"})
    made.refresh_from_db()
    assert (made.name, made.of) == ("All the way", "done")
    for model, more in (("namespace", {}), ("holdout", {"share": "0.1", "active": "on"})):
        owner.post(reverse(f"admin:experiments_{model}_add"), {"name": "New", "key": "new", **more})
        assert "New" in owner.get(reverse(f"admin:experiments_{model}_changelist")).content.decode()


@pytest.mark.parametrize(
    "targeting",
    [{}, {"channel": "web"}, {"channel": {"$in": ["web", "api"]}, "profile.tier": "gold"}, {"channel": {"$ne": "web"}}, {"locale": "a,b"}],
)
def test_targeting_is_shown_and_joined_again(targeting: dict[str, Any]) -> None:
    named, rest = split_targeting(targeting)
    assert joined_targeting({name: value.split(", ") for name, value in named.items()}, rest) == targeting


def test_a_forest_keeps_every_row_on_its_scale() -> None:
    def arm(value: float, reach: float, **more: Any) -> dict[str, Any]:
        lift = {"value": value, "lower": value - reach, "upper": value + reach}
        return {"key": "a", "control": False, "lift": lift, "difference": lift, "significant": False, **more}

    metric = {"label": "x", "role": "primary", "shape": "share", "higher_is_better": True}
    none = {"key": "a", "control": False, "lift": None, "difference": {"value": 0.1, "lower": None, "upper": None}, "significant": False}
    findings = {"metrics": [{**metric, "arms": [arm(0.1, 0.04, significant=True), arm(0.05, 0.08), arm(0.2, 9.0, harm=True), none]}]}
    found = drawing.forest(findings)
    first, second, wide, early = found["rows"]
    assert (first["tone"], second["tone"], wide["tone"], early["tone"]) == ("good", "", "bad", "")
    assert wide["cut_low"]
    assert wide["cut_high"]
    for row in (first, second, wide):
        assert drawing.FOREST_LEFT <= row["x_lower"] <= row["x_value"] <= row["x_upper"] <= drawing.FOREST_RIGHT
    assert first["x_lower"] > found["middle"], "an interval above zero is drawn to the right of it"
    assert (early["within"], early["x_value"]) == ("too early", None)
    assert drawing.forest({})["is_empty"]
