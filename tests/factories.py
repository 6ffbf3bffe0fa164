"""Rows for tests. Tenants, people and keys are plain rows; flows go through the services, as in life."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils import timezone
from factory.declarations import LazyAttribute, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password

from flows import services as flow_services
from flows.core.types import Json
from flows.models import Flow, FlowVersion
from mcp_platform.tenancy import services as tenancy_services
from mcp_platform.tenancy.models import Membership, Role, Tenant, User
from mcp_platform.tenancy.permissions import ALL
from validation.models import Building, CodeEdition, Jurisdiction, Project, Rule, RuleSet, RuleSetVersion
from validation.queries import rulebook as rulebook_queries

PASSWORD = "correct horse battery staple"


class TenantFactory(DjangoModelFactory[Tenant]):
    class Meta:
        model = Tenant

    slug = Sequence(lambda n: f"office-{n}")
    name = Sequence(lambda n: f"Office {n}")


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"person-{n}")
    email = LazyAttribute(lambda person: f"{person.username}@example.com")
    is_staff = True
    password = Password(PASSWORD)


class MembershipFactory(DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    tenant = SubFactory(TenantFactory)
    user = SubFactory(UserFactory)
    role = Role.OWNER


def member(tenant: Tenant, role: str = Role.OWNER) -> User:
    """A new person with this role in the tenant."""
    return MembershipFactory.create(tenant=tenant, role=role).user


def key(tenant: Tenant, scopes: Iterable[str] = ALL) -> str:
    """The token of a new API key."""
    _, token = tenancy_services.create_api_key(tenant, name="test", scopes=scopes, by=None)
    return token


def bearer(tenant: Tenant, scopes: Iterable[str] = ALL) -> dict[str, str]:
    """Headers of a program with a new key: `client.get(path, headers=bearer(tenant))`."""
    return {"Authorization": f"Bearer {key(tenant, scopes)}"}


def greeting(flow_id: str = "greeting", **more: Any) -> dict[str, Json]:
    """The smallest flow that talks: asks for a name, greets, ends."""
    return {
        "flow_id": flow_id,
        "name": "Greeting",
        "initial_state": "ask",
        "states": {
            "ask": {
                "name": "ask",
                "type": "slot_filling",
                "config": {"required_slots": ["name"], "prompts": {"name": "What is your name?"}},
                "transitions": [{"condition": "slot_filled", "target_state": "greet"}],
            },
            "greet": {
                "name": "greet",
                "type": "response",
                "config": {"response_templates": {"default": "Hello {{ slots.name }}!"}},
                "transitions": [{"condition": "expression", "expression": "true", "target_state": "done"}],
            },
            "done": {"name": "done", "type": "end", "config": {}},
        },
        **more,
    }


def draft(tenant: Tenant, document: Json | None = None, by: Any = None) -> Flow:
    """An imported draft."""
    return flow_services.import_flow(tenant, document=document or greeting(), by=by)


def published(tenant: Tenant, document: Json | None = None, by: Any = None) -> FlowVersion:
    """A flow that runs in the default environment."""
    return flow_services.publish(tenant, flow_id=draft(tenant, document, by).flow_id, by=by)


class JurisdictionFactory(DjangoModelFactory[Jurisdiction]):
    """`JurisdictionFactory.create(tenant=office, code="US-WA", parent=us)`."""

    class Meta:
        model = Jurisdiction

    tenant = SubFactory(TenantFactory)
    code = Sequence(lambda n: f"XX-{n}")
    name = LazyAttribute(lambda place: f"Place {place.code}")
    kind = "state"


class CodeEditionFactory(DjangoModelFactory[CodeEdition]):
    class Meta:
        model = CodeEdition

    tenant = SubFactory(TenantFactory)
    publisher = "Publisher"
    title = Sequence(lambda n: f"Building Code {n}")
    edition = "2021"


class ProjectFactory(DjangoModelFactory[Project]):
    """A permit of 1 May 2024 in a place of its own."""

    class Meta:
        model = Project
        skip_postgeneration_save = True

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Project {n}")
    permit_application_date = date(2024, 5, 1)
    jurisdiction = SubFactory(JurisdictionFactory, tenant=SelfAttribute("..tenant"))


class BuildingFactory(DjangoModelFactory[Building]):
    """`BuildingFactory.create(tenant=office)`: with a project of the same tenant. The head is 0: it has no elements."""

    class Meta:
        model = Building

    tenant = SubFactory(TenantFactory)
    name = Sequence(lambda n: f"Building {n}")
    project = SubFactory(ProjectFactory, tenant=SelfAttribute("..tenant"))


DOOR_WIDTH = {
    "key": "TEST-DOOR-WIDTH",
    "title": "Doors are wide enough",
    "applies_to": ["IfcDoor"],
    "when": "true",
    "require": "e.clear_width >= p.min",
    "message": "The door clears {e.clear_width}, needed are {p.min}.",
    "params": {"min": {"value": 0.8, "unit": "m", "display": "800 mm"}},
    "severity": "critical",
    "category": "egress",
    "section": "1.1",
    "paraphrase": "Doors clear 0.8 m.",
    "examples": [
        {"facts": {"e.clear_width": 0.9}, "expected": "pass"},
        {"facts": {"e.clear_width": 0.7}, "expected": "fail"},
    ],
}


def rule_set(tenant: Tenant, *rules: Mapping[str, Any], slug: str = "test-rules", number: str = "1.0.0", edition: Any = None) -> RuleSetVersion:
    """A published version with these rules (columns of Rule; DOOR_WIDTH when none are named), made as rows: nobody has reviewed it.

    `edition`: the rule set is of this CodeEdition and applies where that is adopted; else projects name it: `project.rule_sets.add(…)`.
    """
    owner, _ = RuleSet.objects.get_or_create(tenant=tenant, slug=slug, defaults={"title": slug, "code_edition": edition})
    version = RuleSetVersion.objects.create(tenant=tenant, rule_set=owner, number=number)
    for position, rule in enumerate(rules or (DOOR_WIDTH,)):
        Rule.objects.create(tenant=tenant, version=version, position=position, **rule)
    version.content_sha256 = rulebook_queries.content_sha256(version)
    version.state, version.published_at = RuleSetVersion.State.PUBLISHED, timezone.now()
    version.save()
    return version


def checked_building(tenant: Tenant, *rules: Mapping[str, Any], **fields: Any) -> Building:
    """A building whose project is checked against these rules."""
    building: Building = BuildingFactory.create(tenant=tenant, **fields)
    building.project.rule_sets.add(rule_set(tenant, *rules).rule_set)
    return building
