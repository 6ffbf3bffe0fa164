"""What the composition refuses, and what the script says on a bare machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django.fixtures import Settings
from twisted.web import http

from mcp_platform import checks, composition
from mcp_platform.management.commands.serve import know_json

ROOT = Path(__file__).resolve().parent.parent.parent


def test_several_processes_without_redis_are_refused(settings: Settings) -> None:
    settings.WEB_PROCESSES, settings.REDIS_URL, settings.DATABASE_URL = 2, "", ""
    assert [found.id for found in checks.several_processes_need_redis()] == ["platform.E001"]
    assert [found.id for found in checks.several_processes_need_postgresql()] == ["platform.E002"]


@pytest.mark.django_db
def test_a_database_of_an_older_version_is_not_left_behind_silently() -> None:
    assert checks.replaced_migrations_are_applied_whole(databases=["default"]) == []
    MigrationRecorder(connection).record_unapplied("conversations", "0011_dead_turns")
    assert [found.id for found in checks.replaced_migrations_are_applied_whole(databases=["default"])] == ["platform.E010"]


def test_several_processes_with_both_servers_are_fine(settings: Settings) -> None:
    settings.WEB_PROCESSES, settings.REDIS_URL, settings.DATABASE_URL = 2, "redis://r", "postgresql://p"
    assert checks.several_processes_need_redis() == checks.several_processes_need_postgresql() == []


def test_a_second_embedded_process_on_the_same_state_is_refused(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATE_DIR = tmp_path
    first = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()",
            str(tmp_path / "serving.lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"held\n"
    monkeypatch.setattr(composition, "_claim", None)
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL"):
        composition.claim_single_process()
    first.communicate(b"\n")


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(ROOT / "run"), *arguments], env={"PATH": "/bin:/usr/bin", **environment}, capture_output=True, text=True, check=False)


def test_the_script_says_what_to_install_when_python_is_missing(tmp_path: Path) -> None:
    for tool in ("sh", "dirname", "cat", "cksum", "tr", "env"):
        found = next(Path(folder) / tool for folder in ("/bin", "/usr/bin") if (Path(folder) / tool).exists())
        (tmp_path / tool).symlink_to(found)
    ran = run("demo", PATH=str(tmp_path), VENV=str(tmp_path / "venv"))
    assert ran.returncode == 1
    assert "Python 3.11 or newer was not found" in ran.stderr


def test_the_script_says_what_to_install_when_venv_is_missing(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    ran = run("demo", PYTHON=str(python), VENV=str(tmp_path / "venv"), PATH="/bin:/usr/bin")
    assert ran.returncode == 1
    assert "python3-venv" in ran.stderr


def test_every_variable_of_the_settings_is_documented() -> None:
    source = (ROOT / "mcp_platform/settings.py").read_text()
    documented = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    read = set(re.findall(r'(?:env\.\w+|_kept_secret)\("([A-Z_]+)"', source)) - {"ENV_FILE", "POSTGRES_URI", "PYTEST_XDIST_WORKER"}
    assert read == documented


def test_the_example_of_the_environment_is_the_defaults(tmp_path: Path) -> None:
    copy = tmp_path / ".env"
    copy.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    code = "from mcp_platform import settings as s; print(sorted((k, str(v)) for k, v in vars(s).items() if k.isupper() and k != 'SECRET_KEY'))"
    bare = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME")}
    shown = [
        subprocess.run([sys.executable, "-c", code], env={**bare, "ENV_FILE": file}, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for file in (str(copy), os.devnull)
    ]
    assert shown[0] == shown[1]


def test_a_check_that_fails_ends_the_check() -> None:
    body = (ROOT / "run").read_text().split("check() {")[1].split("\n}")[0]
    assert "&&" not in body.replace("# not &&", "")  # set -e lets the first half of a && b fail


@pytest.mark.parametrize("name", ["POSTGRES_URI", "DATABASE_URL"])
def test_both_names_of_the_database_address_work(name: str, tmp_path: Path) -> None:
    code = "from mcp_platform import settings as s; d = s.DATABASES['default']; print(d['ENGINE'], d['HOST'], d['OPTIONS']['pool']['max_size'])"
    kept = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "POSTGRES_URI")}
    environment = {**kept, name: "postgresql+asyncpg://u:p@db.example/x", "POSTGRES_POOL_SIZE": "7", "STATE_DIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["mcp_platform.db.postgresql", "db.example", "7"]


def test_redis_without_postgresql_and_unreadable_limits_are_refused(settings: Settings) -> None:
    settings.REDIS_URL, settings.DATABASE_URL = "redis://r", ""
    assert [found.id for found in checks.redis_needs_postgresql()] == ["platform.E004"]
    settings.API_RATE_LIMIT, settings.MAX_PARALLEL_EXECUTIONS = "lots", 0
    assert [found.id for found in checks.limits_can_be_read()] == ["platform.E005", "platform.E006"]


def test_json_is_known_to_twisted_without_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {line: http._parseContentType(line) for line in (b"application/json", b"application/json; charset=utf-8", b"text/html")}
    monkeypatch.setattr(http, "_parseContentType", http._parseContentType)
    know_json()
    assert {line: http._parseContentType(line) for line in before} == before


@pytest.mark.parametrize("entry", ["mcp_platform.asgi", "mcp_platform.wsgi", "mcp_platform.grpc_server"])
def test_a_web_process_knows_every_job_that_it_enqueues(entry: str, tmp_path: Path) -> None:
    sources = [
        file.read_text()
        for app in ("mcp_platform", "flows", "conversations", "experiments", "validation", "reports")
        for file in (ROOT / app).rglob("*.py")
        if file.name != "tasks.py"
    ]
    wanted = sorted(set(re.findall(r'enqueue\(\s*"([^"]+)"', "\n".join(sources))))
    assert "operations.run" in wanted
    code = (
        f"import django; django.setup(); import importlib; importlib.import_module({entry!r}); from mcp_platform.celery import app; print(*app.tasks)"
    )
    kept = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "POSTGRES_URI")}
    # Addresses that nobody answers at: only what is loaded is looked at.
    servers = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9/0", "LOG_LEVEL": "ERROR"}
    environment = {**kept, **servers, "STATE_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "mcp_platform.settings"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert [name for name in wanted if name not in ran.stdout.split()] == []
