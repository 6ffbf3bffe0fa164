"""Places, editions, adoptions, amendments and projects: what services refuse, and what is in force."""

from datetime import date
from typing import Any, cast

import pytest

from mcp_platform.errors import Denied
from mcp_platform.rest import StaleEtag
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import AuditEntry, Tenant
from mcp_platform.tenancy.scope import Principal
from tests import factories
from validation.errors import FieldsRefused, JurisdictionNotFound, NameTaken, StillNeeded
from validation.models import Jurisdiction, Project
from validation.queries import rulebook as queries
from validation.services import amendments, facts, jurisdictions, projects

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Tenant:
    return factories.TenantFactory.create()


def place(tenant: Tenant, code: str, parent: Any = None, **more: Any) -> Jurisdiction:
    fields = {"code": code, "name": code, "kind": "state", "parent": parent, **more}
    return jurisdictions.save_jurisdiction(tenant, fields=fields, by=None)


def faults(refused: Any) -> dict[str, str]:
    return {one["path"]: one["code"] for one in refused.value.details["errors"]}


def test_the_tree_knows_its_chain_and_refuses_circles(office: Tenant) -> None:
    us = place(office, "US")
    state = place(office, "US-WA", us)
    city = place(office, "US-WA-SEA", state.pk)
    assert [one.code for one in queries.chain(city)] == ["US", "US-WA", "US-WA-SEA"]
    for parent in (us, city):
        with pytest.raises(FieldsRefused) as refused:
            jurisdictions.save_jurisdiction(office, pk=us.pk, fields={"parent": parent}, by=None)
        assert faults(refused) == {"$.parent": "cycle"}


def test_every_fault_is_told_at_once(office: Tenant) -> None:
    with pytest.raises(FieldsRefused) as refused:
        jurisdictions.save_jurisdiction(office, fields={"code": "seattle", "name": 7, "kind": "planet", "colour": "red"}, by=None)
    assert faults(refused) == {"$.code": "invalid", "$.name": "wrong_type", "$.kind": "invalid_choice", "$.colour": "unknown"}


def test_a_strangers_row_is_not_there(office: Tenant) -> None:
    theirs = place(factories.TenantFactory.create(), "US")
    with pytest.raises(JurisdictionNotFound):
        jurisdictions.save_jurisdiction(office, pk=theirs.pk, fields={"name": "ours now"}, by=None)
    with pytest.raises(FieldsRefused) as refused:
        place(office, "US-WA", theirs.pk)
    assert faults(refused) == {"$.parent": "not_found"}


def test_a_code_is_there_once_and_a_needed_place_stays(office: Tenant) -> None:
    us = place(office, "US")
    with pytest.raises(NameTaken):
        place(office, "US")
    place(office, "US-WA", us)
    with pytest.raises(StillNeeded):
        jurisdictions.delete_jurisdiction(office, pk=us.pk, by=None)


def test_saves_are_audited_and_compared_with_what_was_read(office: Tenant) -> None:
    us = place(office, "US")
    saved = jurisdictions.save_jurisdiction(office, pk=us.pk, fields={"name": "States"}, expected_rev=1, by=None)
    assert saved.rev == 2
    with pytest.raises(StaleEtag):
        jurisdictions.save_jurisdiction(office, pk=us.pk, fields={"name": "Again"}, expected_rev=1, by=None)
    assert jurisdictions.save_jurisdiction(office, pk=us.pk, fields={"name": "States"}, by=None).rev == 2, "nothing has changed"
    entry = AuditEntry.objects.get(tenant=office, action="jurisdiction.save")
    assert entry.changes == {"name": ["US", "States"]}


def adopt(tenant: Tenant, where: Jurisdiction, edition: Any, start: str, end: str | None = None, **more: Any) -> Any:
    fields = {"jurisdiction": where, "code_edition": edition, "effective_from": start, "effective_to": end}
    return jurisdictions.save_adoption(tenant, fields=fields, by=None, **more)


def test_the_permits_day_chooses_the_edition_and_the_nearest_place_wins(office: Tenant) -> None:
    us = place(office, "US")
    state = place(office, "US-WA", us)
    old = factories.CodeEditionFactory.create(tenant=office, title="IBC", edition="2018")
    new = factories.CodeEditionFactory.create(tenant=office, title="IBC", edition="2021")
    adopt(office, state, old, "2021-02-01", "2024-03-14")
    adopt(office, state, new, "2024-03-15")
    adopt(office, us, old, "2019-01-01")

    def edition(on: date) -> list[str]:
        return [str(row.code_edition) for row in queries.adoptions(office, queries.chain(state), on)]

    assert edition(date(2020, 1, 1)) == ["IBC 2018"], "inherited"
    assert edition(date(2024, 3, 14)) == ["IBC 2018"]
    assert edition(date(2024, 3, 15)) == ["IBC 2021"]
    assert edition(date(2018, 1, 1)) == []


