"""`manage.py doctor` looks at everything and finds nothing to complain of."""

import pytest

from mcp_platform.management.commands import doctor

pytestmark = pytest.mark.django_db


def test_every_component_is_well() -> None:
    found = doctor.examine()["components"]
    found.pop("workers", None)  # none runs beside these tests
    assert {name: part["status"] for name, part in found.items() if part["status"] != "healthy"} == {}
