"""`manage.py doctor` says what is set and has no effect."""

import pytest
from pytest_django.fixtures import Settings

from mcp_platform.management.commands import doctor

pytestmark = pytest.mark.django_db
IDLE = "is set, but nothing uses it yet"


def test_defaults_are_no_fault() -> None:
    assert [fault for fault in doctor.examine()["faults"] if IDLE in fault] == []


@pytest.mark.parametrize(("name", "value"), [("SECURITY_HUB_URL", "https://hub.example.com"), ("ENABLE_VISUAL_DESIGNER", False)])
def test_what_has_no_effect_is_named(name: str, value: object, settings: Settings) -> None:
    setattr(settings, name, value)
    assert f"{name} {IDLE}" in doctor.examine()["faults"]
