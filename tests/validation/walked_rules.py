"""What the walk through all doors (tests/platform/test_walk.py) finds of the law, of rules and of projects, and the calls."""

from datetime import date
from typing import Any

from django.db.models import Model

from mcp_platform.tenancy.models import Tenant
from tests import factories
from validation.models import (
    Adoption,
    Amendment,
    Building,
    CodeEdition,
    FactDefinition,
    Jurisdiction,
    Project,
    Rule,
    RuleSet,
    RuleSetVersion,
)
from validation.services import amendments, facts, jurisdictions, rule_sets

VERSION = "validation/rule-sets/{rule_set_id}/versions/{version_id}"
RULE = f"{VERSION}/rules/{{rule_id}}"
PLACE = {"code": "XX-NEW", "name": "New", "kind": "state"}
EDITION = {"publisher": "P", "title": "New", "edition": "1"}
FACT = {"name": "shine", "type": "number", "applies_to": ["IfcDoor"], "sources": ["user"]}
NEW_RULE = {"key": "NEW", "title": "New", "category": "egress", "applies_to": ["IfcDoor"], "require": "e.clear_width > 1.0"}


def _adoption(names: Any) -> Any:
    return {"jurisdiction": str(names["jurisdiction_id"]), "code_edition": str(names["edition_id"]), "effective_from": "1999-01-01"} | {
        "effective_to": "1999-12-31"
    }


def _amendment(names: Any) -> Any:
    place = str(names["jurisdiction_id"])
    return {"jurisdiction": place, "rule_key": "TEST-DOOR-WIDTH", "effective_from": "2020-01-01", "action": "disable", "citation": "§ 1"}


def _project(names: Any) -> Any:
    return {"name": "new", "permit_application_date": "2024-05-01", "jurisdiction": str(names["jurisdiction_id"])}


def _building(names: Any) -> Any:
    return {"name": "new", "project": str(names["project_id"])}


RULES: tuple[tuple[Any, ...], ...] = (
    ("GET validation/jurisdictions", 200, None, 200),
    ("POST validation/jurisdictions", 201, PLACE, 201),
    ("GET validation/jurisdictions/{jurisdiction_id}",),
    ("PATCH validation/jurisdictions/{jurisdiction_id}", 200, {"name": "ours-elsewhere"}),
    ("DELETE validation/jurisdictions/{jurisdiction_id}", 409),  # a project lies in it
    ("GET validation/editions", 200, None, 200),
    ("POST validation/editions", 201, EDITION, 201),
    ("GET validation/editions/{edition_id}",),
    ("PATCH validation/editions/{edition_id}", 200, {"url": "https://example.com"}),
    ("DELETE validation/editions/{edition_id}", 409),  # it is adopted
    ("GET validation/adoptions", 200, None, 200),
    ("POST validation/adoptions", 201, _adoption, 400),
    ("GET validation/adoptions/{adoption_id}",),
    ("PATCH validation/adoptions/{adoption_id}", 200, {"legal_reference": "§ 2"}),
    ("DELETE validation/adoptions/{adoption_id}", 204),
    ("GET validation/amendments", 200, None, 200),
    ("POST validation/amendments", 201, _amendment, 400),
    ("GET validation/amendments/{amendment_id}",),
    ("PATCH validation/amendments/{amendment_id}", 200, {"citation": "§ 2"}),
    ("DELETE validation/amendments/{amendment_id}", 204),
    ("GET validation/facts", 200, None, 200),
    ("POST validation/facts", 201, FACT, 201),
    ("GET validation/facts/built-in", 200, None, 200),
    ("GET validation/facts/{fact_id}",),
    ("PATCH validation/facts/{fact_id}", 200, {"assumption": "none"}),
    ("DELETE validation/facts/{fact_id}", 204),
    ("POST validation/rule-packs/starter/import", 200, None, 200),
    ("GET validation/resolution?rule=TEST-DOOR-WIDTH&jurisdiction=XX-OURS&on=2024-05-01",),
    ("POST validation/rules/check", 200, NEW_RULE, 200),
    ("GET validation/rule-sets", 200, None, 200),
    ("POST validation/rule-sets", 201, {"slug": "new", "title": "New"}, 201),
    ("GET validation/rule-sets/{rule_set_id}",),
    ("PATCH validation/rule-sets/{rule_set_id}", 200, {"title": "ours-title"}),
    ("DELETE validation/rule-sets/{rule_set_id}", 409),  # a version was published
    ("POST validation/rule-sets/{rule_set_id}/archive",),
    ("POST validation/rule-sets/{rule_set_id}/unarchive",),
    ("GET validation/rule-sets/{rule_set_id}/versions",),
    ("POST validation/rule-sets/{rule_set_id}/versions", 201, {}),
    ("POST validation/rule-sets/{rule_set_id}/versions/import", 201, {"rules": []}),
    (f"GET {VERSION}",),
    (f"PATCH {VERSION}", 200, {"changelog": "ours-change"}),
    (f"DELETE {VERSION}", 204),
    (f"POST {VERSION}/submit",),
    (f"POST {VERSION}/withdraw", 409, {}),  # it was not submitted
    (f"POST {VERSION}/publish", 409),
    (f"POST {VERSION}/retire", 409),
    (f"GET {VERSION}/problems",),
    (f"GET {VERSION}/export",),
    (f"GET {VERSION}/diff?before={{version_id}}",),
    (f"GET {VERSION}/rules",),
    (f"POST {VERSION}/rules", 201, NEW_RULE),
    (f"GET {RULE}",),
    (f"PATCH {RULE}", 200, {"title": "ours-rule"}),
    (f"DELETE {RULE}", 204),
    (f"POST {RULE}/confirm", 400, {}),  # by a person who says where the text was seen
    (f"POST {RULE}/dry-run", 202, {}),
    ("GET validation/projects", 200, None, 200),
    ("POST validation/projects", 201, _project, 400),
    ("GET validation/projects/{project_id}",),
    ("PATCH validation/projects/{project_id}", 200, {"address": "new"}),
    ("DELETE validation/projects/{project_id}", 409),  # a report was issued
    ("POST validation/projects/{project_id}/archive",),
    ("POST validation/projects/{project_id}/unarchive",),
    ("GET validation/projects/{project_id}/rules",),
    ("GET validation/buildings", 200, None, 200),
    ("POST validation/buildings", 201, _building, 400),
    ("GET validation/buildings/{building_id}",),
    ("PATCH validation/buildings/{building_id}", 200, {"name": "ours-tower"}),
    ("DELETE validation/buildings/{building_id}", 409),  # likewise
)


