"""Which rules and numbers are in force for a building, and why; packs; dry runs."""

import copy
from datetime import date
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from mcp_platform.operations.models import Operation
from mcp_platform.operations.services import Progress
from mcp_platform.tenancy import queries as tenancy
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests import factories
from tests.factories import DOOR_WIDTH
from validation.core import building as core
from validation.core import facts as core_facts
from validation.errors import EditionNotFound, FieldsRefused, PackRefused, RuleNotFound, RuleSetWasTamperedWith
from validation.models import Adoption, Amendment, Building, Element, FactDefinition, Jurisdiction, Project, Rule, RuleSet, RuleSetVersion
from validation.queries import elements, facts
from validation.services import dry_run, packs, resolution, rule_sets, rulebook, rules

pytestmark = pytest.mark.django_db
KEY = "TEST-DOOR-WIDTH"


@pytest.fixture
def office() -> Tenant:
    return factories.TenantFactory.create()


class Town:
    """US > US-WA > US-WA-SEA with a project in the city; the test code of 2018 is in force in the state, that of 2021 from 15 March 2024."""

    def __init__(self, office: Tenant) -> None:
        self.office = office
        self.us = factories.JurisdictionFactory.create(tenant=office, code="US", default_units="imperial")
        self.state = factories.JurisdictionFactory.create(tenant=office, code="US-WA", parent=self.us, default_units="imperial")
        self.city = factories.JurisdictionFactory.create(tenant=office, code="US-WA-SEA", parent=self.state, default_units="imperial")
        self.old, self.new = (factories.CodeEditionFactory.create(tenant=office, title="Code", edition=year) for year in ("2018", "2021"))
        self.of_old = factories.rule_set(office, {**DOOR_WIDTH, "params": {"min": {"value": 0.7, "unit": "m"}}}, slug="code-2018", edition=self.old)
        self.of_new = factories.rule_set(office, slug="code-2021", edition=self.new)
        self.adopt(self.old, date(2019, 1, 1), date(2024, 3, 14))
        self.adopt(self.new, date(2024, 3, 15))
        self.project = factories.ProjectFactory.create(tenant=office, jurisdiction=self.city)
        self.building = factories.BuildingFactory.create(tenant=office, project=self.project)

    def adopt(self, edition: Any, start: date, end: date | None = None) -> None:
        Adoption.objects.create(tenant=self.office, jurisdiction=self.state, code_edition=edition, effective_from=start, effective_to=end)

    def amend(self, where: Jurisdiction, action: str, payload: Any, start: date = date(2020, 1, 1), end: date | None = None, key: str = KEY) -> None:
        Amendment.objects.create(
            tenant=self.office,
            jurisdiction=where,
            rule_key=key,
            action=action,
            payload=payload,
            effective_from=start,
            effective_to=end,
            citation=f"{where.code} § 1",
        )

    def minimum(self, **asked: Any) -> tuple[Any, str]:
        parameter = rulebook.rulebook_of(Building.objects.get(pk=self.building.pk), **asked).by_key[KEY].params["min"]
        return parameter.value, parameter.origin.split(" ")[0]


@pytest.fixture
def town(office: Tenant) -> Town:
    return Town(office)


def test_the_permits_day_decides_and_not_today(town: Town) -> None:
    assert town.minimum() == (0.8, "rule")
    Project.objects.filter(pk=town.project.pk).update(permit_application_date=date(2024, 3, 14))
    assert town.minimum() == (0.7, "rule")
    assert town.minimum(on=date(2025, 1, 1)) == (0.8, "rule"), "what if it were another day"
    assert town.minimum(editions={"Code": "2021"}) == (0.8, "rule"), "what if it were another edition"
    with pytest.raises(EditionNotFound):
        town.minimum(editions={"Code": "1999"})


