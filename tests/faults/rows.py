"""What the tests of faults prepare in, and ask of, the rows of a plant: `python -m tests.faults.rows` answers questions in JSON.

A process of its own, because the test process has another database.
"""

import json
import os
import sys
import traceback
from typing import Any
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

# Waits a second and a half for an answer, then reminds.
SHORT_REMINDER_MS = 1500


def office(register: str = "http://127.0.0.1:9/", timeout_ms: int = 800) -> dict[str, str]:
    """A tenant with every flow of these tests, and a key that may do everything."""
    from flows.models import Integration
    from tests.conversations.scenes import ECHO, PERMIT, REMINDER, calling
    from tests.factories import TenantFactory, key, published

    tenant = TenantFactory.create(slug=f"office-{os.urandom(4).hex()}")
    Integration.objects.create(tenant=tenant, integration_id="land", name="Land register", base_url=register)
    for document in (ECHO, PERMIT, _soon(REMINDER), calling(timeout_ms=timeout_ms), calling("GET", "lookup", timeout_ms=timeout_ms)):
        published(tenant, document)
    return {"tenant": str(tenant.pk), "key": key(tenant)}


def _soon(document: Any) -> Any:
    copied = json.loads(json.dumps(document))
    copied["states"]["ask"]["config"]["timeout_ms"] = SHORT_REMINDER_MS
    return copied


def turns_of_all() -> list[dict[str, Any]]:
    from mcp_platform.tenancy.models import Tenant

    return [turn for tenant in Tenant.objects.values_list("pk", flat=True) for turn in turns(str(tenant))]


def turns(tenant: str) -> list[dict[str, Any]]:
    """Every turn of the tenant; the logs of its conversations are checked on the way (tests.conversations.scenes.check_log)."""
    from conversations.models import Conversation, Effect
    from tests.conversations.scenes import check_log

    found = []
    for conversation_id in Conversation.objects.filter(tenant_id=tenant).values_list("pk", flat=True):
        calls = {effect.turn_id: effect for effect in Effect.objects.filter(conversation_id=conversation_id)}
        found += [_told(turn, calls.get(turn.pk)) for turn in check_log(conversation_id)]
    return found


def _told(turn: Any, call: Any) -> dict[str, Any]:
    return {
        "conversation": str(turn.conversation_id),
        "number": turn.number,
        "kind": turn.kind,
        "id": turn.client_message_id,
        "status": turn.status,
        "attempts": turn.attempts,
        "text": ((turn.reply or {}).get("response") or {}).get("text", ""),
        "error": (turn.error or {}).get("error_code", ""),
        "call": call and {"status": call.status, "key": call.idempotency_key, "attempts": call.attempts, "code": (call.result or {}).get("code", "")},
    }


def open_work(tenant: str) -> int:
    """How many turns have not ended."""
    from conversations.models import Turn

    return Turn.objects.filter(tenant_id=tenant, status__in=("queued", "running")).count()


def long_log(tenant: str, events: int, characters: int) -> str:
    """A conversation that has said much: `events` more of so many characters."""
    from django.utils import timezone

    from conversations import services
    from conversations.models import Conversation, ConversationEvent
    from mcp_platform.tenancy.models import Tenant

    begun = services.start(Tenant.objects.get(pk=tenant), flow_id="echo")
    held = Conversation.objects.get(pk=begun.conversation_id)
    common = {"tenant_id": tenant, "conversation": held, "turn_id": begun.turn_id, "kind": "logged", "at": timezone.now()}
    data = {"name": "x", "data": {"text": "x" * characters}}
    ConversationEvent.objects.bulk_create(ConversationEvent(seq=held.last_seq + number + 1, data=data, **common) for number in range(events))
    Conversation.objects.filter(pk=held.pk).update(last_seq=held.last_seq + events, snapshot={**held.snapshot, "seq": held.last_seq + events})
    return str(held.pk)


def enqueue_poison() -> None:
    from tests.faults import poison

    task: Any = poison.poison
    task.apply_async()


