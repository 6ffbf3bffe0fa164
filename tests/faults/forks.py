"""Processes of an experiment that race, die and are told to stop: `python -m tests.faults.forks <question>` answers in JSON.

They are forked from one process that has loaded the platform and holds no connection, so that a death costs milliseconds.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")

import django

FORK = multiprocessing.get_context("fork")
RACERS = 2
BATCH = 100  # units; at the end of each batch the racers meet


def race(units: int) -> dict[str, Any]:
    """Two processes ask for the arms of the same units at the same time; each throws its own dice."""
    from experiments.models import Assignment

    tenant, key = _running(unit="user", allocation="random")
    meet = FORK.Barrier(RACERS)
    with tempfile.TemporaryDirectory() as told:
        files = [Path(told) / str(number) for number in range(RACERS)]
        began = [datetime(2000 + number, 1, 1, tzinfo=UTC) for number in range(RACERS)]  # the row tells who has written it
        _together([lambda number=number: _ask(tenant, key, units, began[number], files[number], meet) for number in range(RACERS)])  # type: ignore[misc]
        first, second = (json.loads(one.read_text()) for one in files)
    rows = dict(Assignment.objects.filter(tenant_id=tenant).values_list("unit_id", "variant__key"))
    won = [Assignment.objects.filter(tenant_id=tenant, at=at).count() for at in began]
    return {
        "agreed": sum(first[unit] == second[unit] == arm for unit, arm in rows.items()),
        "rows": len(rows),
        "won": won,
        "arms": sorted({*first.values()}),
    }


def _ask(tenant: UUID, key: str, units: int, now: datetime, file: Path, meet: Any) -> None:
    from django.db import connection, transaction

    from experiments import queries
    from experiments.services import assigning

    together = transaction.atomic if connection.vendor == "sqlite" else nullcontext  # a commit for each row would take SQLite minutes
    trial = queries.trial_of(queries.experiment(tenant, key))
    found: dict[str, str] = {}
    for start in range(0, units, BATCH):
        names = [f"u{number}" for number in range(start, start + BATCH)]
        # Both have looked before and found no row, so that every unit is a race of two inserts.
        assigning._absent.update({(trial.id, trial.bucket_version, unit): float("inf") for unit in names})
        meet.wait(240)
        with together():
            found |= {unit: assigning.arm_for(tenant, trial, unit, {}, now) for unit in names}
    file.write_text(json.dumps(found))


def die() -> list[dict[str, Any]]:
    """A process is killed at each moment of the turn that exposes; another one gets the same message again."""
    tenant, _ = _running()
    _listen(tenant)
    return [{"moment": name, **_killed(tenant, arrange)} for name, arrange in MOMENTS.items()]


def _killed(tenant: UUID, arrange: Callable[[], None]) -> dict[str, Any]:
    from conversations import services

    start, message = uuid4().hex, uuid4().hex
    _together([lambda: _begin(tenant, start)])
    conversation = services.started_as(_tenant(tenant), start)
    (death,) = _together([lambda: _die_in(arrange, tenant, conversation, message)], dies=True)
    between = told(conversation)
    _together([lambda: _say(tenant, conversation, message)])
    _together([lambda: _say(tenant, conversation, message)])  # a client that asks a third time
    return {"death": death, "between": between, "after": told(conversation)}


def _die_in(arrange: Callable[[], None], tenant: UUID, conversation: UUID, message: str) -> None:
    arrange()
    _say(tenant, conversation, message)


def _before_the_write() -> None:
    from conversations import store

    store.save = lambda *_: _end()


def _after_the_write() -> None:
    """On SQLite in the open transaction; on PostgreSQL the statement is the transaction, and only the answer is lost."""
    from conversations import store

    real = store.save

    def then_die(*given: Any) -> None:
        real(*given)
        _end()

    store.save = then_die  # type: ignore[assignment]


def _between_the_rows() -> None:
    """The turn is written, the exposure is not yet; of one statement there is no such moment."""
    from django.db import connection

    from conversations.store import writing

    if connection.vendor == "postgresql":
        _before_the_write()
    else:
        writing._expose_sqlite = lambda *_: _end()


def _after_the_commit() -> None:
    from conversations.turn import trials

    trials.remember = lambda *_: _end()


MOMENTS: dict[str, Callable[[], None]] = {
    "before the write": _before_the_write,
    "between the rows": _between_the_rows,
    "after the write": _after_the_write,
    "after the commit": _after_the_commit,
}


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def storm(deaths: int) -> dict[str, Any]:
    """Processes that talk without a pause are killed at random moments."""
    from conversations.models import ConversationEvent
    from experiments.models import Exposure

    tenant, _ = _running()
    _listen(tenant)
    dice = random.Random(11)
    for _ in range(deaths):
        before = Exposure.objects.filter(tenant_id=tenant).count()
        child = _forked(lambda: _talk_for_ever(tenant))
        _until(lambda before=before: Exposure.objects.filter(tenant_id=tenant).count() > before)  # type: ignore[misc]
        time.sleep(dice.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    came = set(ConversationEvent.objects.filter(tenant_id=tenant, kind="moved", data__to="ask").values_list("conversation_id", flat=True))
    exposed = list(Exposure.objects.filter(tenant_id=tenant).values_list("conversation_id", flat=True))
    conversations = {*came, *exposed}
    faults = [found for found in (told(one) for one in conversations) if found != FINE]
    return {"exposed": len(exposed), "came": len(came), "faults": faults}


FINE = {"exposures": 1, "turns": 1, "orphans": 0, "events": 1}


def told(conversation: UUID) -> dict[str, int]:
    """What is there of a conversation. `turns`: those that came to where the arms differ; `events`: that the world was told."""
    from conversations.models import ConversationEvent, Turn
    from experiments.models import Exposure
    from mcp_platform.outbox.models import OutboxEvent

    exposures = list(Exposure.objects.filter(conversation_id=conversation).values_list("turn_id", flat=True))
    there = set(Turn.objects.filter(conversation_id=conversation).values_list("pk", flat=True))
    return {
        "exposures": len(exposures),
        "turns": ConversationEvent.objects.filter(conversation_id=conversation, kind="moved", data__to="ask").count(),
        "orphans": sum(turn not in there for turn in exposures),
        "events": OutboxEvent.objects.filter(type="experiment.exposed", data__conversation_id=str(conversation)).count(),
    }


def _talk_for_ever(tenant: UUID) -> None:
    while True:
        _say(tenant, _begin(tenant, uuid4().hex), uuid4().hex)


def kill_switch(seconds: float) -> dict[str, Any]:
    """One process starts conversations without a pause, another one stops the experiment; the rows tell who took part after that."""
    from conversations.models import Conversation
    from experiments import services
    from experiments.models import Assignment, Experiment
    from mcp_platform.tenancy.models import Tenant

    tenant, key = _running()
    child = _forked(lambda: _start_for_ever(tenant))
    try:
        _until(lambda: Assignment.objects.filter(tenant_id=tenant).count() >= 20)
        services.stop(Tenant.objects.get(pk=tenant), key=key, reason="enough", by=None)
        stopped = Experiment.objects.get(tenant_id=tenant, key=key).stopped_at
        assert stopped is not None
        limit = stopped + timedelta(seconds=seconds)
        _until(lambda: Conversation.objects.filter(tenant_id=tenant, created_at__gt=limit).count() >= 20)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {
        "before": Assignment.objects.filter(tenant_id=tenant, at__lte=stopped).count(),
        "started_after": Conversation.objects.filter(tenant_id=tenant, created_at__gt=limit).count(),
        "took_part_after": Assignment.objects.filter(tenant_id=tenant, at__gt=limit).count(),
    }


def _start_for_ever(tenant: UUID) -> None:
    while True:
        _begin(tenant, uuid4().hex)
        time.sleep(0.005)


def _until(found: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)


def _running(**more: Any) -> tuple[UUID, str]:
    """A tenant with the desk and an experiment that runs."""
    from tests.experiments.scenes import desk, started
    from tests.factories import TenantFactory

    tenant = TenantFactory.create(slug=f"desk-{os.urandom(4).hex()}")
    desk(tenant)
    return tenant.pk, started(tenant, **more).key


def _listen(tenant: UUID) -> None:
    from mcp_platform.outbox.services import create_endpoint
    from mcp_platform.tenancy.models import Tenant

    fields = {"name": "crm", "url": "https://crm.example.com/h", "types": ["experiment.*"]}
    create_endpoint(Tenant.objects.get(pk=tenant), fields=fields, by=None)


def _begin(tenant: UUID, message: str) -> UUID:
    """The conversation's id follows from the client's own."""
    from conversations import services

    services.start(_tenant(tenant), flow_id="desk", client_message_id=message)
    return services.started_as(_tenant(tenant), message)


def _say(tenant: UUID, conversation: UUID, message: str) -> None:
    from conversations import services

    services.process_message(_tenant(tenant), conversation_id=conversation, content={"type": "text", "text": "hi"}, client_message_id=message)


def _tenant(pk: UUID) -> Any:
    from mcp_platform.tenancy.models import Tenant

    return Tenant.objects.get(pk=pk)


def _together(work: list[Callable[[], Any]], *, dies: bool = False) -> list[int]:
    """Each in a process of its own; the statuses with which they ended."""
    children = [_forked(one) for one in work]
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert dies or not any(ended), ended
    return ended


def _forked(work: Callable[[], Any]) -> int:
    """Connections do not survive a fork: the parent lets go of its own first."""
    let_go()
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001  whoever has forked is told by the status
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def let_go() -> None:
    from django.db import connections

    for held in connections.all():
        held.close()
        if held.vendor == "postgresql":
            held.close_pool()  # type: ignore[attr-defined]  # of that engine only


QUESTIONS: dict[str, Callable[..., Any]] = {"race": race, "die": die, "storm": storm, "kill_switch": kill_switch}


def main() -> None:
    django.setup()
    from mcp_platform.tenancy import scope

    with scope.platform_scope():
        answer = QUESTIONS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(answer))  # noqa: T201  the answer
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
