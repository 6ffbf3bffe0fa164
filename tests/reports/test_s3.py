"""Files in a bucket: what STORAGES says with FILES_S3_BUCKET, against a server that speaks S3."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as given
from django.core.files.base import ContentFile
from django.test import Client
from django.utils.module_loading import import_string

from mcp_platform.tenancy.permissions import of_role
from reports import tasks as _tasks  # noqa: F401  a worker imports it
from reports.models import ReportFile
from reports.services import keeping
from tests.factories import TenantFactory, bearer
from tests.reports.life import frozen, worked

pytest.importorskip("moto.server", reason="needs moto[server] (requirements-dev.txt)")
BUCKET = "reports-of-tests"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The storage of reports is a bucket, made with the options that settings.py gives."""
    options = {**given.FILES_S3_OPTIONS, "bucket_name": BUCKET, "endpoint_url": endpoint, "region_name": "eu-central-1", "location": "mcp"}
    storage = import_string("storages.backends.s3.S3Storage")(**{**options, "access_key": "key", "secret_key": "secret"})
    storage.connection.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    field = ReportFile._meta.get_field("file")
    monkeypatch.setattr(field, "storage", storage)
    yield storage.bucket
    storage.bucket.objects.all().delete()
    storage.bucket.delete()


@pytest.mark.django_db
def test_a_report_lives_in_a_bucket(bucket: Any, django_capture_on_commit_callbacks: Any) -> None:
    office = TenantFactory.create()
    report = worked(frozen(office, formats=["json"]))
    assert report.state == "ready", report.problem
    (kept,) = bucket.objects.all()
    assert kept.key.startswith("mcp/reports/")
    answer: Any = Client(headers=bearer(office, of_role("owner"))).get(f"/api/v1/reports/{report.pk}/files/json")
    assert b"".join(answer.streaming_content) == kept.get()["Body"].read()
    with django_capture_on_commit_callbacks(execute=True):
        keeping.expire(office, report)
    assert list(bucket.objects.all()) == []


@pytest.mark.django_db
def test_a_file_never_takes_the_place_of_another(bucket: Any) -> None:
    storage = ReportFile._meta.get_field("file").storage
    names = {storage.save("reports/same.json", ContentFile(text)) for text in (b"1", b"2")}
    assert len(names) == 2
    assert sorted(one.get()["Body"].read() for one in bucket.objects.all()) == [b"1", b"2"]


def test_the_environment_chooses_the_bucket(tmp_path: Any) -> None:
    script = "from django.core.files.storage import storages; s = storages['default']; print(type(s).__name__, s.bucket_name)"
    environment = {"STATE_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "mcp_platform.settings", "FILES_S3_BUCKET": "office-files"}
    ran = subprocess.run([sys.executable, "-c", script], env={**environment, "ENV_FILE": "/dev/null"}, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["S3Storage", "office-files"]