@pytest.mark.parametrize(
    ("start", "end", "overlaps"),
    [
        ("2021-01-01", None, True),
        ("2019-01-01", "2020-01-01", True),
        ("2022-12-31", "2022-12-31", True),
        ("2023-01-01", None, False),
        ("2019-01-01", "2019-12-31", False),
    ],
)
def test_two_editions_of_one_title_do_not_overlap(office: Tenant, start: str, end: str | None, overlaps: bool) -> None:
    us = place(office, "US")
    first, second = (factories.CodeEditionFactory.create(tenant=office, title="IBC", edition=year) for year in ("2018", "2021"))
    adopt(office, us, first, "2020-01-01", "2022-12-31")
    adopt(office, us, factories.CodeEditionFactory.create(tenant=office, title="Another"), start, end)
    if not overlaps:
        assert adopt(office, us, second, start, end).pk
        return
    with pytest.raises(FieldsRefused) as refused:
        adopt(office, us, second, start, end)
    assert faults(refused) == {"$.effective_from": "overlap"}
    adopt(office, place(office, "US-WA", us), second, start, end)  # elsewhere it may


def test_an_adoption_can_be_shortened_but_not_end_before_it_begins(office: Tenant) -> None:
    row = adopt(office, place(office, "US"), factories.CodeEditionFactory.create(tenant=office), "2020-01-01")
    saved = jurisdictions.save_adoption(office, pk=row.pk, fields={"effective_to": "2020-01-01"}, by=None)
    assert saved.effective_to == date(2020, 1, 1)
    with pytest.raises(FieldsRefused) as refused:
        jurisdictions.save_adoption(office, pk=row.pk, fields={"effective_to": "2019-12-31"}, by=None)
    assert faults(refused) == {"$.effective_to": "before_start"}


def amend(tenant: Tenant, where: Jurisdiction, action: str, payload: Any, key: str = "TEST-DOOR-WIDTH") -> Any:
    fields = {"jurisdiction": where, "rule_key": key, "effective_from": "2020-01-01", "action": action, "payload": payload, "citation": "§ 1"}
    return amendments.save_amendment(tenant, fields=fields, by=None)


@pytest.mark.parametrize(
    ("action", "payload", "key", "path"),
    [
        ("override_params", {}, "TEST-DOOR-WIDTH", "$.payload"),
        ("override_params", {"max": {"value": 1}}, "TEST-DOOR-WIDTH", "$.payload.max"),
        ("override_params", {"min": {"value": 1, "unit": "mm"}}, "TEST-DOOR-WIDTH", "$.payload.min.unit"),
        ("override_params", {"min": 0.9}, "TEST-DOOR-WIDTH", "$.payload.min"),
        ("override_params", {"min": {"value": 1}}, "TEST-NOTHING", "$.rule_key"),
        ("disable", {"min": {"value": 1}}, "TEST-DOOR-WIDTH", "$.payload"),
        ("replace", {"require": "e.clear_width >="}, "TEST-DOOR-WIDTH", "$.payload.require"),
        ("replace", {}, "TEST-DOOR-WIDTH", "$.payload"),
        ("add", {"title": "New", "applies_to": ["IfcSomething"], "category": "egress"}, "TEST-NEW", "$.payload.applies_to[0]"),
    ],
)
def test_an_amendment_that_would_do_nothing_or_harm_is_refused(office: Tenant, action: str, payload: Any, key: str, path: str) -> None:
    factories.rule_set(office)
    with pytest.raises(FieldsRefused) as refused:
        amend(office, place(office, "US"), action, payload, key)
    assert path in faults(refused)


def test_good_amendments_are_taken(office: Tenant) -> None:
    factories.rule_set(office)
    us = place(office, "US")
    new = {"title": "New", "applies_to": ["IfcDoor"], "category": "egress", "require": "e.clear_width > 1.0"}
    assert amend(office, us, "override_params", {"min": {"value": 0.9}}).pk
    assert amend(office, us, "replace", {"require": "e.clear_width > p.min"}).pk
    assert amend(office, us, "disable", {}).pk
    assert amend(office, us, "add", new, "TEST-NEW").pk


def override(reason: str = "agreed with the fire marshal") -> dict[str, Any]:
    return {"TEST-DOOR-WIDTH": {"params": {"min": {"value": 0.7, "unit": "m"}}, "reason": reason}}


