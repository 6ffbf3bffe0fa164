"""The triage: what counts as a judgement, no look into the future, an honest measurement, models that are kept like all others, and its doors."""

from dataclasses import replace
from datetime import timedelta
from math import isnan
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mcp_platform.ml import queries as models
from mcp_platform.ml import services as ml
from mcp_platform.ml.models import ModelArtifact, ModelVersion
from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy.models import Role, Tenant, User
from tests.factories import TenantFactory, bearer, member
from tests.tenancy.clients import logged_in
from tests.validation import judged
from validation.core import ranking, risk
from validation.core.risk import FEATURES, Disposition, History
from validation.errors import FindingNotFound, TooFewDispositions
from validation.models import Finding, TriageReading, Waiver
from validation.services import triage
from validation.tasks import triage as tasks
from validation.triage import cases, champions, forest, learning, monitoring


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    champions._forests.clear()
    champions._histories.clear()
    champions._refused.clear()


@pytest.fixture
def tenant(db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def person(tenant: Tenant) -> User:
    return member(tenant)


class Quiet(Progress):
    """Progress that nobody looks at."""

    def __init__(self) -> None:
        super().__init__(uuid4(), 1)
        self.told: list[tuple[int, int, str]] = []

    def report(self, done: int, total: int, phase: str = "") -> None:
        self.told.append((done, total, phase))


@pytest.mark.parametrize(
    ("state", "kind", "means"),
    [
        ("acknowledged", "", True),
        ("in_progress", "", True),
        ("fixed", "", True),
        ("false_positive", "", False),
        ("waived", "variance", True),
        ("waived", "existing_condition", True),
        ("waived", "not_applicable", False),
        ("open", "", None),
        ("reopened", "", None),
    ],
)
def test_a_disposition_is_what_a_person_made_of_it(state: str, kind: str, means: bool | None) -> None:
    assert risk.confirmed(state, kind) is means


def test_only_the_last_word_of_people_counts(tenant: Tenant, person: User) -> None:
    house = judged.a_building(tenant)
    names = ("withdrawn", "changed", "machine", "program", "waived", "foreign")
    found = {name: judged.a_finding(house, subject=name) for name in names}
    Finding.objects.bulk_create(found.values())
    judged.judge(found["withdrawn"], "false_positive", by=person)
    judged.judge(found["withdrawn"], "reopened", by=person)
    judged.judge(found["changed"], "false_positive", by=person)
    judged.judge(found["changed"], "acknowledged", by=person)
    judged.judge(found["machine"], "fixed", by=None)
    judged.judge(found["program"], "acknowledged", by=None, actor="key:abc")
    judged.judge(found["foreign"], "acknowledged", by=None, actor="jwt:clerk@example.com")
    waiver = Waiver.objects.create(tenant=tenant, building=house, finding=found["waived"], rule_key="RULE-0", kind="not_applicable", requester="x")
    found["waived"].notes.create(
        tenant=tenant, kind="waiver", data={"waiver": str(waiver.pk), "state": "approved", "finding_state": "waived"}, actor=f"user:{person.pk}"
    )
    known = cases.dispositions(tenant)
    told = {name: known[row.pk].confirmed for name, row in found.items() if row.pk in known}
    assert told == {"changed": True, "waived": False, "foreign": True}


@given(st.integers(0, 10_000), st.integers(1, 9))
def test_numbers_of_a_finding_do_not_know_what_comes_later(seed: int, tenth: int) -> None:
    found = judged.cases(200, seed=seed)
    moment = found[len(found) * tenth // 10].seen_at
    before = risk.replay(found)
    changed = [
        case
        if case.seen_at < moment and (case.disposition is None or case.disposition.at < moment)
        else replace(case, disposition=None if case.disposition is None else Disposition(confirmed=not case.disposition.confirmed, at=moment + 1))
        for case in found
        if case.seen_at <= moment
    ]
    after = risk.replay(changed)
    early = [case.finding for case in changed if case.seen_at < moment]
    assert [_comparable(before[name]) for name in early] == [_comparable(after[name]) for name in early]


def _comparable(row: risk.Row) -> tuple[Any, ...]:
    return tuple("unknown" if isnan(value) else value for value in row)


def test_what_it_learns_from_ended_before_what_it_is_measured_on_began() -> None:
    parts = risk.split(judged.cases(800))
    assert min(case.seen_at for case in parts.held_out) == parts.cut
    assert all(case.disposition is not None and case.disposition.at < parts.cut for case in parts.train)
    assert not {case.check for case in parts.train} & {case.check for case in parts.held_out}
    assert parts.left_out > 0
    judged_ones = sum(case.disposition is not None for case in judged.cases(800))
    assert len(parts.train) + len(parts.held_out) + parts.left_out == judged_ones
    assert 0.2 < len(parts.held_out) / judged_ones < 0.4


def test_features_have_names_and_the_history_enters_them() -> None:
    history = History()
    some = judged.cases(40)
    for case in some:
        history.see(case)
    row = dict(zip(FEATURES, risk.features(some[0], history, some[0].seen_at), strict=True))
    assert row["rule_rate"] == pytest.approx(risk.USUAL_RATE)
    history.decide(some[0], right=False)
    after = dict(zip(FEATURES, risk.features(some[0], history, some[0].seen_at), strict=True))
    assert after["rule_rate"] < row["rule_rate"]
    assert row["margin"] == pytest.approx(some[0].margin)
    assert isnan(row["storey_rate"])
    assert not isnan(after["storey_rate"])
    assert (row["is_door"] + row["is_stair"] + row["is_space"], row["category_egress"], row["is_other"]) == (1.0, 1.0, 0.0)


def test_a_margin_is_told_as_a_share_of_the_limit() -> None:
    assert risk.relative_margin(-0.1, 0.8) == pytest.approx(-0.125)
    assert isnan(risk.relative_margin(None, 0.8))
    assert risk.relative_margin(-1.0, 0.0) == -10.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60).filter(lambda rows: len({label for label, _ in rows}) == 2))
