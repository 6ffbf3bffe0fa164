"""What was checked by other rules, or for another situation, is checked again and says so until then; what comes late changes nothing."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.factories import DOOR_WIDTH, TenantFactory
from tests.validation.live_scene import FRAME, Plugin, building, door, full, person, rule, settle, width, work
from validation.core.building import Fact
from validation.errors import FieldsRefused, ModelRejected
from validation.models import Adoption, Building, Jurisdiction, ModelRevision, ValidationRun
from validation.queries import elements
from validation.services import amendments, checking, evaluating, facts, findings, jurisdictions, projects, rechecking, replacing, rule_sets, rulebook
from validation.services.ground import Ground

pytestmark = pytest.mark.django_db
COMPLIES = "compliant to the rules checked"
SPRINKLED = rule("SPRINKLED", "IfcDoor", "b.sprinklered_nfpa13 == true", severity="critical")


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def house(office: Tenant) -> Building:
    """Compliant: one door of 0.9 m in a sprinklered building."""
    made = building(office, DOOR_WIDTH, SPRINKLED)
    projects.save_project(office, pk=made.project_id, fields={"sprinkler": "nfpa13"}, by=None)
    made.refresh_from_db()
    Plugin(made, person(office), "setup").send(*FRAME, door("d-1", 0.95))
    full(made)
    made.refresh_from_db()
    assert (made.status, made.dirty_storeys) == (COMPLIES, [])
    return made


def is_marked(house: Building) -> bool:
    house.refresh_from_db()
    return (house.dirty_storeys, house.status) == (["*"], "indeterminate")


def sprinklers_away(house: Building) -> None:
    projects.save_project(house.tenant, pk=house.project_id, fields={"sprinkler": "none"}, by=None)


def stricter(house: Building) -> Any:
    fields = {
        "jurisdiction": house.project.jurisdiction_id, "rule_key": "TEST-DOOR-WIDTH", "effective_from": date(2020, 1, 1),
        "action": "override_params", "payload": {"min": {"value": 1.2, "unit": "m"}}, "citation": "by-law",
    }  # fmt: skip
    return amendments.save_amendment(house.tenant, fields=fields, by=None)


def a_stricter_version(house: Building) -> None:
    owner = house.project.rule_sets.get()
    draft = rule_sets.new_draft(house.tenant, rule_set=owner.pk, number="1.1.0", by=None)
    rule_sets.close(draft, None)


def retired(house: Building) -> None:
    rule_sets.retire(house.tenant, pk=house.project.rule_sets.get().versions.get().pk, by=None)


def permit_moved(house: Building) -> None:
    projects.save_project(house.tenant, pk=house.project_id, fields={"permit_application_date": "2025-01-01"}, by=None)


def higher(house: Building) -> None:
    projects.save_building(house.tenant, pk=house.pk, fields={"height_m": 80.0}, by=None)


def adopted(house: Building) -> None:
    edition = factories.CodeEditionFactory.create(tenant=house.tenant)
    fields = {"jurisdiction": house.project.jurisdiction_id, "code_edition": edition.pk, "effective_from": date(2020, 1, 1)}
    jurisdictions.save_adoption(house.tenant, fields=fields, by=None)


def fact_defined(house: Building) -> None:
    fields = {"name": "polish", "type": "number", "unit": "m", "applies_to": ["IfcDoor"], "sources": ["pset:A.B"]}
    facts.save_fact(house.tenant, fields=fields, by=None)


CHANGES = (sprinklers_away, stricter, a_stricter_version, retired, permit_moved, higher, adopted, fact_defined)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
def test_whatever_changes_the_law_or_the_situation_has_the_building_checked_again(house: Building, change: Any) -> None:
    runs = ValidationRun.objects.filter(building=house).count()
    change(house)
    assert is_marked(house)
    settle(house)
    assert house.dirty_storeys == []
    assert ValidationRun.objects.filter(building=house).count() == runs + 1


def test_a_building_without_sprinklers_complies_no_more(house: Building) -> None:
    sprinklers_away(house)
    settle(house)
    assert house.status == "non-compliant"


def test_what_is_not_of_the_law_marks_nothing(house: Building, office: Tenant) -> None:
    projects.save_project(office, pk=house.project_id, fields={"name": "Another name", "sprinkler": "nfpa13"}, by=None)
    elsewhere = Jurisdiction.objects.create(tenant=office, code="XX", name="XX", kind="state")
    Adoption.objects.create(
        tenant=office, jurisdiction=elsewhere, code_edition=factories.CodeEditionFactory.create(tenant=office), effective_from="2020-01-01"
    )
    house.refresh_from_db()
    assert (house.dirty_storeys, house.status) == ([], COMPLIES)


def test_a_recheck_of_a_storey_under_other_rules_becomes_a_full_check(house: Building, office: Tenant) -> None:
    """Also when nobody has marked the building: rows were written by hand."""
    type(house.project).objects.filter(pk=house.project_id).update(sprinkler="none")
    Building.objects.filter(pk=house.pk).update(dirty_storeys=["storey-0"])
    rechecking.recheck(office, building_id=house.pk, patience=0)
    assert is_marked(house)


def test_a_run_by_the_rules_of_before_is_the_runs_alone(house: Building) -> None:
    old = checking.start(house.tenant, building_id=house.pk, by="system:test")
    stricter(house)
    work(old)
    assert (old.state, old.score_breakdown["superseded"], old.status) == ("done", True, COMPLIES)
    assert is_marked(house)
    settle(house)
    assert house.status == "non-compliant"


def test_a_run_that_ends_after_a_newer_one_changes_nothing(house: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    old = checking.start(house.tenant, building_id=house.pk, by="system:test")
    evaluate = evaluating.evaluate
    nested: list[Any] = []

    def slow(*args: Any, **more: Any) -> Any:
        found = evaluate(*args, **more)
        if not nested:
            nested.append(1)
            nested.append(full(house))
        return found

    monkeypatch.setattr(evaluating, "evaluate", slow)
    work(old)
    assert old.score_breakdown["superseded"]
    house.refresh_from_db()
    assert (house.dirty_storeys, house.status) == ([], COMPLIES)


def test_people_change_nothing_about_the_rules_that_were_judged_by(house: Building) -> None:
    house.project.rule_sets.clear()  # by hand: nobody was told
    findings.tell_people(house, [])
    house.refresh_from_db()
    assert (house.score, house.status) == (100.0, COMPLIES)


def test_a_part_of_a_rule_that_is_not_in_force_is_told_and_harms_no_other(house: Building) -> None:
    fields = {
        "jurisdiction": house.project.jurisdiction_id, "rule_key": "SPRINKLED", "effective_from": date(2020, 1, 1),
        "action": "replace", "payload": {"severity": "minor"}, "citation": "by-law",
    }  # fmt: skip
    amendments.save_amendment(house.tenant, fields=fields, by=None)
    house.project.rule_sets.set([factories.rule_set(house.tenant, slug="other").rule_set])
    book = rulebook.rulebook_of(house)
    assert [one.key for one in book.rules] == ["TEST-DOOR-WIDTH"]
    assert any("cannot replace SPRINKLED: there is none" in problem for problem in book.problems)
    run = full(house)
    assert run.score_breakdown["problems"] == list(book.problems)


def test_scheduled_checks_find_those_that_are_due_behind_those_that_are_not(house: Building, office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MOST_AT_ONCE", 1)
    Plugin(due := factories.BuildingFactory.create(tenant=office, project=house.project), person(office), "setup").send(*FRAME)
    Building.objects.filter(pk__in=[house.pk, due.pk]).update(check_every_hours=24)
    Building.objects.filter(pk=due.pk).update(updated_at=timezone.now() + timedelta(days=1))
    assert checking.start_due() == 1
    assert ValidationRun.objects.filter(building=due).count() == 1


def test_the_hash_of_the_input_does_not_follow_the_order_of_the_database(house: Building) -> None:
    rows = list(elements.at(house.tenant, house))
    here = Ground(building=house, book=rulebook.rulebook_of(house), definitions=None, situation={"a": Fact(value=1, source="project")})  # type: ignore[arg-type]
    assert evaluating.input_sha256(rows, here) == evaluating.input_sha256(rows[::-1], here)


def test_a_new_title_does_not_bring_two_editions_into_force(office: Tenant) -> None:
    place = factories.JurisdictionFactory.create(tenant=office)
    one, other = (factories.CodeEditionFactory.create(tenant=office, title=title, edition=title) for title in ("Code", "Other"))
    for edition in (one, other):
        jurisdictions.save_adoption(
            office, fields={"jurisdiction": place.pk, "code_edition": edition.pk, "effective_from": date(2020, 1, 1)}, by=None
        )
    with pytest.raises(FieldsRefused) as refused:
        jurisdictions.save_edition(office, pk=other.pk, fields={"title": "Code"}, by=None)
    assert [(fault["path"], fault["code"]) for fault in refused.value.details["errors"]] == [("$.title", "overlap")]
    jurisdictions.save_edition(office, pk=other.pk, fields={"title": "Third"}, by=None)


def test_a_new_model_says_nothing_until_it_is_checked_and_an_older_one_is_refused(house: Building) -> None:
    old, new = (ModelRevision.objects.create(tenant=house.tenant, building=house, number=number, source="json") for number in (1, 2))
    nothing: Any = type(
        "Empty", (), {"state": "ready", "schema": "", "application": "", "integrity": {}, "counts": {}, "total": 0, "elements": list}
    )()
    replacing.replace_model(house.tenant, new, nothing, actor="system:test", tell=lambda *told: None)
    assert is_marked(house)
    head = house.head_seq
    with pytest.raises(ModelRejected):
        replacing.replace_model(house.tenant, old, nothing, actor="system:test", tell=lambda *told: None)
    old.refresh_from_db()
    house.refresh_from_db()
    assert (old.state, old.problem["reason"], house.head_seq) == ("rejected", "OUTDATED", head)


def test_a_change_that_touches_no_surroundings_leaves_nothing_to_recheck(house: Building, office: Tenant) -> None:
    Plugin(house, person(office), "p").send({"op": "upsert", "global_id": "d-1", "set": {"tag": "T1"}}, base=house.head_seq)
    house.refresh_from_db()
    assert (house.dirty_storeys, house.checked_seq, house.status) == ([], house.head_seq, COMPLIES)


def test_while_a_storey_waits_nothing_complies(house: Building, office: Tenant) -> None:
    Plugin(house, person(office), "p").send(width("d-1", 1.4), base=house.head_seq)
    house.refresh_from_db()
    assert (bool(house.dirty_storeys), house.status) == (True, "indeterminate")
    settle(house)
    assert house.status == COMPLIES
