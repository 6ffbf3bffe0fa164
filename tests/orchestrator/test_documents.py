"""The configuration as YAML: what goes out comes in again, all of it or nothing, every fault with its path."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from mcp_platform.orchestrator import queries, services
from mcp_platform.orchestrator.errors import ConfigurationRefused, ServerIsNeeded
from mcp_platform.orchestrator.models import RemoteServer
from mcp_platform.tenancy.models import AuditEntry, Tenant
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db

FILE = """
mcp_servers:
  database:
    name: Database MCP Server
    url: https://database.example.com/sse
    priority: 10
    domains: [sales, orders]
    capabilities: [execute_query, list_resources]
    transport: sse
    timeout: 30
    authentication: {type: bearer, secret: DATABASE_TOKEN}
  metadata:
    url: https://metadata.example.com/mcp
    priority: 1
    domains: [products]
orchestration:
  resource_cache_ttl: 600
  fail_fast: false
"""


@pytest.fixture
def tenant() -> Tenant:
    tenant: Tenant = TenantFactory.create()
    return tenant


def take(tenant: Tenant, text: str, **how: Any) -> services.Imported:
    return services.import_document(tenant, document=services.read_yaml(text), by=None, **how)


def test_a_file_is_taken_and_given_back(tenant: Tenant) -> None:
    done = take(tenant, FILE)
    assert (done.created, done.settings_changed) == (["database", "metadata"], True)
    rows = {row.slug: row for row in queries.servers(tenant)}
    assert rows["database"].authentication == {"type": "bearer", "secret": "DATABASE_TOKEN"}
    assert (rows["metadata"].name, rows["metadata"].transport) == ("metadata", "streamable-http")
    settings = queries.settings_of(tenant)
    assert (settings.resource_cache_ttl, settings.fail_fast, settings.max_retries) == (600, False, 3)
    text = services.as_yaml(services.export(tenant))
    again = take(tenant, text)
    assert (again.created, again.changed, sorted(again.unchanged), again.settings_changed) == ([], [], ["database", "metadata"], False)
    assert services.as_yaml(services.export(tenant)) == text


def test_what_a_server_does_not_say_goes_back_to_its_default(tenant: Tenant) -> None:
    take(tenant, FILE)
    done = take(tenant, "mcp_servers: {database: {url: 'https://database.example.com/mcp'}}")
    assert (done.changed, done.deleted) == (["database"], [])
    row = queries.server(tenant, "database")
    assert (row.transport, row.authentication, row.priority) == ("streamable-http", {}, 100)
    assert queries.server(tenant, "metadata").priority == 1


def test_replace_deletes_what_is_not_named(tenant: Tenant) -> None:
    take(tenant, FILE)
    assert take(tenant, "mcp_servers: {metadata: {url: 'https://metadata.example.com/mcp'}}", replace=True).deleted == ["database"]
    assert [row.slug for row in queries.servers(tenant)] == ["metadata"]
    assert "mcp_server.delete" in AuditEntry.objects.for_tenant(tenant).values_list("action", flat=True)


def test_a_server_that_something_uses_keeps_the_whole_file_out(tenant: Tenant) -> None:
    take(tenant, FILE)
    lookup = lambda _tenant, slug: ["integration:x"] if slug == "database" else []  # noqa: E731
    services.tell_users(lookup)
    try:
        with pytest.raises(ServerIsNeeded):
            take(tenant, "mcp_servers: {new: {url: 'https://new.example.com/mcp'}}", replace=True)
    finally:
        from mcp_platform.orchestrator.services import servers

        servers._lookups.remove(lookup)
    assert {row.slug for row in queries.servers(tenant)} == {"database", "metadata"}


FAULTS = [
    ("[1, 2]", "$", "wrong_type"),
    ("a: &x 1\nb: *x", "$", "alias"),
    ("mcp_servers: [", "$", "not_yaml"),
    ("servers: {}", "$.servers", "unknown_key"),
    ("mcp_servers: 3", "$.mcp_servers", "wrong_type"),
    ("mcp_servers: {Bad: {url: 'https://x.example.com'}}", "$.mcp_servers.Bad", "bad_name"),
    ("mcp_servers: {a: {}}", "$.mcp_servers.a.url", "bad_value"),
    ("mcp_servers: {a: {url: 'ftp://x'}}", "$.mcp_servers.a.url", "bad_url"),
    ("mcp_servers: {a: {url: 'https://me:pw@x.example.com'}}", "$.mcp_servers.a.url", "bad_url"),
    ("mcp_servers: {a: {url: 'https://x.example.com', transport: stdio}}", "$.mcp_servers.a.url", "bad_url"),
    ("mcp_servers: {a: {url: 'stdio:../../bin/sh', transport: stdio}}", "$.mcp_servers.a.url", "bad_url"),
    ("mcp_servers: {a: {url: 'https://x.example.com', priority: 0}}", "$.mcp_servers.a.priority", "bad_value"),
    ("mcp_servers: {a: {url: 'https://x.example.com', timeout: true}}", "$.mcp_servers.a.timeout", "bad_value"),
    ("mcp_servers: {a: {url: 'https://x.example.com', colour: red}}", "$.mcp_servers.a.colour", "unknown_key"),
    (
        "mcp_servers: {a: {url: 'https://x.example.com', authentication: {type: bearer, secret: abc-literal}}}",
        "$.mcp_servers.a.authentication.secret",
        "literal_secret",
    ),
    ("mcp_servers: {a: {url: 'https://x.example.com', authentication: {type: bearer}}}", "$.mcp_servers.a.authentication.secret", "missing"),
    ("mcp_servers: {a: {url: 'https://x.example.com', authentication: {type: magic}}}", "$.mcp_servers.a.authentication.type", "unknown_value"),
    ("orchestration: {log_level: LOUD}", "$.orchestration.log_level", "bad_value"),
    ("orchestration: {resource_cache_ttl: -1}", "$.orchestration.resource_cache_ttl", "bad_value"),
]


@pytest.mark.parametrize(("text", "path", "code"), FAULTS)
def test_a_fault_is_named_with_its_path_and_nothing_is_taken(tenant: Tenant, text: str, path: str, code: str) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        take(tenant, text)
    assert [(one["path"], one["code"]) for one in refused.value.details["errors"]] == [(path, code)]
    assert all(one["expected"] for one in refused.value.details["errors"])
    assert not RemoteServer.objects.for_tenant(tenant).exists()


def test_all_faults_of_a_file_are_listed_together(tenant: Tenant) -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        take(tenant, "mcp_servers: {a: {url: 1, priority: 0}, b: {url: 'x'}}\norchestration: {fail_fast: 3}")
    assert {one["path"] for one in refused.value.details["errors"]} == {
        "$.mcp_servers.a.url",
        "$.mcp_servers.a.priority",
        "$.mcp_servers.b.url",
        "$.orchestration.fail_fast",
    }


def test_a_secret_that_a_server_shows_is_not_deleted(tenant: Tenant) -> None:
    from mcp_platform.vault import services as vault
    from mcp_platform.vault.errors import SecretIsNeeded

    vault.create_secret(tenant, name="DATABASE_TOKEN", value="x", by=None)
    take(tenant, FILE)
    with pytest.raises(SecretIsNeeded, match="mcp-server:database"):
        vault.delete_secret(tenant, name="DATABASE_TOKEN", by=None)


def test_the_command_takes_and_gives_the_file(tenant: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(FILE)
    call_command("mcp_servers", "import", str(file), "--tenant", tenant.slug)
    assert '"created": ["database", "metadata"]' in capsys.readouterr().out
    call_command("mcp_servers", "export", "--tenant", tenant.slug)
    assert services.read_yaml(capsys.readouterr().out) == services.export(tenant)
    file.write_text("mcp_servers: {a: {url: 1}}")
    with pytest.raises(CommandError, match=r"\$\.mcp_servers\.a\.url"):
        call_command("mcp_servers", "import", str(file), "--tenant", tenant.slug)
    with pytest.raises(CommandError, match="no tenant"):
        call_command("mcp_servers", "export", "--tenant", "nobody")