def test_rule_then_rule_set_then_amendments_to_the_leaf_then_project(town: Town) -> None:
    draft = rule_sets.new_draft(town.office, rule_set=town.of_new.rule_set_id, by=None)
    rule_sets.save_version(town.office, pk=draft.pk, fields={"overrides": {KEY: {"min": {"value": 0.81}}}}, by=None)
    draft.refresh_from_db()
    rule_sets.close(draft, None)
    assert town.minimum() == (0.81, "ruleset")
    town.amend(town.us, "override_params", {"min": {"value": 0.82}})
    assert town.minimum() == (0.82, "amendment")
    town.amend(town.city, "override_params", {"min": {"value": 0.84}})
    town.amend(town.state, "override_params", {"min": {"value": 0.83}}, start=date(2021, 1, 1))
    assert town.minimum() == (0.84, "amendment"), "the city is nearer than the state, whatever came first"
    town.amend(town.city, "override_params", {"min": {"value": 0.99}}, start=date(2024, 5, 2))
    town.amend(town.city, "override_params", {"min": {"value": 0.99}}, start=date(2023, 1, 1), end=date(2024, 4, 30))
    assert town.minimum() == (0.84, "amendment"), "neither of them is in force on 1 May 2024"
    Project.objects.filter(pk=town.project.pk).update(rule_overrides={KEY: {"params": {"min": {"value": 0.85}}, "reason": "agreed"}})
    assert town.minimum() == (0.85, "project")


def test_rules_are_disabled_replaced_and_added(town: Town) -> None:
    town.amend(town.city, "add", {"title": "New", "applies_to": ["IfcDoor"], "category": "egress", "require": "e.clear_width > 1.0"}, key="TEST-NEW")
    town.amend(town.state, "replace", {"require": "e.clear_width > p.min", "title": "Wider than"})
    book = rulebook.rulebook_of(town.building)
    assert sorted(book.by_key) == [KEY, "TEST-NEW"]
    assert (book.by_key[KEY].require, book.by_key[KEY].title, book.by_key[KEY].severity) == ("e.clear_width > p.min", "Wider than", "critical")
    town.amend(town.city, "disable", {})
    book = rulebook.rulebook_of(town.building)
    assert (sorted(book.by_key), sorted(book.disabled)) == (["TEST-NEW"], [KEY])


def test_the_project_adds_rule_sets_and_its_choice_counts(town: Town) -> None:
    house = factories.rule_set(town.office, {**DOOR_WIDTH, "params": {"min": {"value": 1.0, "unit": "m"}}}, slug="a-house")
    assert town.minimum() == (0.8, "rule"), "nobody has chosen it"
    town.project.rule_sets.add(house.rule_set)
    assert town.minimum() == (1.0, "rule")
    found = rulebook.in_force(town.building)
    assert [(one["slug"], one["because"]) for one in found.basis["rule_sets"]] == [("code-2021", "adopted by US-WA"), ("a-house", "project")]
    assert found.versions == (town.of_new, house)
    rule_sets.set_archived(town.office, pk=house.rule_set_id, archived=True, by=None)
    assert town.minimum() == (0.8, "rule")


def test_only_published_versions_count_and_the_newest_number_wins(town: Town) -> None:
    factories.rule_set(town.office, {**DOOR_WIDTH, "params": {"min": {"value": 0.9, "unit": "m"}}}, slug="code-2021", number="1.10.0")
    factories.rule_set(town.office, {**DOOR_WIDTH, "params": {"min": {"value": 0.85, "unit": "m"}}}, slug="code-2021", number="1.9.0")
    draft = rule_sets.new_draft(town.office, rule_set=town.of_new.rule_set_id, by=None)
    Rule.objects.filter(version=draft).update(params={"min": {"value": 5.0, "unit": "m"}})
    assert town.minimum() == (0.9, "rule")
    rule_sets.retire(town.office, pk=RuleSetVersion.objects.get(number="1.10.0").pk, by=None)
    assert town.minimum() == (0.85, "rule")


def test_the_kept_basis_gives_the_same_rulebook_when_the_law_has_changed(town: Town) -> None:
    found = rulebook.in_force(town.building)
    assert rulebook.in_force(town.building).rulebook is found.rulebook, "compiled once"
    town.amend(town.city, "disable", {})
    changed = rulebook.in_force(town.building)
    assert changed.sha256 != found.sha256
    rulebook._rulebooks.clear()
    again = rulebook.compiled(copy.deepcopy(found.basis))
    assert again is not found.rulebook
    assert again.sha256 == found.rulebook.sha256
    assert KEY in again.by_key
    assert KEY not in changed.rulebook.by_key


