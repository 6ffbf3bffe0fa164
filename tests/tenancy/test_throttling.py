"""Limits let through exactly what they say, also when everybody comes at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings

from mcp_platform.errors import Unavailable
from mcp_platform.tenancy import throttling
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import Tenant, User
from mcp_platform.tenancy.scope import Principal
from mcp_platform.tenancy.throttling import TooMany, spend
from tests.tenancy.clients import client_of

THREADS, LIMIT = 8, 20


@pytest.fixture
def someone() -> Principal:
    return Principal(tenant=Tenant(slug="a"), actor="key:a", permissions=frozenset())


def race(work: Callable[[], object]) -> Counter[str]:
    """How often each outcome came when 8 threads do `work` 10 times each, all starting together."""
    start = threading.Barrier(THREADS)
    outcomes: Counter[str] = Counter()

    def run() -> None:
        start.wait()
        for _ in range(10):
            try:
                work()
            except (TooMany, Unauthenticated) as fault:
                outcomes[type(fault).__name__] += 1
            else:
                outcomes["through"] += 1

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_race_of_eight_threads_lets_through_exactly_the_limit(settings: Settings, someone: Principal) -> None:
    settings.API_RATE_LIMIT = f"{LIMIT}/minute"
    assert race(lambda: spend(someone)) == {"through": LIMIT, "TooMany": 80 - LIMIT}


def test_a_race_of_guesses_gets_exactly_the_limit(settings: Settings) -> None:
    settings.ADDRESS_RATE_LIMIT = f"{LIMIT}/minute"

    def guess() -> None:
        with throttling.attempt("192.0.2.1"):
            raise Unauthenticated

    assert race(guess) == {"Unauthenticated": LIMIT, "TooMany": 80 - LIMIT}


def test_credentials_that_are_right_cost_an_address_nothing(settings: Settings) -> None:
    settings.ADDRESS_RATE_LIMIT = "2/minute"
    for _ in range(10):
        with throttling.attempt("192.0.2.1"):
            pass
    with pytest.raises(Unavailable), throttling.attempt("192.0.2.1"):
        raise Unavailable
    for _ in range(2):
        with pytest.raises(Unauthenticated), throttling.attempt("192.0.2.1"):
            raise Unauthenticated
    with pytest.raises(TooMany), throttling.attempt("192.0.2.1"):
        pass
    with throttling.attempt("192.0.2.2"):
        pass


def test_an_ipv6_caller_is_its_network(settings: Settings) -> None:
    settings.ADDRESS_RATE_LIMIT = "1/minute"
    with pytest.raises(Unauthenticated), throttling.attempt("2001:db8:1:2::1"):
        raise Unauthenticated
    with pytest.raises(TooMany), throttling.attempt("2001:db8:1:2:ffff::1"):
        pass
    with throttling.attempt("2001:db8:1:3::1"):
        pass


def test_the_window_ends(settings: Settings, someone: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = ""
    settings.API_RATE_LIMIT = "2/minute"
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    assert (spend(someone).left, spend(someone).left) == (1, 0)
    with pytest.raises(TooMany) as refusal:
        spend(someone)
    assert refusal.value.details["retry_after"] == 60
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert spend(someone).left == 1


def test_the_keys_of_a_tenant_share_its_limit(settings: Settings, someone: Principal) -> None:
    settings.TENANT_RATE_LIMIT = "3/minute"
    second = Principal(tenant=someone.tenant, actor="key:b", permissions=frozenset())
    elsewhere = Principal(tenant=Tenant(slug="b"), actor="key:a", permissions=frozenset())
    for principal in (someone, second, someone):
        spend(principal)
    with pytest.raises(TooMany) as refusal:
        spend(second)
    assert refusal.value.details["policy"] == "tenant"
    spend(elsewhere)


def test_without_redis_the_process_counts_alone(settings: Settings, someone: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # nobody listens there
    settings.API_RATE_LIMIT = "2/minute"
    monkeypatch.setattr(throttling, "_redis_away_until", 0.0)
    spend(someone)
    spend(someone)
    with pytest.raises(TooMany):
        spend(someone)


@pytest.mark.servers
def test_redis_counts_for_all_processes_and_is_as_exact(settings: Settings, someone: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_RATE_LIMIT = f"{LIMIT}/minute"
    assert race(lambda: spend(someone)) == {"through": LIMIT, "TooMany": 80 - LIMIT}
    monkeypatch.setattr(throttling, "_memory", throttling.ExactMemory())  # as another process
    with pytest.raises(TooMany) as refusal:
        spend(someone)
    assert 1 <= refusal.value.details["retry_after"] <= 60


def test_the_memory_of_counters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = throttling.ExactMemory()
    now = time.time()
    for number in range(counters._SWEEP_AT + 1):
        counters.incr(f"a{number}", 10)
    monkeypatch.setattr(time, "time", lambda: now + 30)
    counters.incr("b", 10)
    assert len(counters._windows) == 1


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        (2, "6.6.6.6, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "198.51.100.1"),
        (1, "", "192.0.2.1"),
    ],
)
def test_the_address_is_what_own_proxies_wrote(settings: Settings, proxies: int, forwarded: str, address: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert throttling.address_of(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR=forwarded)) == address


def test_answers_say_what_is_left(settings: Settings, tenant: Tenant) -> None:
    settings.API_RATE_LIMIT = "2/minute"
    client = client_of(tenant)
    first = client.get("/api/v1/tenant")
    assert first.headers["RateLimit-Policy"] == '"default";q=2;w=60'
    assert first.headers["RateLimit"] in ('"default";r=1;t=60', '"default";r=1;t=59')
    client.get("/api/v1/tenant")
    refused = client.get("/api/v1/tenant")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"default";r=0;t=')
    assert refused.json()["error_code"] == "RATE_LIMITED"
    assert client_of(tenant).get("/api/v1/tenant").status_code == 200


def test_guessing_over_http_is_throttled(settings: Settings, tenant: Tenant, client: Client) -> None:
    settings.ADDRESS_RATE_LIMIT = "3/minute"
    answers = [client.get("/api/v1/tenant", headers={"Authorization": f"Bearer mcp_aaaaaaaaaa_{number}"}).status_code for number in range(5)]
    assert answers == [401, 401, 401, 429, 429]


@pytest.mark.django_db
def test_a_lock_out_behind_a_proxy_is_for_one_address(settings: Settings, client: Client, owner: User) -> None:
    settings.TRUSTED_PROXIES = 1
    owner.set_password("right")
    owner.is_staff = True
    owner.save()

    def log_in(address: str, password: str) -> int:
        form = {"username": owner.username, "password": password}
        return client.post("/admin/login/", form, headers={"X-Forwarded-For": address}).status_code

    assert [log_in("198.51.100.1", "wrong") for _ in range(9)][-1] == 429
    assert log_in("198.51.100.1", "right") == 429
    assert log_in("198.51.100.2", "right") == 302
