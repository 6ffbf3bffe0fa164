"""Rows for tests. Tenants, people and keys are plain rows; flows go through the services, as in life."""

from collections.abc import Iterable
from typing import Any

from factory.declarations import LazyAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory, Password

from flows import services as flow_services
from flows.core.types import Json
from flows.models import Flow, FlowVersion
from mcp_platform.tenancy import services as tenancy_services
from mcp_platform.tenancy.models import Membership, Role, Tenant, User
from mcp_platform.tenancy.permissions import ALL

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


# ── flows ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


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