def test_a_tenants_own_fact_changes_the_basis(town: Town) -> None:
    before = rulebook.in_force(town.building)
    FactDefinition.objects.create(
        tenant=town.office, name="clear_width", type="number", unit="m", applies_to=["IfcDoor"], sources=["pset:Mine.Width"]
    )
    assert rulebook.in_force(town.building).sha256 != before.sha256
    assert facts.definitions(town.building).of("IfcDoor")["clear_width"].sources == ("pset:Mine.Width",)
    stranger = factories.BuildingFactory.create()
    assert facts.definitions(stranger).of("IfcDoor")["clear_width"].sources != ("pset:Mine.Width",)


def test_rules_that_are_not_those_that_were_published_are_not_used(town: Town) -> None:
    Rule.objects.filter(version=town.of_new).delete()
    with pytest.raises(RuleSetWasTamperedWith):
        rulebook.rulebook_of(town.building)


def test_a_stranger_shares_nothing(town: Town) -> None:
    other = Town(factories.TenantFactory.create())
    town.amend(town.city, "disable", {})
    assert KEY in rulebook.rulebook_of(other.building).by_key


def test_the_resolution_tells_every_step_and_what_is_not_in_force(town: Town) -> None:
    town.amend(town.city, "override_params", {"min": {"value": 0.9144}})
    town.amend(town.state, "override_params", {"min": {"value": 0.99}}, start=date(2024, 5, 2))
    told = resolution.explain(town.office, rule_key=KEY, jurisdiction="US-WA-SEA", on=date(2024, 5, 1))
    assert (told["in_force"], told["chain"]) == (True, ["US", "US-WA", "US-WA-SEA"])
    assert told["params"]["min"]["shown"] == "36 in"
    assert [(step["what"], step["did"], step.get("jurisdiction"), step["replaced"]) for step in told["steps"]] == [
        ("ruleset", "add", None, None),
        ("amendment", "override_params", "US-WA-SEA", 0.8),
    ]
    assert [(one["jurisdiction"], one["why"]) for one in told["not_applied"]] == [("US-WA", "begins on 2024-05-02")]


def test_where_the_code_is_not_adopted_the_resolution_says_so(town: Town) -> None:
    told = resolution.explain(town.office, rule_key=KEY, jurisdiction="US", on=date(2024, 5, 1))
    assert not told["in_force"]
    assert told["params"]["min"]["value"] in (0.7, 0.8)
    with pytest.raises(RuleNotFound):
        resolution.explain(town.office, rule_key="NOTHING", jurisdiction="US", on=date(2024, 5, 1))


def imported(office: Tenant, document: Any = None) -> packs.Imported:
    return packs.import_pack(office, document=document or packs.starter_pack(), publish=True, by=None)


def test_the_starter_pack_publishes_what_was_seen_and_leaves_the_rest_to_people(office: Tenant) -> None:
    done = imported(office)
    assert sorted(done.published) == ["ada-2010@1.0.0", "de-mbo@1.0.0", "ibc-2021@1.0.0", "nfpa101-2015@1.0.0", "uk-england@1.0.0"]
    assert done.drafts == ["ibc-2021@1.1.0"]
    live = Rule.objects.for_tenant(office).filter(version__state="published")
    assert live.count() == 35
    assert not live.filter(provenance="M").exists()
    waiting = Rule.objects.for_tenant(office).filter(version__state="draft", provenance="M")
    assert (waiting.count(), waiting.filter(is_active=True).count()) == (4, 0)
    assert set(live.values_list("kind", flat=True)) == {"cel", "table", "python"}
    for rule in live:
        assert {one["expected"] for one in rule.examples} >= {"pass", "fail"}
        assert rule.source
        assert rule.message


