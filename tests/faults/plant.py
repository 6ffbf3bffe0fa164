"""Real servers and real processes of the platform that tests start, kill, stop, cut off and start again.

Everything lives in a directory of its own under /tmp and on free ports. Nodes are processes as an operator runs them (`manage.py serve`,
`celery worker`); they share nothing with the test but the network.
"""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent.parent
# Claims of a dead process are taken over after 3 s here, so that tests need not wait for half a minute.
QUICK = {"TURN_LEASE_SECONDS": "3", "EFFECT_GRACE_SECONDS": "1", "CONTEXT_LOCK_TIMEOUT_MS": "800"}
# How much slower a machine may be than the one for which the waits below were written. Nobody waits longer for what comes.
PATIENCE = 4
PLENTY = {"API_RATE_LIMIT": "1000000/minute", "TENANT_RATE_LIMIT": "1000000/minute", "ADDRESS_RATE_LIMIT": "100000/minute"}


def missing(what: str) -> None:
    """A server that is not installed: in CI a failure, on somebody's machine a reason to skip."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}")


def free_port() -> int:
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def until(found: Callable[[], T], *, seconds: float = 20, what: str = "") -> T:
    """The first true value of `found`; AssertionError after `seconds` times PATIENCE."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds * PATIENCE} s for {what or found}: {value!r}"
        time.sleep(0.05)


class Reaper:
    """Ends what the test process has started when that process itself is killed. It waits at a pipe that then breaks."""

    _SCRIPT = """
import os, signal, sys
started = sys.stdin.read().split()
for pid in {int(pid) for pid in started}:
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
"""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", self._SCRIPT], stdin=subprocess.PIPE, start_new_session=True)

    def note(self, pid: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{pid}\n".encode())
        self._process.stdin.flush()

    def dismiss(self) -> None:
        """Everything has ended in good order."""
        self._process.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10 * PATIENCE)


_reaper: Reaper | None = None


def noted(pid: int) -> None:
    global _reaper
    _reaper = _reaper or Reaper()
    _reaper.note(pid)


def dismiss_the_reaper() -> None:
    global _reaper
    if _reaper is not None:
        _reaper.dismiss()
        _reaper = None


