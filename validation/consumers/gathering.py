"""Changes that come to a building while another one is being written are written together: to judge many costs little more than to judge one.

One writer for each building and process; the others gather meanwhile. Who draws alone waits for nobody.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from django.db import OperationalError

from mcp_platform import observability, pool
from mcp_platform.db.together import Together
from mcp_platform.errors import PlatformError
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from validation.services import live
from validation.services.live import Applied, Batch

log = observability.logger(__name__)

MOST_BATCHES, MOST_OPS = 50, live.MAX_OPS  # in one transaction of several


@dataclass(slots=True, eq=False)
class _Asked:
    batch: Batch
    outcome: Applied | Exception | None = None


class Changes:
    """Of one building, for all sockets of this process that have it open."""

    def __init__(self, tenant: Tenant, building_id: UUID) -> None:
        self._tenant, self._building_id = tenant, building_id
        self._together: Together[_Asked] = Together(self._write, _fits)

    async def apply(self, batch: Batch) -> Applied:
        """As `services.live.apply_changes`, and raises what that does."""
        asked = _Asked(batch)
        await self._together.add(asked)
        if isinstance(asked.outcome, Applied):
            return asked.outcome
        raise asked.outcome or RuntimeError("the batch was not written")

    async def _write(self, _kind: Hashable, some: list[_Asked]) -> None:
        with observability.correlated(tenant_id=self._tenant.pk, building_id=self._building_id), scope.tenant_scope(self._tenant):
            try:
                await self._apply(some)
            except OperationalError:
                raise  # the database's, not of one of them
            except Exception as fault:
                if len(some) == 1 or isinstance(fault, PlatformError):
                    raise
                log.warning("changes_parted", fault=repr(fault), batches=len(some))
                await self._apply_each(some)

    async def _apply(self, some: list[_Asked]) -> None:
        outcomes = await pool.run(live.apply_batches, self._tenant, building_id=self._building_id, batches=[one.batch for one in some])
        for one, outcome in zip(some, outcomes, strict=True):
            one.outcome = outcome

    async def _apply_each(self, some: list[_Asked]) -> None:
        """One of them has met something; the others must not fail of it."""
        for one in some:
            try:
                await self._apply([one])
            except Exception as fault:  # noqa: BLE001  it is its caller's, whatever it is
                one.outcome = fault


def _fits(waiting: list[_Asked]) -> int:
    """As many as make one short transaction: on SQLite every writer of the process waits for it. A batch is never parted."""
    sizes = accumulate(len(one.batch.ops) if isinstance(one.batch.ops, list) else 1 for one in waiting[:MOST_BATCHES])
    return sum(size <= MOST_OPS for size in sizes)


_open: Final["WeakValueDictionary[tuple[UUID, UUID], Changes]"] = WeakValueDictionary()


def changes_of(tenant: Tenant, building_id: UUID) -> Changes:
    """The same for everybody who holds it."""
    found = _open.get((tenant.pk, building_id))
    if found is None:
        found = _open[tenant.pk, building_id] = Changes(tenant, building_id)
    return found