def test_an_override_needs_a_reason_a_rule_and_the_permission(office: Tenant) -> None:
    factories.rule_set(office)
    row = projects.save_project(office, fields={"name": "P", "permit_application_date": "2024-05-01", "jurisdiction": place(office, "US")}, by=None)
    editor = tenancy.principal_of_user(factories.member(office, "editor"), office)
    with pytest.raises(Denied):
        projects.save_project(office, pk=row.pk, fields={"rule_overrides": override()}, by=editor)
    official = tenancy.principal_of_user(factories.member(office, "code_official"), office)
    with pytest.raises(FieldsRefused) as refused:
        projects.save_project(office, pk=row.pk, fields={"rule_overrides": override(reason=" ")}, by=official)
    assert faults(refused) == {"$.rule_overrides.TEST-DOOR-WIDTH.reason": "missing"}
    with pytest.raises(FieldsRefused) as refused:
        projects.save_project(office, pk=row.pk, fields={"rule_overrides": {"NOTHING": override()["TEST-DOOR-WIDTH"]}}, by=official)
    assert "$.rule_overrides.NOTHING" in faults(refused)
    saved = projects.save_project(office, pk=row.pk, fields={"rule_overrides": override()}, by=official)
    assert projects.save_project(office, pk=saved.pk, fields={"rule_overrides": override(), "name": "Q"}, by=editor).name == "Q", "left as it was"
    entries = AuditEntry.objects.filter(tenant=office, action="project.save", changes__has_key="rule_overrides")
    assert [entry.actor for entry in entries] == [official.actor]


def test_rule_sets_of_a_project_are_named_by_slug(office: Tenant) -> None:
    factories.rule_set(office)
    row = factories.ProjectFactory.create(tenant=office)
    saved = projects.save_project(office, pk=row.pk, fields={"rule_sets": ["test-rules"]}, by=None)
    assert [one.slug for one in saved.rule_sets.all()] == ["test-rules"]
    with pytest.raises(FieldsRefused) as refused:
        projects.save_project(office, pk=row.pk, fields={"rule_sets": ["test-rules", "nothing"]}, by=None)
    assert faults(refused) == {"$.rule_sets[1]": "not_found"}


def test_buildings_say_what_is_wrong_with_them(office: Tenant) -> None:
    project = factories.ProjectFactory.create(tenant=office)
    fields = {"project": project, "name": "B", "occupancy_groups": [{"group": "B"}, {"area_m2": 5}], "function_map": {"Office*": 7}, "height_m": -1}
    with pytest.raises(FieldsRefused) as refused:
        projects.save_building(office, fields=fields, by=None)
    assert set(faults(refused)) == {"$.occupancy_groups[1]", "$.function_map.Office*", "$.height_m"}
    good = {**fields, "occupancy_groups": [{"group": "B", "area_m2": 100}], "function_map": {"Office*": "business"}, "height_m": 9.5}
    assert projects.save_building(office, fields=good, by=None).head_seq == 0
    projects.delete_project(office, pk=project.pk, by=None)
    assert not Project.objects.for_tenant(office).exists()


def test_a_fact_of_ones_own_names_sources_that_exist(office: Tenant) -> None:
    fields = {
        "name": "clear_width",
        "type": "number",
        "unit": "m",
        "applies_to": ["IfcDoor"],
        "sources": ["pset:Doors.Width", "derived:magic", "guess"],
    }
    with pytest.raises(FieldsRefused) as refused:
        facts.save_fact(office, fields=fields, by=None)
    assert set(faults(refused)) == {"$.sources[1]", "$.sources[2]"}
    assert facts.save_fact(office, fields={**fields, "sources": ["pset:Doors.Width"]}, by=None).name == "clear_width"


@pytest.mark.parametrize(("action", "payload"), [("disable", {}), ("replace", {"title": "Wider"}), ("add", {"title": "Wider"})])
def test_an_amendment_that_takes_the_place_of_a_rule_needs_the_right_to_publish(office: Tenant, action: str, payload: Any) -> None:
    """It is in force at once."""
    factories.rule_set(office)
    writer = Principal(tenant=office, actor="user:1", permissions=frozenset({"rules:write"}))
    fields = {"jurisdiction": place(office, "US"), "rule_key": "TEST-DOOR-WIDTH", "effective_from": "2020-01-01", "citation": "§ 1"}
    with pytest.raises(Denied):
        amendments.save_amendment(office, fields={**fields, "action": action, "payload": payload}, by=writer)
    numbers = {"action": "override_params", "payload": {"min": {"value": 0.9, "unit": "m"}}}
    row = amendments.save_amendment(office, fields={**fields, **numbers}, by=writer)
    with pytest.raises(Denied):
        amendments.save_amendment(office, pk=row.pk, fields={"action": action, "payload": payload}, by=writer)
    theirs = amend(office, cast(Jurisdiction, fields["jurisdiction"]), "disable", {})
    with pytest.raises(Denied):
        amendments.delete_amendment(office, pk=theirs.pk, by=writer)
    amendments.delete_amendment(office, pk=row.pk, by=writer)
    assert amendments.save_amendment(office, pk=theirs.pk, fields={"citation": "§ 2"}, by=publisher(office)).citation == "§ 2"


def publisher(office: Tenant) -> Principal:
    return Principal(tenant=office, actor="user:2", permissions=frozenset({"rules:write", "rules:publish"}))
