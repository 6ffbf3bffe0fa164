"""Runs a task on a stranger's file in a process of its own, and says in plain words how it ended. The only starter of `validation.ingest.task`."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
LAST_WORDS: Final = 2000
# No more than this reaches the child: nothing of our own environment, where secrets may be.
_ENVIRONMENT: Final = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}

Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """max_bytes: of the model when it is unpacked. seconds: wall clock and CPU. ratio: unpacked to packed.

    caged: nothing is read where network and other programs cannot be forbidden.
    """

    max_bytes: int
    seconds: int
    ratio: int = 60
    caged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a task ended. `problem` is {} when it did what it was asked for, else {"code", "detail", …}."""

    result: dict[str, Any]
    problem: dict[str, Any]
    seconds: float
    peak_bytes: int = 0


def run(task: str, arguments: Mapping[str, Any], *, limits: Limits, tell: Tell = lambda done, total, phase: None) -> Ended:
    """Waits for the task. What `tell` raises (a cancellation) ends the child and goes on up."""
    started = time.monotonic()
    given = {**arguments, "max_bytes": limits.max_bytes, "seconds": limits.seconds, "ratio": limits.ratio, "caged": limits.caged}
    # The folder is ours: a child that is killed tidies nothing up, and what it has unpacked may be a gigabyte.
    with tempfile.TemporaryFile() as stderr, tempfile.TemporaryDirectory(prefix="reader-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "validation.ingest.task", task, json.dumps(given)],
            cwd=ROOT,
            env={**_ENVIRONMENT, "TMPDIR": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            said, in_time = _listen(process, started + limits.seconds, tell)
        finally:
            _end(process)
        return _ended(process.returncode, said, in_time, _last_words(stderr), time.monotonic() - started)


def is_confined() -> bool:
    """Whether a reader on this system is kept from the network and from other programs."""
    code = "from validation.ingest import confinement; print(confinement.confine(size=1, cpu_seconds=5, most_output=1))"
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=_ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    return asked.stdout.strip() == "True"


def _listen(process: "subprocess.Popen[bytes]", deadline: float, tell: Tell) -> tuple[dict[str, Any], bool]:
    """The child's last message, and whether it ended before the deadline."""
    lines: queue.Queue[bytes | None] = queue.Queue(maxsize=100)
    over = threading.Event()
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, lines, over), name="reader", daemon=True).start()
    try:
        return _heard(process, lines, deadline, tell)
    finally:
        over.set()  # nobody takes lines any more: who puts them must not wait for room


def _heard(process: "subprocess.Popen[bytes]", lines: "queue.Queue[bytes | None]", deadline: float, tell: Tell) -> tuple[dict[str, Any], bool]:
    said: dict[str, Any] = {}
    while True:
        try:
            line = lines.get(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
        except queue.Empty:
            if time.monotonic() >= deadline:
                return said, False
            continue
        if line is None:
            return said, _ends(process, max(0.1, deadline - time.monotonic()))
        message = _message(line)
        if "phase" in message:
            tell(int(message["done"]), int(message["total"]), str(message["phase"]))
        elif message:
            said = message


def _ends(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Whether it ends by itself. It is not reaped yet: until its group has been ended its number must not become somebody else's."""
    if not hasattr(os, "waitid"):  # macOS
        with suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=seconds) is not None
        return False
    until = time.monotonic() + seconds
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() >= until:
            return False
        time.sleep(0.005)
    return True


def _read(stream: IO[bytes], lines: "queue.Queue[bytes | None]", over: threading.Event) -> None:
    with suppress(ValueError, OSError):  # the child was ended
        for line in stream:
            if not _put(lines, line, over):
                return
    _put(lines, None, over)


def _put(lines: "queue.Queue[bytes | None]", line: bytes | None, over: threading.Event) -> bool:
    """Waits for room as long as somebody listens."""
    while not over.is_set():
        with suppress(queue.Full):
            lines.put(line, timeout=0.2)
            return True
    return False


def _message(line: bytes) -> dict[str, Any]:
    """{} for what is no message of ours: libraries print, too."""
    try:
        given = json.loads(line)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """And whatever it has left behind: it leads a group of its own, whose number is taken as long as it is not reaped."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _last_words(stderr: IO[bytes]) -> str:
    size = stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, size - LAST_WORDS))
    return stderr.read().decode("utf-8", "replace").strip()


def _ended(code: int, said: dict[str, Any], in_time: bool, words: str, seconds: float) -> Ended:
    peak = int(said.get("peak_bytes", 0))
    if not in_time:
        return Ended(result={}, problem={"code": "TOO_SLOW", "detail": f"Reading took longer than {seconds:.0f} s."}, seconds=seconds)
    if code == 0 and ("result" in said or "problem" in said):
        return Ended(result=said.get("result", {}), problem=said.get("problem", {}), seconds=seconds, peak_bytes=peak)
    return Ended(result={}, problem=_death(code, words), seconds=seconds, peak_bytes=peak)


def _death(code: int, words: str) -> dict[str, Any]:
    """What a child that did not get to its last message has died of."""
    if code == -signal.SIGXCPU:
        return {"code": "TOO_SLOW", "detail": "Reading took more processor time than a model of this size may.", "signal": -code}
    if code == -signal.SIGKILL:  # neither a limit of ours nor its own doing: the kernel ends who takes a machine's last memory so
        return {"code": "TOO_MUCH_MEMORY", "detail": "The reader was killed from outside: the machine was out of memory.", "signal": -code}
    if code == -signal.SIGXFSZ:
        return {"code": "TOO_LARGE", "detail": "What was read is larger than a model may be.", "signal": -code}
    if "MemoryError" in words or "bad_alloc" in words or "Cannot allocate memory" in words:
        return {"code": "TOO_MUCH_MEMORY", "detail": "Reading took more memory than a model of this size may."}
    if code < 0:
        return {"code": "PARSER_CRASHED", "detail": "The file is damaged in a way that ended its reader.", "signal": -code}
    last = words.rsplit("\n", 1)[-1][:300]
    return {"code": "PARSER_FAILED", "detail": "The file could not be read.", "said": last}