def test_measures_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels, scores = [label for label, _ in rows], [score / 6 for _, score in rows]
    assert ranking.average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert ranking.roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


def test_precision_at_a_depth_is_fair_to_ties() -> None:
    assert ranking.precision_at([True, False, True, False], [4, 3, 2, 1], 2) == 0.5
    assert ranking.precision_at([True, False, False, False], [1, 1, 1, 1], 2) == 0.25
    assert ranking.precision_at([True], [1], 2) is None


def test_drift_is_nothing_when_nothing_has_changed_and_much_when_all_has() -> None:
    before = [float(number % 10) for number in range(200)]
    ends = ranking.edges(before)
    shares = ranking.shares(before, ends)
    assert sum(shares) == pytest.approx(1.0)
    assert ranking.stability(shares, ranking.shares(before, ends)) == 0.0
    assert ranking.reading(ranking.stability(shares, ranking.shares([9.0] * 100, ends))) == "drifted"
    unknown = ranking.shares([float("nan")] * 3, ends)
    assert unknown[-1] == 1.0


@pytest.fixture(scope="module")
def learned() -> learning.Learned:
    return learning.learn(judged.cases(1200))


def test_arrays_give_the_probabilities_of_scikit_learn() -> None:
    import numpy as np

    rows = risk.replay(judged.cases(600))
    known = [case for case in judged.cases(600) if case.disposition is not None]
    model = learning._fit(rows, known, 60, lambda *_: None)
    matrix = learning._matrix(rows, known)
    dice = np.random.default_rng(3)
    strange = np.where(dice.random(matrix.shape) < 0.2, np.nan, matrix + dice.normal(size=matrix.shape))
    ours = forest.from_bytes(forest.to_bytes(learning.exported(model, matrix)))
    for found in (matrix, strange):
        assert np.abs(ours.probabilities(found) - model.predict_proba(found)[:, 1]).max() < 1e-12