def rules(ours: Tenant) -> tuple[Building, dict[str, Any], dict[type[Model], Model]]:
    """A building in a place of its own with an adopted edition, names for addresses, and the rows of the admin's pages."""
    place = jurisdictions.save_jurisdiction(ours, fields={"code": "XX-OURS", "name": "ours-place", "kind": "city"}, by=None)
    edition = jurisdictions.save_edition(ours, fields={"publisher": "ours-publisher", "title": "ours-code", "edition": "1"}, by=None)
    adopted = {"jurisdiction": place, "code_edition": edition, "effective_from": date(2020, 1, 1), "legal_reference": "ours-law"}
    adoption = jurisdictions.save_adoption(ours, fields=adopted, by=None)
    factories.rule_set(ours, {**factories.DOOR_WIDTH, "title": "ours-rule"}, slug="ours-rules", edition=edition)
    owner = RuleSet.objects.for_tenant(ours).get(slug="ours-rules")
    draft = rule_sets.new_draft(ours, rule_set=owner.pk, by=None)
    row = Rule.objects.get(version=draft)
    changed = {
        "jurisdiction": place,
        "rule_key": row.key,
        "effective_from": date(2021, 1, 1),
        "action": "override_params",
        "payload": {"min": {"value": 0.9}},
    }
    amendment = amendments.save_amendment(ours, fields={**changed, "citation": "ours-citation"}, by=None)
    fact = facts.save_fact(ours, fields={**FACT, "name": "glow", "assumption": "ours-assumption"}, by=None)
    project = factories.ProjectFactory.create(tenant=ours, name="ours-project", jurisdiction=place)
    building: Building = factories.BuildingFactory.create(tenant=ours, name="ours-building", project=project)
    names = {
        "jurisdiction_id": place.pk,
        "edition_id": edition.pk,
        "adoption_id": adoption.pk,
        "amendment_id": amendment.pk,
        "fact_id": fact.pk,
        "rule_set_id": owner.pk,
        "version_id": draft.pk,
        "rule_id": row.pk,
        "project_id": project.pk,
        "building_id": building.pk,
    }
    rows: dict[type[Model], Model] = {
        Jurisdiction: place,
        CodeEdition: edition,
        Adoption: adoption,
        Amendment: amendment,
        FactDefinition: fact,
        RuleSet: owner,
        RuleSetVersion: draft,
        Rule: row,
        Project: project,
        Building: building,
    }
    return building, names, rows
