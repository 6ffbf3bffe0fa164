"""`manage.py doctor` looks at everything and finds nothing to complain of in the embedded default."""

import pytest

from mcp_platform.management.commands import doctor

pytestmark = pytest.mark.django_db


def test_every_component_of_the_embedded_default_is_well() -> None:
    found = doctor.examine()
    assert {name: part["status"] for name, part in found["components"].items() if part["status"] != "healthy"} == {}