def test_it_beats_the_baselines_where_there_is_something_to_learn(learned: learning.Learned) -> None:
    gates = learning.judge(learned.metrics, None)
    assert all(gate.passed for gate in gates), gates
    assert learned.metrics["model"]["average_precision"] > learned.metrics["baselines"]["severity, then rate of the rule"]["average_precision"]
    assert learned.metrics["importance"][0]["feature"] in ("margin", "assumed_share", "rule_rate")


def test_it_does_not_serve_where_people_toss_coins() -> None:
    found = learning.learn(judged.cases(1200, tells=False))
    assert "beats: severity, then rate of the rule" in [gate.name for gate in learning.judge(found.metrics, None) if not gate.passed]


def test_the_champion_is_measured_on_the_same_findings(learned: learning.Learned) -> None:
    again = learning.learn(judged.cases(1200), champion=learned.forest)
    assert again.metrics["gains"]["champion"]["average_precision"] == 0.0
    assert [gate.passed for gate in learning.judge(again.metrics, {}) if gate.name == "champion"] == [True]
    worse = {**again.metrics, "gains": {**again.metrics["gains"], "champion": {"average_precision": -0.05, "low": -0.1, "high": 0.0}}}
    assert [gate.passed for gate in learning.judge(worse, {}) if gate.name == "champion"] == [False]


def test_the_same_judgements_give_the_same_model(learned: learning.Learned) -> None:
    again = learning.learn(judged.cases(1200))
    assert forest.to_bytes(again.forest) == forest.to_bytes(learned.forest)
    assert again.metrics == learned.metrics


@pytest.mark.parametrize("part", ["left", "feature", "value"])
def test_arrays_that_are_no_trees_are_refused(learned: learning.Learned, part: str) -> None:
    import numpy as np

    found = learned.forest
    inner = int((~found.leaf).nonzero()[0][0])
    broken = getattr(found, part).copy()
    if part == "value":
        broken = broken[:-1]
    else:
        broken[inner] = inner if part == "left" else len(FEATURES)
    with pytest.raises(forest.Unusable):
        changed: Any = {part: np.ascontiguousarray(broken)}
        forest.from_bytes(forest.to_bytes(replace(found, **changed)))
    with pytest.raises(forest.Unusable):
        forest.from_bytes(b"PK\x03\x04 nothing")


def test_too_little_says_what_is_missing() -> None:
    with pytest.raises(learning.TooLittle, match="at least 30 of each"):
        learning.learn(judged.cases(60))


def test_below_the_minimum_the_baseline_ranks_and_says_so(tenant: Tenant, person: User) -> None:
    buildings = judged.stored(tenant, judged.cases(200), person)
    found = triage.standing(tenant)
    assert found.dispositions < risk.LEAST_DISPOSITIONS
    assert f"People have judged {found.dispositions} findings; from 300 on a model can be learnt." in found.message
    with pytest.raises(TooFewDispositions, match=f"judged {found.dispositions} findings"):
        triage.start_training(tenant, by="system")
    house = next(iter(buildings.values()))
    critical, minor = judged.a_finding(house, severity="critical", subject="a"), judged.a_finding(house, severity="minor", subject="b")
    Finding.objects.bulk_create([critical, minor])
    assert triage.score_new(tenant, building_id=house.pk) > 0
    rows = {row.subject: row for row in Finding.objects.filter(pk__in=[critical.pk, minor.pk])}
    assert (rows["a"].ml_score or 0) > (rows["b"].ml_score or 1)
    assert rows["a"].ml_model_version is None