def poison_flow(tenant: str) -> None:
    """A published flow whose states go round without a word; the check would refuse it, so its version is written as no service would."""
    import hashlib

    from flows.models import FlowVersion
    from mcp_platform.tenancy.models import Tenant
    from tests.factories import published
    from tests.playbook import flow, response, to

    version = published(Tenant.objects.get(pk=tenant), flow("loop", states={"ask": response("Go?", to("ask"))}))
    round_and_round = {"a": response("", to("b", "expression", "true")), "b": response("", to("a", "expression", "true"))}
    document = flow("loop", states={"ask": response("Go?", to("a")), **round_and_round})
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    _unguarded(FlowVersion, version.pk, canonical, hashlib.sha256(canonical.encode()).hexdigest())


def _unguarded(model: Any, pk: Any, definition: str, sha256: str) -> None:
    """Versions are immutable in the database too; the trigger is put aside for this one."""
    from importlib import import_module

    from django.db import connection

    triggers = import_module("flows.migrations._immutable")
    table = model._meta.db_table
    with connection.cursor() as cursor:
        for statement in triggers.DROP[connection.vendor]:
            cursor.execute(statement)
        cursor.execute(f"UPDATE {table} SET definition = %s, sha256 = %s WHERE id = %s", [definition, sha256, pk.hex])
        for statement in triggers.CREATE[connection.vendor]:
            cursor.execute(statement, None)


def timers(tenant: str) -> list[str]:
    from conversations.models import Timer

    return sorted(Timer.objects.filter(tenant_id=tenant).values_list("status", flat=True))


def listening(tenant: str, url: str) -> str:
    """A webhook endpoint that gives up late."""
    from mcp_platform.outbox import services
    from mcp_platform.tenancy.models import Tenant

    fields = {"name": "CRM", "url": url, "timeout_ms": 1000, "max_attempts": 20}
    _, secret = services.create_endpoint(Tenant.objects.get(pk=tenant), fields=fields, by=None)
    return secret


def told(tenant: str) -> dict[str, Any]:
    """What there was to tell, and what turns there were to tell of."""
    from conversations.models import Turn
    from mcp_platform.outbox.models import Delivery, OutboxEvent

    rows = OutboxEvent.objects.filter(tenant_id=tenant).order_by("pk")
    return {
        "events": {str(row.event_id): {"type": row.type, "key": row.key, "place": row.pk} for row in rows},
        "turns": Turn.objects.filter(tenant_id=tenant, status="done").count(),
        "open": Delivery.objects.filter(tenant_id=tenant).exclude(status="delivered").count() + rows.filter(fanned_out=False).count(),
    }


def many(count: int) -> dict[str, str]:
    """So many live conversations of an old version, half of them in a state that has another name in the new one, and a plan for them."""
    from conversations import services, versions
    from tests.conversations.test_versions import MAP, permit, publish
    from tests.factories import TenantFactory, published

    tenant = TenantFactory.create(slug=f"office-{os.urandom(4).hex()}")
    published(tenant, permit())
    for number in range(count):
        begun = services.start(tenant, flow_id="permit")
        if number % 2:
            services.process_message(tenant, conversation_id=begun.conversation_id, content={"type": "text", "text": str(number % 90 + 1)})
    publish(tenant, permit("levels", "owner", "holder"))
    return {"tenant": str(tenant.pk), "plan": str(versions.create(tenant, flow_id="permit", source=1, fields={"mapping": MAP}, by=None).pk)}


def moved(tenant: str) -> dict[str, Any]:
    """Where they are; every log is checked, and that nobody was moved twice."""
    from conversations.models import Conversation, Turn
    from tests.conversations.scenes import check_log

    rows = Conversation.objects.filter(tenant_id=tenant)
    for pk in rows.values_list("pk", flat=True):
        check_log(pk)
    moves = Turn.objects.filter(tenant_id=tenant, kind="migration")
    return {
        "versions": sorted(rows.values_list("version__number", flat=True)),
        "states": sorted(set(rows.values_list("current_state", flat=True))),
        "moves": moves.count(),
        "conversations": moves.values("conversation").distinct().count(),
    }