def test_importing_again_changes_nothing(office: Tenant) -> None:
    imported(office)
    entries = AuditEntry.objects.filter(tenant=office).count()
    again = imported(office)
    assert not again.changed
    assert len(again.unchanged) == 5
    assert AuditEntry.objects.filter(tenant=office).count() == entries


def test_a_changed_pack_makes_a_new_version_of_what_has_changed(office: Tenant) -> None:
    imported(office)
    pack = packs.starter_pack()
    changed = next(one for one in pack["rule_sets"] if one["slug"] == "ada-2010")
    changed["rules"][0]["params"]["min"]["value"] = 0.82
    changed["rules"][0]["examples"][0]["facts"]["e.clear_width"] = 0.9
    done = imported(office, pack)
    assert (done.published, done.drafts, len(done.unchanged)) == (["ada-2010@1.1.0"], [], 4)
    assert RuleSetVersion.objects.for_tenant(office).filter(rule_set__slug="ada-2010", state="published").count() == 2


def test_a_confirmed_rule_stays_confirmed_over_a_new_pack(office: Tenant) -> None:
    imported(office)
    draft = RuleSetVersion.objects.for_tenant(office).get(state="draft")
    row = Rule.objects.get(version=draft, key="IBC21-1023.2-EXIT-STAIR-RATING")
    author, reader = (tenancy.principal_of_user(factories.member(office), office) for _ in range(2))
    rules.confirm_rule(office, pk=row.pk, source="the code, section 1023.2", by=author)
    rule_sets.submit(office, pk=draft.pk, by=author)
    rule_sets.publish(office, pk=draft.pk, by=reader)
    pack = packs.starter_pack()
    pack["rule_sets"][0]["rules"][0]["title"] = "Doors to the exits are wide enough"
    done = imported(office, pack)
    version = RuleSetVersion.objects.for_tenant(office).get(rule_set__slug="ibc-2021", number=done.published[0].split("@")[1])
    kept = Rule.objects.get(version=version, key=row.key)
    assert (kept.is_active, kept.confirmed_by, "section 1023.2" in kept.source) == (True, author.user, True)


def test_what_the_tenant_has_of_its_own_stays(office: Tenant) -> None:
    RuleSet.objects.create(tenant=office, slug="ada-2010", title="Ours")
    us = factories.JurisdictionFactory.create(tenant=office, code="US", name="Ours")
    done = imported(office)
    us.refresh_from_db()
    assert (us.name, any("ada-2010" in note for note in done.notes)) == ("Ours", True)
    assert RuleSet.objects.for_tenant(office).get(slug="ada-2010").title == "Ours"


def test_the_new_york_amendment_lowers_the_walking_distances(office: Tenant) -> None:
    imported(office)
    on = date(2024, 5, 1)
    limits = {
        place: resolution.explain(office, rule_key="IBC21-1017.2-TRAVEL", jurisdiction=place, on=on)["params"]["limits"]["value"]
        for place in ("US-NY-NYC", "US-WA-SEA")
    }
    assert limits["US-NY-NYC"]["M"] == {"unsprinklered": 45.72, "sprinklered": 60.96}
    assert limits["US-NY-NYC"]["B"] == limits["US-WA-SEA"]["B"] == {"unsprinklered": 60.96, "sprinklered": 91.44}
    before = resolution.explain(office, rule_key="IBC21-1017.2-TRAVEL", jurisdiction="US-NY-NYC", on=date(2022, 11, 6))
    assert before["params"]["limits"]["value"]["M"]["unsprinklered"] == 60.96
    assert before["not_applied"][0]["why"] == "begins on 2022-11-07"


def test_a_broken_pack_is_refused_whole(office: Tenant) -> None:
    for text in ("[", "a: b", "schema: 1\nname: x\nrule_sets: [7]", "schema: 1\nname: x\nadoptions: no"):
        with pytest.raises(PackRefused):
            packs.read_pack(text)
    pack = packs.starter_pack()
    pack["rule_sets"][-1]["rules"][0]["require"] = "e.travel_distance <="
    with pytest.raises(PackRefused) as refused:
        imported(office, pack)
    assert refused.value.details["errors"][0]["path"] == "$.rules['DE-MBO-35-RETTUNGSWEG'].require"
    assert not Jurisdiction.objects.for_tenant(office).exists()