def test_a_model_is_learnt_kept_promoted_and_ranks(tenant: Tenant, person: User) -> None:
    judged.stored(tenant, judged.cases(1200), person)
    progress = Quiet()
    result = tasks.train(tenant, {"promote": True}, progress)
    models.forget(tenant.pk, "now")  # the test's transaction never commits
    assert result["closed_gates"] == []
    row = models.model(tenant, result["model"])
    assert (row.kind, row.subject, row.status) == ("risk", "findings", ModelVersion.Status.CHAMPION)
    assert "learning" in {phase for _, _, phase in progress.told}
    assert progress.told[-1][0] == progress.told[-1][1]
    assert tasks.train(tenant, {"promote": True}, Quiet())["was_there"]
    assert Operation.objects.for_tenant(tenant).filter(kind=triage.RESCORE).exists()

    undecided = Finding.objects.for_tenant(tenant).filter(state="open")
    assert tasks.rescore(tenant, {}, Quiet()) == {"ranked": undecided.count(), "model": str(row.pk)}
    assert not undecided.exclude(ml_model_version=row.pk).exists()
    assert not Finding.objects.for_tenant(tenant).exclude(state="open").exclude(ml_score=None).exists()
    one = undecided.order_by("-ml_score")[0]
    why = triage.reasons(tenant, finding_id=one.pk)
    assert why["ranked_by"] == "model"
    assert why["score"] == pytest.approx(one.ml_score, abs=1e-6)
    assert why["reasons"]
    assert triage.standing(tenant).message.startswith("Model 1 ranks")


def test_scores_are_no_change_of_the_finding(tenant: Tenant, person: User) -> None:
    house = judged.a_building(tenant)
    row = judged.a_finding(house)
    row.save()
    before = Finding.objects.get(pk=row.pk)
    triage.score_new(tenant)
    after = Finding.objects.get(pk=row.pk)
    assert after.ml_score is not None
    assert (after.rev, after.updated_at) == (before.rev, before.updated_at)


def test_a_tampered_model_does_not_rank(tenant: Tenant, person: User, learned: learning.Learned) -> None:
    row = _served(tenant, learned)
    assert champions.ranking(tenant.pk).model == row.pk
    ModelArtifact.objects.filter(model=row).update(content=forest.to_bytes(learned.forest) + b" ")
    champions._forests.clear()
    assert champions.ranking(tenant.pk).model is None
    house = judged.a_building(tenant)
    judged.a_finding(house).save()
    triage.score_new(tenant)
    assert Finding.objects.get(building=house).ml_model_version is None


def test_another_model_that_serves_ranks_what_the_one_before_has_ranked(tenant: Tenant, person: User, learned: learning.Learned) -> None:
    house = judged.a_building(tenant)
    judged.a_finding(house).save()
    triage.score_new(tenant)
    row = _served(tenant, learned)
    triage.rescore_stale()
    triage.rescore_stale()
    operation = Operation.objects.for_tenant(tenant).get(kind=triage.RESCORE)
    tasks.rescore(tenant, operation.arguments, Quiet())
    assert Finding.objects.get(building=house).ml_model_version == row.pk


def test_a_lost_job_is_found_again(tenant: Tenant) -> None:
    judged.a_finding(judged.a_building(tenant)).save()
    assert triage.score_forgotten() == 1
    assert triage.score_forgotten() == 0


def _served(tenant: Tenant, learned: learning.Learned) -> ModelVersion:
    row = ml.keep(
        tenant, kind=champions.KIND, subject=champions.SUBJECT, content=forest.to_bytes(learned.forest), metrics=learned.metrics, card={},
        data_sha256="0" * 64, by="system",
    )  # fmt: skip
    found = ml.promote(tenant, model_id=row.pk, by="system")
    models.forget(tenant.pk, "now")
    return found


def test_a_reading_tells_drift_and_agreement(tenant: Tenant, person: User, learned: learning.Learned) -> None:
    some = judged.cases(1200)
    judged.stored(tenant, some, person)
    _served(tenant, learned)
    now = judged.later(some[-1], days=1)
    Finding.objects.for_tenant(tenant).update(ml_score=0.5)
    for row in Finding.objects.for_tenant(tenant).filter(state="acknowledged"):
        Finding.objects.filter(pk=row.pk).update(ml_score=0.9)
    reading = triage.measure(tenant, now=now)
    assert reading.quality["roc_auc"] == 1.0
    assert reading.baseline["roc_auc"] < 1.0
    assert set(reading.drift) == set(FEATURES)
    assert reading.drift["margin"] < ranking.STRONG
    Finding.objects.for_tenant(tenant).filter(created_at__gt=now - timedelta(days=monitoring.DRIFT_DAYS)).update(margin=-9.0)
    assert triage.measure(tenant, now=now).drift["margin"] > ranking.STRONG
    assert TriageReading.objects.for_tenant(tenant).count() == 1


