"""What a stranger sends costs no more than it may: bodies are measured, archives looked at, readers caged, and what they leave is taken away."""

import ctypes
import errno
import io
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from mcp_platform import bodies
from mcp_platform.lanes import NoLaneFree
from mcp_platform.operations import services as operations
from mcp_platform.operations.models import Operation
from mcp_platform.rest import SchemaError
from mcp_platform.tenancy import throttling
from mcp_platform.tenancy.models import Tenant
from mcp_platform.tenancy.queries import principal_of_user
from mcp_platform.tenancy.scope import Principal
from tests import factories
from tests.factories import TenantFactory
from tests.tenancy.clients import client_of
from tests.validation.models import demo_file
from validation import errors
from validation.consumers import frames
from validation.ingest import bcf, child, confinement
from validation.ingest.ids import runner
from validation.ingest.refusal import Refused
from validation.models import Building, ModelRevision
from validation.services import ids, live, plans, revisions

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="system calls are forbidden on Linux")


@pytest.fixture
def office(db: None) -> Tenant:
    return TenantFactory.create()


@pytest.fixture
def by(office: Tenant) -> Principal:
    return principal_of_user(factories.member(office), office)


@pytest.fixture
def house(office: Tenant) -> Building:
    return factories.BuildingFactory.create(tenant=office)


