"""Servers that others have written, as programs: two of Python, two of JavaScript. One world for all, because they take long to start."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mcp_platform.orchestrator import runtime
from mcp_platform.orchestrator.models import OrchestrationSettings, RemoteServer, UpstreamTool
from mcp_platform.tenancy.models import Tenant
from tests import node
from tests.orchestrator.world import ASKED, call, open_world, server

pytestmark = pytest.mark.django_db(transaction=True)
VERSION = "2026.8.31"
BIN = Path(sys.executable).parent


def _programs(folder: Path) -> dict[str, Any]:
    everything = node.script("@modelcontextprotocol/server-everything", VERSION, "dist/index.js")
    memory = node.script("@modelcontextprotocol/server-memory", VERSION, "dist/index.js")
    repository = folder / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    return {
        "time": {"command": [str(BIN / "mcp-server-time"), "--local-timezone", "UTC"]},
        "git": {"command": [str(BIN / "mcp-server-git"), "--repository", str(repository)]},
        "everything": {"command": [node.node(), everything, "stdio"]},
        "memory": {"command": [node.node(), memory], "environment": {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}},
    }


def test_four_servers_of_others(tenant: Tenant, tmp_path: Path) -> None:
    programs = _programs(tmp_path)
    with open_world(**programs):
        OrchestrationSettings.objects.create(tenant=tenant, fail_fast=False)
        for number, name in enumerate(programs):
            server(tenant, name, f"stdio:{name}", transport="stdio", priority=number + 1, timeout=60)
        checked = runtime.wait(runtime.initialize(tenant.pk))
        assert {name: one.error for name, one in checked.items()} == dict.fromkeys(programs, "")
        assert all(one.tools for one in checked.values())

        now = json.loads(call(tenant, "time", "convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo").text())
        assert now["target"]["datetime"].endswith("21:00:00+09:00")
        assert call(tenant, "time", "get_current_time", timezone="Nowhere/Atlantis").is_error
        assert "No commits yet" in call(tenant, "git", "git_status", repo_path=str(tmp_path / "repository")).text()
        assert call(tenant, "everything", "echo", message="hello").text() == "Echo: hello"
        assert call(tenant, "everything", "get-sum", a=2, b=3).text().endswith("5.")

        house = {"name": "House", "entityType": "building", "observations": ["has two exits"]}
        call(tenant, "memory", "create_entities", entities=[house])
        runtime.wait(runtime.close(tenant.pk))
        graph = call(tenant, "memory", "read_graph").structured  # by a new process, from its file
        assert graph["entities"][0]["observations"] == ["has two exits"]

        found, failed = runtime.wait(runtime.gather_all_resources(tenant.pk, asked=ASKED))
        assert failed == {}
        assert found["everything"].resources
        assert found["time"].resources == {}
        assert UpstreamTool.objects.get(server__slug="everything", name="get-sum").offered_name == "everything_get-sum"
        assert set(RemoteServer.objects.values_list("state", flat=True)) == {"connected"}
