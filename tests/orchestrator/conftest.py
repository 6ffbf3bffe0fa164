"""What the tests of upstream servers share."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_platform.tenancy.models import Tenant
from tests.factories import TenantFactory
from tests.orchestrator.world import UPSTREAM, open_world


@pytest.fixture
def tenant() -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    return tmp_path / "counter"


@pytest.fixture
def world(counter: Path) -> Iterator[None]:
    with open_world(own={"command": [sys.executable, str(UPSTREAM), "--counter", str(counter)], "secret_variable": "TOKEN"}):
        yield