async def sent(path: str, pieces: int, *, declared: int | None = None, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Status, and how many pieces of 100 bytes were taken, where 1,000 bytes may come."""
    monkeypatch.setattr(bodies, "MOST", 1000)
    monkeypatch.setattr(bodies, "VERIFIED", 500)
    given, answers = 0, []

    async def receive() -> Any:
        nonlocal given
        given += 1
        return {"type": "http.request", "body": b"x" * 100, "more_body": given < pieces}

    async def send(message: Any) -> None:
        answers.append(message)

    async def application(asgi: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    await bodies.Measured(application)({"type": "http", "path": path, "headers": headers}, receive, send)
    return answers[0]["status"], given


async def test_a_body_that_does_not_say_how_long_it_is_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await sent("/api/v1/flows", 10, monkeypatch=monkeypatch) == (200, 10)
    assert await sent("/api/v1/flows", 10**9, monkeypatch=monkeypatch) == (413, 11)
    assert await sent("/verify/abc", 10**9, monkeypatch=monkeypatch) == (413, 6)
    assert await sent("/api/v1/verify/abc", 10**9, monkeypatch=monkeypatch) == (413, 6)


async def test_a_body_that_says_it_is_too_long_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await sent("/api/v1/flows", 1, declared=1001, monkeypatch=monkeypatch) == (413, 0)


def test_the_server_measures() -> None:
    """Read, not imported: who imports the entry point begins to serve."""
    assert '"http": Measured(' in (child.ROOT / "mcp_platform" / "asgi.py").read_text()


def test_who_verifies_too_often_is_told_so_before_the_file_is_read(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(policy: str, address: str) -> None:
        raise throttling.TooMany(throttling.Budget(policy=policy, limit=1, window=60, left=0, reset=60))

    def parsed(*given: Any) -> None:
        raise AssertionError("the body was read")

    monkeypatch.setattr(throttling, "spend_visitor", full)
    monkeypatch.setattr("django.http.request.HttpRequest.parse_file_upload", parsed)
    for path in ("/verify/abc", "/api/v1/verify/abc"):
        file = io.BytesIO(b"%PDF")
        assert Client(enforce_csrf_checks=True).post(path, {"file": file}).status_code == 429


def many(members: int) -> io.BytesIO:
    """A directory of entries alone."""
    entry = b"PK\x01\x02" + bytes(42)
    directory = entry * members
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 0, 0)  # it says that there is one
    return io.BytesIO(directory + end)


def test_an_archive_of_very_many_entries_is_refused_unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*given: Any) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(zipfile, "ZipFile", opened)
    with pytest.raises(Refused) as refused:
        bcf.read(many(bcf.MOST_MEMBERS * 6))
    assert refused.value.problem["code"] == "BCF_TOO_LARGE"


CAGED = """
import ctypes, errno, os
from validation.ingest import confinement
assert confinement.confine(size=1000, cpu_seconds=5, most_output=1_000_000)
libc = ctypes.CDLL(None, use_errno=True)
ctypes.set_errno(0)
answer = libc.syscall({call})
print(answer, ctypes.get_errno())
"""


def caged(call: str) -> tuple[int, int]:
    done = subprocess.run([sys.executable, "-c", CAGED.format(call=call)], cwd=child.ROOT, capture_output=True, text=True, timeout=60, check=True)
    answer, fault = done.stdout.split()
    return int(answer), int(fault)


@LINUX
@pytest.mark.parametrize(
    "call",
    ["0x40000000 | 39", "425, 8, 0", "426, 0", "427, 0", "435, 0, 0", "{kill}, os.getppid(), 0", "{kill}, -1, 0", "{clone}, 17, 0, 0, 0, 0"],
    ids=["x32", "io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "kill its parent", "kill everybody", "fork"],
)
def test_a_reader_may_not(call: str) -> None:
    kill, clone = (62, 56) if os.uname().machine == "x86_64" else (129, 220)
    assert caged(call.replace("{kill}", str(kill)).replace("{clone}", str(clone))) == (-1, errno.EPERM)


@LINUX
def test_a_reader_may_end_itself() -> None:
    assert caged(f"{62 if os.uname().machine == 'x86_64' else 129}, os.getpid(), 0") == (0, 0)
    assert ctypes.sizeof(ctypes.c_void_p) == 8
    assert child.is_confined()


def test_where_readers_cannot_be_caged_production_reads_nothing(settings: Any) -> None:
    from validation.services import reading

    settings.ENVIRONMENT = "development"
    assert not reading.limits().caged
    settings.ENVIRONMENT = "production"
    assert reading.limits().caged
    confinement.require(confined=True)
    with pytest.raises(Refused) as refused:
        confinement.require(confined=False)
    assert refused.value.problem["code"] == "NOT_CONFINED"


class Left:
    """What is in a folder for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        return sorted(one.name for one in self.folder.rglob("*"))


STAND_IN = """#!{python}
import os, signal, sys, tempfile
open(tempfile.mkdtemp() + "/left", "w").write("much")
{more}
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A reader that writes a temporary file, does `more` and is killed; its parent's folder for temporary files."""

    def make(more: str = "") -> Left:
        folder = tmp_path / "tmp"
        folder.mkdir()
        program = tmp_path / "python"
        program.write_text(STAND_IN.format(python=sys.executable, more=more))
        program.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.setattr(sys, "executable", str(program))
        return Left(folder)

    return make


def test_a_reader_that_is_killed_leaves_nothing_behind(stand_in: Any) -> None:
    left = stand_in()
    ended = child.run("elements", {}, limits=child.Limits(max_bytes=1000, seconds=30))
    assert ended.problem["code"] == "TOO_MUCH_MEMORY"
    assert left.names() == []


def test_a_killed_reader_of_ids_leaves_nothing_behind(stand_in: Any) -> None:
    left = stand_in()
    assert runner.run({"kind": "audit", "ids": "x"}) == {"error": runner.CRASHED}
    assert left.names() == []


def test_what_a_reader_has_started_ends_with_it(stand_in: Any, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    stand_in(
        f"if os.fork() == 0:\n    os.close(1)\n    open({str(mark)!r}, 'w').write(str(os.getpid()))\n    import time\n    time.sleep(600)\n"
        f"import time\nwhile not os.path.exists({str(mark)!r}) or not open({str(mark)!r}).read():\n    time.sleep(0.01)"
    )
    child.run("elements", {}, limits=child.Limits(max_bytes=1000, seconds=30))
    assert ended(int(mark.read_text()))


def ended(pid: int) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    return False


def test_a_cancellation_leaves_no_thread_behind(stand_in: Any) -> None:
    class Enough(Exception):
        pass

    def tell(done: int, total: int, phase: str) -> None:
        raise Enough

    stand_in('line = \'{"done": 1, "total": 2, "phase": "x"}\\n\'\nwhile True:\n    sys.stdout.write(line)')
    with pytest.raises(Enough):
        child.run("elements", {}, limits=child.Limits(max_bytes=1000, seconds=30), tell=tell)
    for thread in threading.enumerate():
        if thread.name == "reader":
            thread.join(timeout=10)
            assert not thread.is_alive()


def test_a_tenant_has_few_checks_at_once(office: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    inner: list[int] = []

    def run(job: Any, **more: Any) -> dict[str, Any]:
        file = {"ids": ContentFile(b"<ids/>", "a.ids"), "ifc": ContentFile(b"ISO-10303-21;", "a.ifc")}
        answer = client_of(office).post("/api/v1/validation/ids/check", file)
        inner.append(answer.status_code)
        if answer.status_code != 200:
            assert answer.headers["Retry-After"] == "2"
        return {"verdict": "pass"}

    monkeypatch.setattr(runner, "run", run)
    ids.check_upload(office, ids=ContentFile(b"<ids/>", "a.ids"), ifc=ContentFile(b"x", "a.ifc"))
    assert len(inner) == 2
    assert inner[0] != 200
    with ids._uploads.inside(str(office.pk), "ids"), ids._uploads.inside(str(office.pk), "ids"), pytest.raises(NoLaneFree):
        ids.audit_upload(office, ContentFile(b"<ids/>", "a.ids"))


def given(house: Building, by: Principal, content: bytes) -> tuple[ModelRevision, Operation]:
    revision, _ = revisions.upload(house.tenant, building_id=house.pk, name="a.ifc", content=ContentFile(content, "a.ifc"), by=by)
    return revision, Operation.objects.get(pk=str(revision.operation_id))


def test_a_revision_that_waits_for_another_holds_no_thread(house: Building, by: Principal) -> None:
    first, reading_it = given(house, by, demo_file())
    second, waits = given(house, by, demo_file("narrow_door"))
    ModelRevision.objects.filter(pk=first.pk).update(state="parsing")
    Operation.objects.filter(pk=reading_it.pk).update(status="running")
    for _ in range(operations.ATTEMPTS + 2):  # as often as need be
        operations.run(house.tenant, operation_id=waits.pk, attempt=0)
        waits.refresh_from_db()
        assert (waits.status, waits.attempts, waits.phase) == ("queued", 0, "waiting for another revision")
    second.refresh_from_db()
    assert second.state == "uploaded"
    Operation.objects.filter(pk=reading_it.pk).update(status="failed")
    assert waits.heartbeat_at is not None
    Operation.objects.filter(pk=waits.pk).update(heartbeat_at=waits.heartbeat_at - timedelta(seconds=2))
    assert operations.recover() == 1  # long before a lost job would be looked for
    operations.run(house.tenant, operation_id=waits.pk, attempt=0)
    waits.refresh_from_db()
    assert waits.status == "succeeded"


def test_one_that_waits_can_be_cancelled(house: Building, by: Principal) -> None:
    first, reading_it = given(house, by, demo_file())
    _, waits = given(house, by, demo_file("narrow_door"))
    ModelRevision.objects.filter(pk=first.pk).update(state="parsing")
    Operation.objects.filter(pk=reading_it.pk).update(status="running")
    Operation.objects.filter(pk=waits.pk).update(cancel_asked=True)
    operations.run(house.tenant, operation_id=waits.pk, attempt=0)
    waits.refresh_from_db()
    assert waits.status == "cancelled"


def test_a_file_is_stored_outside_the_transaction_and_goes_with_it(
    house: Building, by: Principal, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    from django.db import connection

    settings.MEDIA_ROOT = str(tmp_path)
    depth = len(connection.savepoint_ids)
    stored: list[int] = []
    save = type(ModelRevision().file).save

    def noted(self: Any, *args: Any, **more: Any) -> None:
        stored.append(len(connection.savepoint_ids) - depth)
        save(self, *args, **more)

    def broken(*args: Any, **more: Any) -> None:
        raise errors.ModelRejected("No.", reason="X")

    monkeypatch.setattr(type(ModelRevision().file), "save", noted)
    monkeypatch.setattr(revisions, "_start", broken)
    with pytest.raises(errors.ModelRejected):
        given(house, by, demo_file())
    assert stored == [0]
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == []


def test_the_mark_of_a_plan_fits_into_a_header(house: Building) -> None:
    made = plans.etag(house.tenant, building_id=house.pk, storey='a\nb"c', finding_id=None)
    assert made.isascii()
    assert not set(made) & set('\n"')
    assert client_of(house.tenant).get(f"/api/v1/validation/buildings/{house.pk}/plan?storey=a%0ab").status_code == 404


@pytest.mark.parametrize("name", ["revision", "people", "functions"])
def test_names_of_our_own_are_not_for_clients(house: Building, name: str) -> None:
    body = {"client_id": name, "client_seq": 1, "base_seq": 0, "ops": [{"op": "upsert", "global_id": "d", "ifc_class": "IfcDoor"}]}
    refused = client_of(house.tenant).post(f"/api/v1/validation/buildings/{house.pk}/changes", body, content_type="application/json")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "$.client_id")
    with pytest.raises(SchemaError):
        frames.hello({"type": "hello", "client_id": name}, house.pk)
    assert frames.hello({"type": "hello", "client_id": "mine"}, house.pk).client_id == "mine"


def test_the_same_name_of_two_people_is_two_clients(house: Building, by: Principal) -> None:
    other = principal_of_user(factories.member(house.tenant), house.tenant)

    def sent_by(whom: Principal, mark: str, base: int) -> live.Applied:
        ops = [{"op": "upsert", "global_id": mark, "ifc_class": "IfcDoor", "set": {"name": whom.actor}}]
        return live.apply_changes(house.tenant, building_id=house.pk, client_id="cad", client_seq=1, base_seq=base, ops=ops, by=whom)

    assert sent_by(by, "d-1", 0).seq == 1
    second = sent_by(other, "d-1", 0)  # neither a replay, nor refused, nor silent about what it overwrites
    assert (second.seq, second.replayed, [one["field"] for one in second.conflicts]) == (2, False, ["*"])
    assert sent_by(by, "d-1", 0).replayed
