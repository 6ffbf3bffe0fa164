"""`manage.py flow`: one JSON document on standard output, and exit codes that a pipeline can trust."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from conversations import services as talking
from flows import services
from mcp_platform.tenancy.models import Tenant
from tests.conversations.scenes import PERMIT
from tests.factories import TenantFactory, greeting, published
from tests.playbook import ending

pytestmark = pytest.mark.django_db
STORY = "bot: How many storeys?\nuser: 12\nbot more\nuser: yes\nexpect completion = completed\n"


@pytest.fixture
def office() -> Tenant:
    return TenantFactory.create(slug="office")


def run(*arguments: str) -> tuple[int, Any]:
    """Exit code and the one JSON document."""
    out, code = io.StringIO(), 0
    try:
        call_command("flow", *arguments, "--json", stdout=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, json.loads(out.getvalue())


def written(path: Path, value: Any) -> str:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_validate(tmp_path: Path, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        code, answer = run("validate", written(tmp_path / "a.json", greeting()))
    assert (code, answer["publishable"]) == (0, True)
    broken = {**greeting(), "initial_state": "nowhere"}
    code, answer = run("validate", written(tmp_path / "b.json", broken))
    assert (code, answer["problems"][0]["path"]) == (1, "$.initial_state")


def test_what_is_not_there_is_usage(office: Tenant, tmp_path: Path) -> None:
    assert run("validate", "nothing.json")[0] == 2
    assert run("validate", "greeting", "--tenant", "office")[1]["error_code"] == "FLOW_NOT_FOUND"
    assert run("export", "greeting", "--tenant", "nobody")[0] == 2
    assert run("validate", written(tmp_path / "c.json", "{"))[0] == 1


def test_import_export_diff(office: Tenant, tmp_path: Path) -> None:
    file = written(tmp_path / "a.json", greeting())
    code, answer = run("import", file, "--tenant", "office", "--publish")
    assert (code, answer["published"]["version"]) == (0, 1)
    assert run("import", file, "--tenant", "office")[0] == 1
    exported = run("export", "greeting@1", "--tenant", "office")[1]
    assert exported["flow_id"] == "greeting"
    assert run("diff", file, "greeting@1", "--tenant", "office")[0] == 0
    other = written(tmp_path / "b.json", {**greeting(), "name": "Other"})
    code, answer = run("diff", file, other)
    assert (code, [change["path"] for change in answer["changes"]]) == (1, ["$.name"])


def test_tests_from_files_and_stored(office: Tenant, tmp_path: Path) -> None:
    file, story = written(tmp_path / "permit.json", PERMIT), written(tmp_path / "story.txt", STORY)
    code, answer = run("test", file, story)
    assert (code, answer["total"], answer["failed"]) == (0, 1, 0)
    code, answer = run("test", file, written(tmp_path / "bad.txt", "bot: What?"))
    assert (code, answer["results"][0]["divergence"]["got"]) == (1, "How many storeys?")
    assert run("test", file, written(tmp_path / "faulty.txt", "bott: What?"))[1]["errors"][0]["path"] == "line 1"
    published(office, PERMIT)
    services.save_test(office, flow_id="permit", fields={"name": "story", "script": STORY}, by=None)
    code, answer = run("test", "permit", "--tenant", "office")
    assert (code, answer["ran_on"], answer["unvisited_states"]) == (0, "draft rev 1", [])
    exported = run("export", "permit", "--tests", "--tenant", "office")[1]
    assert run("test", file, written(tmp_path / "all.json", exported))[0] == 0


def test_simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "permit.json", PERMIT)
    monkeypatch.setattr(sys, "stdin", io.StringIO("12\n/expect slots.storeys = 12\nyes\n"))
    code, answer = run("simulate", file)
    assert (code, answer["status"], answer["slots"]) == (0, "ended", {"storeys": 12, "sprinklers": True})
    monkeypatch.setattr(sys, "stdin", io.StringIO("12\n/press: Perhaps\n/nonsense\n"))
    code, answer = run("simulate", file)
    assert (code, [fault["line"] for fault in answer["faults"]]) == (1, ["/press: Perhaps", "/nonsense"])


def test_replay(office: Tenant, capfd: pytest.CaptureFixture[str]) -> None:
    published(office, PERMIT)
    begun = talking.start(office, flow_id="permit")
    for text in ("12", "yes"):
        talking.process_message(office, conversation_id=begun.conversation_id, content={"type": "text", "text": text})
    assert run("replay", "permit", "--tenant", "office")[1]["same"] == 1
    states = {**PERMIT["states"], "done": {"name": "done", **ending("Noted.")}}
    services.save_draft(office, flow_id="permit", document={**PERMIT, "states": states}, by=None)
    code, answer = run("replay", "permit", "--tenant", "office")
    assert (code, answer["texts_only"]) == (1, 1)
    assert run("replay", "permit", "--tenant", "office", "--ignore-texts")[0] == 0
    code, answer = run("replay", "permit", "--tenant", "office", "--conversation", str(begun.conversation_id))
    assert (code, answer["diverged_at"]) == (1, 3)
    code, answer = run("replay", "--tenant", "office", "--conversation", str(begun.conversation_id), "--what-if", "2=44")
    assert (code, answer["cause"]["where"]) == (1, "storeys")
    assert run("replay", "--rebuild", "--tenant", "office") == (0, {"checked": 1000, "broken": []})
