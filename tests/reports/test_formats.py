"""All formats of one document: they tell the same numbers, at any length, in any process, and those of a document that was frozen long ago."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from mcp_platform.tenancy.models import Tenant
from reports.core import document as documents
from reports.core import packed
from reports.core.sections import FORMATS
from reports.render import bcf, formats
from tests.factories import TenantFactory
from tests.reports.attached import attached
from tests.reports.documents import composed
from tests.reports.life import frozen, worked
from tests.reports.test_reports import fetched

FROZEN_FILE = Path(__file__).parent / "frozen" / "run.json"  # a document as version 1.0.0 has frozen it; never to be written again
FROZEN_SHA256: Final = "648e4205b21f4ad621648b5763cb31b722c494ce210a5e3eaf9bd7a2a804acc8"
ADDRESS = "https://mcp.example/verify/abc"


def rendered(document: Mapping[str, Any], name: str) -> bytes:
    return formats.render(name, document, content_sha256=documents.sha256(document), verify_url=ADDRESS, brand={})[1]


@cache
def frozen_text() -> bytes:
    return FROZEN_FILE.read_bytes().strip()


def old() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(frozen_text())
    return found


def counted(name: str, content: bytes) -> int:
    """How many findings a file has."""
    from openpyxl import load_workbook

    if name == "json":
        return len(json.loads(content)["findings"])
    if name == "csv":
        return len(list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")))))
    if name == "xlsx":
        book = load_workbook(io.BytesIO(content), read_only=True)
        return len(list(book[book.sheetnames[1]].iter_rows())) - 1
    if name == "html":
        return content.decode().count('<span class="chip ')
    if name == "bcf":
        return sum(one.endswith("/markup.bcf") for one in zipfile.ZipFile(io.BytesIO(content)).namelist())
    carried = attached(content)
    inside = {kind: counted(kind, carried[f"findings.{kind}"]) for kind in ("json", "xlsx")}
    assert len(set(inside.values())) == 1
    return inside["json"]


@pytest.mark.django_db
def test_every_format_is_made_of_a_document_whose_lists_are_packed() -> None:
    office: Tenant = TenantFactory.create()
    report = worked(frozen(office, findings=packed.CHUNK + 100, formats=list(FORMATS)))
    assert (report.state, report.problem) == ("ready", {})
    files = {name: fetched(office, report, name) for name in FORMATS}
    assert files["json"] == zlib.decompress(bytes(report.document))
    assert hashlib.sha256(files["json"]).hexdigest() == report.content_sha256
    assert {name: counted(name, content) for name, content in files.items()} == dict.fromkeys(FORMATS, packed.CHUNK + 100)


@pytest.mark.parametrize("name", FORMATS)
def test_a_document_that_was_frozen_long_ago_gives_the_numbers_that_it_gave_then(name: str) -> None:
    assert hashlib.sha256(frozen_text()).hexdigest() == FROZEN_SHA256 == documents.sha256(old())
    content = rendered(old(), name)
    assert counted(name, content) == 7
    if name == "json":
        assert content == frozen_text()
    if name == "csv":
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        assert [row["severity"] for row in rows] == ["critical", "critical", "major", "major", "minor", "minor", "info"]
    if name == "html":
        text = content.decode()
        assert all(said in text for said in ("87.3", "93.2", "R-2026-00042", "non-compliant", "762 mm", "W-1"))


PROGRAM = """
import hashlib, json, sys
import django
django.setup()
from tests.reports import test_formats
print(json.dumps({name: hashlib.sha256(test_formats.rendered(test_formats.old(), name)).hexdigest() for name in sys.argv[1:]}))
"""


def test_another_process_makes_the_same_bytes() -> None:
    """Texts hash differently there, so sets and their order too."""
    surroundings = {**os.environ, "DJANGO_SETTINGS_MODULE": "mcp_platform.settings", "PYTHONHASHSEED": "4711"}
    made = subprocess.run([sys.executable, "-c", PROGRAM, *FORMATS], env=surroundings, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    there = json.loads(made.stdout.splitlines()[-1])
    assert there == {name: hashlib.sha256(rendered(old(), name)).hexdigest() for name in FORMATS}


class Counted(list[Any]):
    """How many of its rows were read."""

    read = 0

    def __iter__(self) -> Iterator[Any]:
        for one in super().__iter__():
            self.read += 1
            yield one


def test_only_as_many_findings_are_read_as_become_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcf, "MOST_TOPICS", 5)
    document = composed(40)
    document["findings"] = Counted(document["findings"])
    assert counted("bcf", bcf.as_bcf(document)) == document["findings"].read == 5
