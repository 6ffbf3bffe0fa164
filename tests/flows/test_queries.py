"""The caches of a process: programs never go stale, current versions only within their bounds."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from flows import errors, queries, services
from flows.queries import programs
from mcp_platform.tenancy import scope
from mcp_platform.tenancy.models import Tenant
from tests import factories
from tests.factories import greeting
from tests.flows.test_services import calling


@pytest.fixture(autouse=True)
def _empty_caches() -> None:
    programs._programs.clear()
    programs._current.clear()


def test_a_program_is_compiled_once(tenant: Tenant) -> None:
    version = factories.published(tenant)
    first = queries.program_for(version.pk)
    with CaptureQueriesContext(connection) as asked:
        assert queries.program_for(str(version.pk)) is first
    assert not asked.captured_queries
    assert first.key == str(version.pk)


def test_threads_share_one_program(transactional_db: None) -> None:
    tenant = factories.TenantFactory.create()
    version = factories.published(tenant)
    found, start = [], threading.Barrier(8)

    def look() -> None:
        with scope.tenant_scope(tenant):
            start.wait()
            found.append(queries.program_for(version.pk))
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(program) for program in found}) == 1


def test_a_version_that_is_not_there(tenant: Tenant) -> None:
    with pytest.raises(errors.VersionNotFound):
        queries.program_for(tenant.pk)


def test_many_programs_push_the_oldest_out(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PROGRAMS_KEPT", 4)
    versions = [factories.published(tenant, greeting(f"flow{number}")) for number in range(6)]
    for version in versions:
        queries.program_for(version.pk)
    assert len(programs._programs) <= 4
    assert queries.program_for(versions[0].pk).flow.flow_id == "flow0"


def test_current_versions_are_cached_and_a_publish_is_seen_at_once(transactional_db: None) -> None:
    tenant = factories.TenantFactory.create()
    first = factories.published(tenant)
    where = queries.environment(tenant)
    assert queries.current_versions(tenant, where) == {"greeting": first.pk}
    with CaptureQueriesContext(connection) as asked:
        queries.current_versions(tenant.pk, where.pk)
    assert not asked.captured_queries
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="New"), by=None)
    second = services.publish(tenant, flow_id="greeting", by=None)
    assert queries.current_versions(tenant, where) == {"greeting": second.pk}


def test_a_publish_in_another_process_is_seen_when_the_generation_is_looked_at(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = factories.TenantFactory.create()
    first = factories.published(tenant)
    where = queries.environment(tenant)
    queries.current_versions(tenant, where)
    here = dict(programs._current)
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="New"), by=None)
    second = services.publish(tenant, flow_id="greeting", by=None)
    programs._current.update(here)  # this process did not notice
    assert queries.current_versions(tenant, where) == {"greeting": first.pk}
    monkeypatch.setattr(programs, "GENERATION_SECONDS", 0.0)
    assert queries.current_versions(tenant, where) == {"greeting": second.pk}


def test_without_the_shared_cache_the_time_to_live_bounds_the_age(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def get(self, *_: Any) -> Any:
            raise ConnectionError

        set = get

    tenant = factories.TenantFactory.create()
    first = factories.published(tenant)
    where = queries.environment(tenant)
    monkeypatch.setattr(programs, "cache", Away())
    monkeypatch.setattr(programs, "GENERATION_SECONDS", 0.0)
    assert queries.current_versions(tenant, where) == {"greeting": first.pk}
    with CaptureQueriesContext(connection) as asked:
        queries.current_versions(tenant, where)
    assert not asked.captured_queries
    entry = programs._current[tenant.pk, where.pk]
    entry.expires = 0.0
    queries.current_versions(tenant, where)
    assert programs._current[tenant.pk, where.pk] is not entry


def test_a_publish_that_is_undone_was_never_seen(transactional_db: None) -> None:
    tenant = factories.TenantFactory.create()
    first = factories.published(tenant)
    where = queries.environment(tenant)
    queries.current_versions(tenant, where)
    services.save_draft(tenant, flow_id="greeting", document=greeting(name="New"), by=None)
    with transaction.atomic():
        second = services.publish(tenant, flow_id="greeting", by=None)
        assert queries.current_versions(tenant, where) == {"greeting": second.pk}
        transaction.set_rollback(True)
    assert queries.current_versions(tenant, where) == {"greeting": first.pk}


def test_a_book_holds_everything_that_a_step_can_reach(tenant: Tenant) -> None:
    factories.published(tenant)
    middle = factories.published(tenant, calling("middle", "greeting"))
    outer = factories.published(tenant, calling("outer", "middle"))
    factories.published(tenant, greeting("unrelated"))
    where = queries.environment(tenant)
    found = queries.book_for(tenant, where, [outer.pk])
    assert set(found.current) == {"middle", "greeting"}
    assert {program.flow.flow_id for program in found.programs.values()} == {"outer", "middle", "greeting"}
    assert found.current["middle"] == str(middle.pk)
    assert set(queries.book_for(tenant, where, [], also=["unrelated", "nowhere"]).current) == {"unrelated"}


def test_flows_that_call_each_other_end_the_search(tenant: Tenant) -> None:
    factories.draft(tenant, calling("ping", "pong"))
    factories.draft(tenant, calling("pong", "ping"))
    ping = services.publish(tenant, flow_id="ping", by=None)
    services.publish(tenant, flow_id="pong", by=None)
    assert set(queries.book_for(tenant, queries.environment(tenant), [ping.pk]).current) == {"ping", "pong"}
