from collections.abc import Iterator
from typing import Any

import pytest

from tests.mcp.house import House, inhabited
from tests.platform.bad_input.office import committed


@pytest.fixture(scope="module")
def db(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """In place of pytest-django's: really written to, because the server has threads, and so connections, of its own."""
    with committed(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def house(db: None) -> Iterator[House]:
    with inhabited() as found:
        yield found