def test_an_untrusted_pack_becomes_drafts(office: Tenant) -> None:
    done = packs.import_pack(office, document=packs.starter_pack(), publish=False, by=None)
    assert (done.published, len(done.drafts)) == ([], 5)


def test_the_command_imports_for_one_tenant(office: Tenant, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    call_command("import_rule_pack", "--tenant", office.slug)
    assert "published: ibc-2021@1.0.0" in capsys.readouterr().out
    call_command("import_rule_pack", tenant=office.slug)
    assert "nothing new" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no active tenant"):
        call_command("import_rule_pack", tenant="nobody")
    (tmp_path / "bad.yaml").write_text("schema: 2")
    with pytest.raises(CommandError, match="cannot be imported"):
        call_command("import_rule_pack", str(tmp_path / "bad.yaml"), tenant=office.slug)
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_rule_pack", str(tmp_path / "nothing.yaml"))


def stored(building: Building, element: core.Element) -> None:
    derived = core_facts.derive(element, facts.definitions(building))
    columns = {**elements.columns_of(element), "facts": elements.stored_facts(derived), "content_hash": "x"}
    Element.objects.create(tenant=building.tenant, building=building, valid_from_seq=1, **columns)
    Building.objects.filter(pk=building.pk).update(head_seq=1)


def test_a_draft_rule_is_tried_on_every_stored_model(town: Town) -> None:
    for number, width in enumerate((0.7, 0.9, None)):
        stored(
            town.building,
            core.Element(global_id=f"door-{number}", ifc_class="IfcDoor", name=f"D{number}", given={"clear_width": width} if width else {}),
        )
    stored(town.building, core.Element(global_id="wall", ifc_class="IfcWall"))
    empty = factories.BuildingFactory.create(tenant=town.office, project=town.project)
    stored(Town(factories.TenantFactory.create()).building, core.Element(global_id="theirs", ifc_class="IfcDoor", given={"clear_width": 0.1}))
    draft = rule_sets.new_draft(town.office, rule_set=town.of_new.rule_set_id, by=None)
    row = Rule.objects.get(version=draft)
    by = tenancy.principal_of_user(factories.member(town.office), town.office)
    operation = dry_run.start(town.office, rule=row.pk, by=by)
    assert (operation.kind, operation.subject) == (dry_run.KIND, str(row.pk))
    Operation.objects.filter(pk=operation.pk).update(status="running", attempts=1)
    told = dry_run.work(town.office, operation.arguments, Progress(operation.pk, 1))
    assert told["totals"] == {"fail": 1, "pass": 1, "not_evaluable": 1}
    assert told["missing"] == {"e.clear_width": 1}
    (one,) = told["buildings"]
    assert one["building"] == str(town.building.pk) != str(empty.pk)
    assert [(sample["global_id"], sample["message"]) for sample in one["samples"]["fail"]] == [
        ("door-0", "The door clears 27 9/16 in, needed are 31 1/2 in.")
    ]
    assert not town.building.findings.exists(), "nothing is written"


def test_a_rule_that_does_not_run_is_not_tried(town: Town) -> None:
    draft = rule_sets.new_draft(town.office, rule_set=town.of_new.rule_set_id, by=None)
    row = Rule.objects.get(version=draft)
    rules.save_rule(town.office, version=draft.pk, pk=row.pk, fields={"require": "e.clear_width >="}, by=None)
    with pytest.raises(FieldsRefused):
        dry_run.start(town.office, rule=row.pk, by=tenancy.principal_of_user(factories.member(town.office), town.office))


def test_finding_the_rulebook_costs_few_queries(town: Town, django_assert_max_num_queries: Any) -> None:
    building = Building.objects.select_related("project__jurisdiction", "tenant").get(pk=town.building.pk)
    rulebook.rulebook_of(building)
    with django_assert_max_num_queries(9):
        rulebook.rulebook_of(building)
    assert connection.vendor