class Postgres:
    """A cluster of its own, with a role that is no superuser: row-level security is in force. `like`: the files of one to begin with."""

    def __init__(self, folder: Path, *, like: Path | None = None) -> None:
        self._bin = postgres_binaries()
        self._folder, self._data = folder, folder / "pg"
        self.port = free_port()
        self.url = f"postgresql://mcp:mcp@127.0.0.1:{self.port}/mcp"
        self._user = "postgres" if os.getuid() == 0 else None
        if like is not None:
            subprocess.run(["cp", "-a", like, self._data], check=True)
            self.start()
            return
        self._data.mkdir()
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self._data, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()
        asking = [str(self._bin / "psql"), "-qX", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-c"]
        for statement in ("CREATE ROLE mcp LOGIN CREATEDB PASSWORD 'mcp'", "CREATE DATABASE mcp OWNER mcp"):
            subprocess.run([*asking, statement], check=True, timeout=30 * PATIENCE)

    def start(self) -> None:
        options = f"-p {self.port} -k {self._data} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=150"
        self._run("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", options, "start")
        noted(int((self._data / "postmaster.pid").read_text().split()[0]))

    def keep(self, files: Path) -> None:
        """Stop, and copy the files, owners and all."""
        self.stop()
        subprocess.run(["cp", "-a", self._data, files], check=True)

    def stop(self, mode: str = "fast") -> None:
        """`fast` ends every session and shuts down; `immediate` is a crash: recovery at the next start."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def _run(self, tool: str, *arguments: str) -> None:
        command = [str(self._bin / tool), "-D", str(self._data), *arguments]
        with (self._folder / f"{tool}.log").open("ab") as log:
            subprocess.run(command, check=True, timeout=60 * PATIENCE, stdout=log, stderr=log, user=self._user, cwd="/")


def postgres_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    path = shutil.which("initdb")
    if not found and path is None:
        missing("PostgreSQL's server programs (initdb, pg_ctl)")
    if os.getuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            missing("a system user postgres: the server refuses to run as root")
    return found[-1].parent if found else Path(str(path)).parent


class Redis:
    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            missing("redis-server")
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        options = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(self._folder)}
        command = ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", value))]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        noted(self._process.pid)
        until(lambda: listens(self.port), what="Redis to listen")

    def stop(self) -> None:
        """As a crash: nothing is saved, what was queued in it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10 * PATIENCE)
            self._process = None

    def hang(self) -> None:
        """It takes connections and bytes, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Node:
    """One process of the platform (a worker's children belong to it)."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], log: Path, port: int = 0) -> None:
        self.name, self.port, self.log = name, port, log
        self._command, self._environment = list(command), environment
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begins = 0  # of the process that runs now

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> "Node":
        with self.log.open("ab") as log:
            self._log_begins = log.tell()
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        noted(self._process.pid)
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, seconds: float = 60) -> "Node":
        def is_ready() -> bool:
            assert self.running, f"{self.name} ended with {self._process and self._process.returncode}:\n{self.tail()}"
            return self.ready() if self.port else "dispatcher_started" in self.text()

        until(is_ready, seconds=seconds, what=self.name)
        return self

    def ready(self) -> bool:
        """/readyz says so."""
        return self.probe() == 200

    def probe(self, path: str = "/readyz", seconds: float = 15) -> int:
        """The status, 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=seconds) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code
        except OSError:
            return 0

    def kill(self) -> None:
        """kill -9, with everything it has started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10 * PATIENCE)

    def terminate(self) -> None:
        """SIGTERM to the process itself, as an init system or an orchestrator sends it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 40) -> int:
        """The exit status."""
        assert self._process is not None
        return self._process.wait(seconds * PATIENCE)

    def children(self) -> list[int]:
        return [int(child) for task in Path(f"/proc/{self.pid}/task").glob("*/children") for child in task.read_text().split()]

    def memory(self) -> int:
        """Resident bytes."""
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return int(fields["VmRSS"].split()[0]) * 1024

    def text(self) -> str:
        """What it has logged since it was started last."""
        return self.log.read_bytes()[self._log_begins :].decode(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.text().splitlines()[-lines:])


class Plant:
    """A folder, the servers in it, and the platform's processes around them. Embedded when there is no PostgreSQL."""

    def __init__(self, folder: Path, *, postgres: Postgres | None = None, redis: Redis | None = None) -> None:
        self.folder, self.postgres, self.redis = folder, postgres, redis
        self.nodes: list[Node] = []
        self._clerk: subprocess.Popen[str] | None = None
        self._asking = threading.Lock()

    def environment(self, **more: str) -> dict[str, str]:
        found = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/"),
            "STATE_DIR": str(self.folder / "state"),
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "a key for the tests of faults, equal in every process, long enough to be one",
            "OUTBOUND_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            **PLENTY,
            **QUICK,
            **{name: value for name, value in os.environ.items() if name == "PYTHONPYCACHEPREFIX"},
        }
        if self.postgres is not None and self.redis is not None:
            found.update(DATABASE_URL=self.postgres.url, REDIS_URL=self.redis.url, WEB_PROCESSES="2", POSTGRES_POOL_SIZE="6")
        return {**found, **more}

    def web(self, name: str = "web", *, port: int = 0, start: bool = True, **environment: str) -> Node:
        """daphne, as `./run serve --no-migrate` starts it."""
        port = port or free_port()
        command = [sys.executable, "manage.py", "serve", "--host", "127.0.0.1", "--port", str(port), "--no-migrate"]
        return self._node(name, command, port, start, environment)

    def grpc(self, port: int, *command: str, **environment: str) -> Node:
        """A server of gRPC, as `./run manage rungrpc` or another command starts it; it is asked through gRPC's own health check."""
        arguments = [sys.executable, "manage.py", *command, "--host", "127.0.0.1"]
        arguments += ["--grpc-port", str(port), "--port", str(free_port())] if "--grpc" in command else ["--port", str(port)]
        return self._node("grpc", arguments, 0, True, environment)

    def worker(self, name: str = "worker", *, concurrency: int = 2, include: str = "", start: bool = True, **environment: str) -> Node:
        """Celery's prefork pool, as `./run worker` starts it. `include`: a module of these tests to load."""
        command = [sys.executable, "-m", "celery", "-A", "mcp_platform", "worker", "--concurrency", str(concurrency), "--loglevel", "INFO"]
        command += ["--hostname", f"{name}@%h", *(["--include", include] if include else [])]
        return self._node(name, command, 0, start, environment)

    def _node(self, name: str, command: list[str], port: int, start: bool, environment: dict[str, str]) -> Node:
        node = Node(name, command, self.environment(**environment), self.folder / f"{name}-{len(self.nodes)}.log", port)
        self.nodes.append(node)
        if start:
            node.start(wait=False)
        return node

    def manage(self, *arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.environment(LOG_LEVEL="WARNING"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100 * PATIENCE,
        )
        assert ran.returncode == 0, f"{arguments}: {ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
        return ran.stdout

    def ask(self, question: str, **values: Any) -> Any:
        """What a function of tests/faults/rows.py answers. One process for all questions: to start Django anew takes longer than to answer."""
        with self._asking:
            clerk = self._clerk = self._clerk or self._hire()
            assert clerk.stdin is not None
            assert clerk.stdout is not None
            clerk.stdin.write(json.dumps([question, values]) + "\n")
            clerk.stdin.flush()
            answer = json.loads(clerk.stdout.readline() or '{"fault": "it has ended"}')
        assert "fault" not in answer, f"{question}: {answer['fault']}"
        return answer["answer"]

    def _hire(self) -> "subprocess.Popen[str]":
        with (self.folder / "clerk.log").open("ab") as log:
            made = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.rows"],
                env=self.environment(LOG_LEVEL="WARNING"), cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        noted(made.pid)
        return made

    def close(self) -> None:
        """For good."""
        self.kill_everything()
        if self._clerk is not None:
            self._clerk.kill()
            self._clerk.communicate()
            self._clerk = None

    def kill_everything(self) -> None:
        for node in self.nodes:
            node.kill()
        self.nodes.clear()


@contextmanager
def folder() -> Iterator[Path]:
    """Under /tmp, not in pytest's own directory: the user postgres may not look into that."""
    made = Path(tempfile.mkdtemp(prefix="mcp-plant-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        if os.environ.get("KEEP_PLANT") is None:
            shutil.rmtree(made, ignore_errors=True)
