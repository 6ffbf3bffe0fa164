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
    """max_bytes: of the model when it is unpacked. seconds: wall clock and CPU. ratio: unpacked to packed."""

    max_bytes: int
    seconds: int
    ratio: int = 60


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
    given = {**arguments, "max_bytes": limits.max_bytes, "seconds": limits.seconds, "ratio": limits.ratio}
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "validation.ingest.task", task, json.dumps(given)],
            cwd=ROOT,
            env=_ENVIRONMENT,
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


def _listen(process: "subprocess.Popen[bytes]", deadline: float, tell: Tell) -> tuple[dict[str, Any], bool]:
    """The child's last message, and whether it ended before the deadline."""
    lines: queue.Queue[bytes | None] = queue.Queue(maxsize=100)
    assert process.stdout is not None
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    said: dict[str, Any] = {}
    while True:
        try:
            line = lines.get(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
        except queue.Empty:
            if time.monotonic() >= deadline:
                return said, False
            continue
        if line is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
                return said, True
            return said, False
        message = _message(line)
        if "phase" in message:
            tell(int(message["done"]), int(message["total"]), str(message["phase"]))
        elif message:
            said = message


def _read(stream: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    with suppress(ValueError, OSError):  # the child was ended
        for line in stream:
            lines.put(line)
    lines.put(None)


def _message(line: bytes) -> dict[str, Any]:
    """{} for what is no message of ours: libraries print, too."""
    try:
        given = json.loads(line)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
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
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        return {"code": "TOO_SLOW", "detail": "Reading took more processor time than a model of this size may.", "signal": -code}
    if code == -signal.SIGXFSZ:
        return {"code": "TOO_LARGE", "detail": "What was read is larger than a model may be.", "signal": -code}
    if "MemoryError" in words or "bad_alloc" in words or "Cannot allocate memory" in words:
        return {"code": "TOO_MUCH_MEMORY", "detail": "Reading took more memory than a model of this size may."}
    if code < 0:
        return {"code": "PARSER_CRASHED", "detail": "The file is damaged in a way that ended its reader.", "signal": -code}
    last = words.rsplit("\n", 1)[-1][:300]
    return {"code": "PARSER_FAILED", "detail": "The file could not be read.", "said": last}
