"""Two tenants in full use, who knocks at their doors with which credential."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import override_settings
from django.utils import timezone

from conversations import channels
from conversations import services as talking
from conversations.models import Handoff
from experiments import services as experiments
from flows import services as flows
from flows.models import State
from mcp_platform import pool
from mcp_platform.orchestrator import services as orchestrator
from mcp_platform.tenancy import scope
from mcp_platform.tenancy import services as tenancy
from mcp_platform.tenancy.models import ApiKey, Membership, Role, Tenant
from mcp_platform.tenancy.permissions import ALL
from tests import emptying, factories
from tests.conversations.scenes import ECHO, PERMIT
from tests.factories import greeting
from tests.flows.test_integrations import CRM
from tests.playbook import ending, flow, response, to
from tests.tenancy.issuer import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """`names`: what addresses and bodies call by name, such as {conversation}. `credentials`: Authorization headers."""

    tenant: Tenant
    names: Mapping[str, Any]
    credentials: Mapping[str, str]

    def token(self, who: str) -> str:
        return self.credentials[who].removeprefix("Bearer ")


BYE = {"done": ending("Bye.")}
DRAFTS: Mapping[str, Any] = {
    "lost": flow("lost", states={"ask": response("Well?", to("nowhere")), **BYE}),
    "looping": flow(
        "looping",
        states={"hello": response("Hi", to("a")), "a": response("", to("b", "expression", "true")), "b": response("", to("a", "expression", "true"))},
    ),
    "stuck": flow("stuck", states={"ask": response("Well?")}),
    "mistyped": flow(
        "mistyped",
        states={"ask": response("Well?", to("done", "expression", "slots.storeys > 'two'")), **BYE},
        slots={"storeys": {"type": "integer"}},
    ),
    "unparsable": flow("unparsable", states={"ask": response("Well?", to("done", "expression", "1 +")), **BYE}),
    "nameless": flow("nameless", states={"ask": response("{{ slots.nobody }}", to("done")), **BYE}),
    "patterned": flow("patterned", states={"ask": response("Well?", to("done")), **BYE}, slots={"code": {"type": "text", "pattern": "(["}}),
    "calling": flow(
        "calling",
        states={
            "call": {
                "type": "integration",
                "config": {"integration_id": "nobody", "endpoint": "/x"},
                "transitions": [to("done", "integration_success"), to("done", "integration_error")],
            },
            **BYE,
        },
    ),
    "starting": flow("starting", states={"ask": response("Well?", to("done", actions=[{"type": "trigger_flow", "flow_id": "nobody"}])), **BYE}),
}  # fmt: skip


@contextmanager
def committed(blocker: Any) -> Iterator[None]:
    """A database that is really written to, so that every thread sees it, and emptied at the end: for the `db` of a module."""
    with blocker.unblock(), scope.platform_scope():
        yield
        pool.close_connections()
        emptying.empty()


@contextmanager
def furnished() -> Iterator[Office]:
    issuer = Issuer()
    try:
        with override_settings(OUTBOUND_ALLOWED_HOSTS=[issuer.host]):
            yield _furnish(issuer)
    finally:
        issuer.stop()


def _furnish(issuer: Issuer) -> Office:
    tenant, neighbour = factories.TenantFactory.create(slug="office"), factories.TenantFactory.create(slug="neighbour")
    for number, document in enumerate((greeting(), ECHO, PERMIT)):
        factories.published(tenant, document)
        if number == 0:
            factories.published(neighbour, greeting("theirs"))
    for document in DRAFTS.values():
        factories.draft(tenant, document)
    flows.archive(tenant, flow_id=factories.draft(tenant, greeting("archived")).flow_id, by=None)
    for whose in (tenant, neighbour):
        flows.create_environment(whose, name="staging" if whose == tenant else "abroad", by=None)
        flows.save_integration(whose, integration_id="crm" if whose == tenant else "erp", fields=CRM, create=True, by=None)
        factories.member(whose, Role.OWNER)
    _plans(tenant)
    mine, theirs = _rows_of(tenant, "echo"), _rows_of(neighbour, "theirs")
    talking.process_message(tenant, conversation_id=mine["conversation"], content={"type": "text", "text": "hello"}, client_message_id="m-1")
    over = talking.start(tenant, flow_id="permit", inputs={"storeys": 2, "sprinklers": True})
    assert over.reply["status"] == "ended"
    tenancy.update_tenant(tenant, settings={"ended_conversation": "refuse"}, by=None)
    trusted = tenancy.add_issuer(tenant, issuer=issuer.url, audience=issuer.audience, jwks_url=issuer.jwks_url, by=None)
    names = {**mine, **{f"their_{name}": value for name, value in theirs.items()}, "over": over.conversation_id, "issuer": trusted.pk}
    names |= {"building": factories.BuildingFactory.create(tenant=tenant).pk, "their_building": factories.BuildingFactory.create(tenant=neighbour).pk}
    return Office(tenant=Tenant.objects.get(pk=tenant.pk), names=names, credentials=_credentials(tenant, neighbour, issuer))


def _plans(tenant: Tenant) -> None:
    """A draft of an experiment, and a server of others that is switched off."""
    experiments.save_metric(tenant, fields={"key": "done", "name": "Done", "measure": "completion"}, by=None)
    shorter = {"states": {"ask": {"config": {"prompts": {"storeys": "Storeys?"}}}}}
    variants = [{"key": "control", "is_control": True, "percentage": 50.0}, {"key": "short", "percentage": 50.0, "modifications": shorter}]
    plan = {"key": "plan", "name": "Plan", "flow": "permit", "variants": variants, "metrics": [{"metric": "done", "role": "primary"}]}
    experiments.create(tenant, fields=plan, by=None)
    orchestrator.save_server(
        tenant, slug="clock", fields={"name": "Clock", "url": "https://clock.example.com/mcp", "enabled": False}, create=True, by=None
    )


def _rows_of(tenant: Tenant, flow_id: str) -> dict[str, Any]:
    state = State.objects.filter(tenant=tenant, flow__flow_id=flow_id, transitions__isnull=False).order_by("position").first()
    assert state is not None
    transition = state.transitions.first()
    assert transition is not None
    waiting = talking.start(tenant, flow_id=flow_id).conversation_id
    talking.process_message(tenant, conversation_id=waiting, content={"type": "command", "text": "human"})
    return {
        "chat": channels.save(tenant, fields={"name": "Chat", "flow_id": flow_id}, by=None).pk,
        "handoff": Handoff.objects.get(conversation_id=waiting).pk,
        "conversation": talking.start(tenant, flow_id=flow_id).conversation_id,
        "state": state.pk,
        "transition": transition.pk,
        "rev": f'"{state.flow.rev}"',
        "member": Membership.objects.get(tenant=tenant).pk,
        "key": tenancy.create_api_key(tenant, name="old", scopes=["flows:read"], by=None)[0].pk,
    }


def _credentials(tenant: Tenant, neighbour: Tenant, issuer: Issuer) -> dict[str, str]:
    closed = factories.TenantFactory.create(slug="closed")
    tokens = {
        "owner": factories.key(tenant),
        "flow reader": factories.key(tenant, ["flows:read"]),
        "flow writer": factories.key(tenant, ["flows:read", "flows:write"]),
        "key manager": factories.key(tenant, ["keys:manage"]),
        "listener": factories.key(tenant, ["conversations:read"]),
        "talker": factories.key(tenant, ["conversations:write"]),
        "neighbour": factories.key(neighbour, ALL),
        "expired": _ended(factories.key(tenant), expires_at=timezone.now() - timedelta(seconds=1)),
        "revoked": _ended(factories.key(tenant), revoked_at=timezone.now()),
        "suspended": factories.key(closed),
        "jwt": issuer.token(roles=["owner"]),
        "jwt expired": issuer.token(roles=["owner"], exp=1_000_000_000),
        "jwt of tomorrow": issuer.token(roles=["owner"], nbf=9_999_999_999),
        "jwt for others": issuer.token(roles=["owner"], aud="somebody-else"),
        "jwt of strangers": issuer.token(roles=["owner"], iss="https://evil.example.com"),
        "jwt without subject": issuer.token(roles=["owner"], sub=None),
        "jwt without end": issuer.token(roles=["owner"], exp=None),
        "jwt of a lost key": issuer.token(roles=["owner"], headers={"kid": "nobody"}),
        "jwt by hmac": issuer.token(roles=["owner"], alg="HS256", key="a shared secret that is long enough for hmac", headers={"kid": None}),
        "jwt unsigned": issuer.token(roles=["owner"], alg="none", key=""),
        "jwt without roles": issuer.token(roles=None),
        "jwt of a made-up role": issuer.token(roles=["emperor"]),
    }
    tenancy.set_tenant_active(closed, active=False, by=None)
    owner = tokens["owner"]
    odd = {
        "nobody": "",
        "empty": "Bearer ",
        "two words": f"Bearer {owner} {owner}",
        "basic": "Basic b3duZXI6c2VjcmV0",
        "garbage": "Bearer garbage",
        "dots": "Bearer a.b.c",
        "cut key": f"Bearer {owner[:-1]}",
        "unknown key": f"Bearer mcp_abcdefghij_{'0' * 64}",
        "key without secret": f"Bearer {owner.rsplit('_', 1)[0]}",
        "foreign letters": "Bearer mcp_äöü_\xff",
        "very long": f"Bearer {'x' * 20_000}",
    }
    return {**{who: f"Bearer {token}" for who, token in tokens.items()}, **odd}


def _ended(token: str, **how: Any) -> str:
    ApiKey.objects.filter(prefix=token.split("_")[1]).update(**how)
    return token
