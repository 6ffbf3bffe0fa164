"""Who is connected to a building: a row for each socket, so that every process can tell."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.utils import timezone

from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.scope import Principal
from validation import events
from validation.models import LiveSession
from validation.queries import live


def begin(tenant: Tenant, *, building_id: UUID, client_id: str, client: str, version: str, protocol: str, by: Principal) -> LiveSession:
    """`client_id` is the plugin's own over all its connections; without one the session has its own."""
    key = uuid4()
    made: LiveSession = LiveSession.objects.create(
        id=key,
        tenant=tenant,
        building_id=building_id,
        user=by.user,
        actor=by.actor,
        client_id=client_id or str(key),
        client=client,
        client_version=version,
        protocol=protocol,
    )
    events.publish_presence(building_id)
    return made


def select(tenant: Tenant, *, session: LiveSession, selection: Sequence[str]) -> None:
    _mine(tenant, session).update(selection=list(selection), seen_at=timezone.now())
    events.publish_presence(session.building_id)


def beat(tenant: Tenant, *, session: LiveSession, last_ack_seq: int) -> None:
    """The socket is still there."""
    _mine(tenant, session).update(seen_at=timezone.now(), last_ack_seq=last_ack_seq, state="open", closed_at=None)


def end(tenant: Tenant, *, session: LiveSession, last_ack_seq: int) -> None:
    _mine(tenant, session).update(state="closed", closed_at=timezone.now(), last_ack_seq=last_ack_seq)
    events.publish_presence(session.building_id)


def _mine(tenant: Tenant, session: LiveSession) -> QuerySet[LiveSession]:
    rows: QuerySet[LiveSession] = LiveSession.objects.for_tenant(tenant).filter(pk=session.pk)
    return rows


def close_silent() -> int:
    """Sockets whose process died. How many."""
    gone = LiveSession.objects.filter(state="open", seen_at__lt=timezone.now() - live.SILENT)
    buildings = set(gone.values_list("building_id", flat=True))
    closed = gone.update(state="closed", closed_at=timezone.now())
    for building_id in buildings:
        events.publish_presence(building_id)
    return int(closed)