def drawn(doors: int = 40, findings: int = 0, characters: int = 0) -> dict[str, Any]:
    """A building with doors on one storey, judged; and so many findings more, each with a message of so many characters."""
    from tests import factories
    from tests.validation import live_scene as scene
    from validation.models import Finding, FindingsDiff

    tenant = factories.TenantFactory.create(slug=f"office-{os.urandom(4).hex()}")
    building = scene.building(tenant)
    marks = [f"door-{number}" for number in range(doors)]
    nobody: Any = None
    scene.Plugin(building, nobody).send(*scene.FRAME, *(scene.door(mark, 0.7, at=float(place)) for place, mark in enumerate(marks)))
    scene.settle(building)
    rows = [
        Finding(
            tenant=tenant, building=building, rule_key="MADE", subject=f"made-{number}", fingerprint=f"{number:040d}", outcome="fail",
            severity="minor", message="x" * characters, bcf_topic_guid=uuid4(), first_seen_seq=1, last_seen_seq=1,
        )
        for number in range(findings)
    ]  # fmt: skip
    Finding.objects.bulk_create(rows, batch_size=500)
    assert FindingsDiff.objects.filter(building=building).exists()
    return {"tenant": str(tenant.pk), "key": factories.key(tenant), "building": str(building.pk), "doors": marks}


def stream(building: str) -> dict[str, Any]:
    """The findings that are there (fingerprint -> rev), what the stored diffs make of nothing, and the number of the last."""
    from validation.models import Building, Finding, FindingsDiff

    replayed: dict[str, int] = {}
    last = 0
    for diff in FindingsDiff.objects.filter(building_id=building).order_by("number"):
        assert diff.number == last + 1
        last = diff.number
        replayed |= {one["fingerprint"]: one["rev"] for one in [*diff.added, *diff.updated]}
        replayed = {mark: rev for mark, rev in replayed.items() if mark not in set(diff.resolved)}
    there = Finding.objects.filter(building_id=building, resolved_seq=None)
    dirty = Building.objects.values_list("dirty_storeys", flat=True).get(pk=building)
    return {"findings": dict(there.values_list("fingerprint", "rev")), "replayed": replayed, "last": last, "dirty": dirty}


def long_report(findings: int, formats: list[str]) -> dict[str, str]:
    """A report that was asked for, and one of its readers."""
    from tests import factories
    from tests.reports import life

    tenant = factories.TenantFactory.create(slug=f"office-{os.urandom(4).hex()}")
    report = life.frozen(tenant, findings, formats=formats, notify=["ada@example.com"])
    return {"tenant": str(tenant.pk), "report": str(report.pk)}


def report_told(report: str) -> dict[str, Any]:
    """Its state, its files, the letters about it, and how often its operation was begun."""
    from django.core.files.storage import default_storage

    from mcp_platform.operations.models import Operation
    from reports.models import Report, ReportMail

    found = Report.objects.get(pk=report)
    operations = Operation.objects.filter(subject=f"report:{report}")
    return {
        "state": found.state,
        "problem": found.problem,
        "files": {one.format: one.sha256 for one in found.files.all()},
        "stored": [one.format for one in found.files.all() if default_storage.exists(str(one.file.name))],
        "letters": list(ReportMail.objects.filter(report=found).values_list("address", "state")),
        "attempts": list(operations.values_list("attempts", flat=True)),
        "phase": operations.values_list("phase", flat=True)[0],
    }


def main() -> None:
    """A question a line, an answer a line."""
    django.setup()
    from django.db import connections

    from mcp_platform.tenancy import scope

    for line in sys.stdin:
        question, values = json.loads(line)
        try:
            with scope.platform_scope():
                told = {"answer": globals()[question](**values)}
        except Exception:  # noqa: BLE001  whoever asked is told
            told = {"fault": traceback.format_exc()}
        finally:
            for held in connections.all():  # the server may be stopped before the next question, and the pool would not notice
                held.close()
                if held.vendor == "postgresql":
                    held.close_pool()  # type: ignore[attr-defined]  # of that engine only
        print(json.dumps(told), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    main()
