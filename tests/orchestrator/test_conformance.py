"""The official conformance suites for clients, against the client that all servers of others are reached with.

Left out: scenarios in which a person answers or logs in (elicitation, OAuth with a browser): nobody sits at this client, and it says so.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests import node

CLIENT = Path(__file__).with_name("conformance_client.py")
OLDER, NEWEST = "0.1.16", "0.2.0-alpha.12"


@pytest.mark.parametrize(
    ("suite", "scenario", "least"),
    [
        (OLDER, "sse-retry", 3),
        (NEWEST, "request-metadata", 5),
        (NEWEST, "http-custom-headers", 18),
        (NEWEST, "http-invalid-tool-headers", 12),
        (NEWEST, "json-schema-2020-12-preservation", 6),
    ],
)
def test_scenario(suite: str, scenario: str, least: int) -> None:
    """`least`: how many checks are really made; one that is not reached must not pass for one that is."""
    runner = node.script("@modelcontextprotocol/conformance", suite, "dist/index.js")
    command = [node.node(), runner, "client", "--command", f"{sys.executable} {CLIENT}", "--scenario", scenario, "--timeout", "90000"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(settings.BASE_DIR), "STATE_DIR": str(settings.STATE_DIR)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    told = done.stdout + done.stderr
    passed = re.search(r"Passed: (\d+)/(\d+), 0 failed", told)
    assert passed, told[-3000:]
    assert int(passed[1]) == int(passed[2]) >= least, told[-3000:]