def test_every_tenant_with_findings_is_measured_once_a_day(tenant: Tenant) -> None:
    judged.a_finding(judged.a_building(tenant)).save()
    assert [triage.measure_due(), triage.measure_due()] == [1, 0]
    reading = TriageReading.objects.for_tenant(tenant).get()
    assert (reading.day, reading.drift, reading.quality) == (timezone.now().date(), {}, {})


API = "/api/v1/validation/triage"


def test_owner_member_stranger_and_nobody(client: Any, tenant: Tenant, person: User) -> None:
    row = judged.a_finding(judged.a_building(tenant))
    row.save()
    stranger, viewer = TenantFactory.create(), bearer(tenant, ["validation:read"])
    answer = client.get(API, headers=viewer).json()
    assert (answer["ranked_by"], answer["needed"], answer["champion"], answer["findings"]) == ("baseline", 300, None, 1)
    assert client.get(f"{API}/findings/{row.pk}", headers=viewer).json()["ranked_by"] == "baseline"
    assert client.get(f"{API}/findings/{row.pk}", headers=bearer(stranger)).json()["error_code"] == "FINDING_NOT_FOUND"
    assert client.get(API, headers=bearer(stranger)).json()["findings"] == 0
    assert client.get(f"{API}/readings", headers=viewer).status_code == 200
    for path in ("train", "rescore"):
        assert client.post(f"{API}/{path}", headers=viewer).status_code == 403
    assert client.get(API, headers=bearer(tenant, ["flows:read"])).status_code == 403
    assert client.get(API).status_code == 401
    refused = client.post(f"{API}/train", {}, content_type="application/json", headers=bearer(tenant))
    assert (refused.status_code, refused.json()["error_code"]) == (409, "TRIAGE_TOO_FEW_DISPOSITIONS")
    begun = client.post(f"{API}/rescore", headers=bearer(tenant))
    assert begun.status_code == 202
    assert begun["Location"] == f"/api/v1/operations/{begun.json()['id']}"


def test_reasons_of_a_finding_that_is_not_there(tenant: Tenant) -> None:
    with pytest.raises(FindingNotFound):
        triage.reasons(tenant, finding_id=uuid4())


def test_the_page_shows_what_ranks_and_starts_the_work(tenant: Tenant, person: User, learned: learning.Learned) -> None:
    judged.stored(tenant, judged.cases(400), person)
    browser = logged_in(person)
    page = browser.get("/admin/validation/triagereading/")
    assert page.status_code == 200
    assert "enough to learn a model. None serves yet." in page.content.decode()
    assert browser.post("/admin/validation/triagereading/train/").status_code == 302
    assert Operation.objects.for_tenant(tenant).filter(kind=triage.TRAIN, created_by=f"user:{person.pk}").exists()
    row = _served(tenant, learned)
    browser.post("/admin/validation/triagereading/measure/")
    page = browser.get("/admin/validation/triagereading/").content.decode()
    assert "Model 1 ranks" in page
    model = browser.get(f"/admin/ml/modelversion/{row.pk}/change/").content.decode()
    assert "Against the baselines" in model
    assert "Baseline: severity, then rate of the rule" in model


def test_who_may_not_run_sees_no_buttons_and_presses_none(tenant: Tenant) -> None:
    viewer = logged_in(member(tenant, Role.VIEWER))
    assert "Rank open findings again" not in viewer.get("/admin/validation/triagereading/").content.decode()
    assert viewer.post("/admin/validation/triagereading/rescore/").status_code == 403
    assert not Operation.objects.for_tenant(tenant).exists()
    agent = logged_in(member(tenant, Role.AGENT))
    assert agent.get("/admin/validation/triagereading/").status_code == 403
