"""Run jobs in child processes with limits. A job that kills its process is answered with an error, and the others go on in a new one."""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[3]
SECONDS: Final = 600
PACKED_TIMES: Final = 10
MOST_BYTES: Final = 1024**3
CHUNK: Final = 64
WORKERS: Final = 2
# Nothing of our own environment, where secrets may be.
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
CRASHED: Final = "The process that read the model has crashed, taken too long or needed too much memory."

Job = dict[str, Any]


def run(job: Job, *, seconds: int = SECONDS, caged: bool = False) -> dict[str, Any]:
    """The answer, or {"error": …} when there is none. caged: nothing is read where network and other programs cannot be forbidden."""
    return next(iter(run_all([job], seconds=seconds, caged=caged)))


def run_all(jobs: Sequence[Job], *, seconds: int = SECONDS, caged: bool = False) -> Iterator[dict[str, Any]]:
    """The answers in the order of the jobs, each as soon as all before it are there."""
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="ids") as pool:
        for answers in pool.map(lambda chunk: _chunk(chunk, seconds, caged), chunks):
            yield from answers


def _chunk(jobs: Sequence[Job], seconds: int, caged: bool) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    while len(answers) < len(jobs):
        rest = jobs[len(answers) :]
        got = _process(rest, seconds, caged)
        answers += got
        if len(got) < len(rest):
            answers.append({"error": CRASHED})
    return answers


def _process(jobs: Sequence[Job], seconds: int, caged: bool) -> list[dict[str, Any]]:
    """The answers until all are there or the process ends."""
    # The folder is ours: a process that is killed tidies nothing up.
    with (
        tempfile.TemporaryDirectory(prefix="reader-") as folder,
        subprocess.Popen(
            [sys.executable, "-m", "validation.ingest.ids.worker", str(seconds), str(len(jobs)), str(_largest(jobs)), str(int(caged))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**_ENVIRONMENT, "TMPDIR": folder},
            start_new_session=True,
        ) as process,
    ):
        threading.Thread(target=_feed, args=(process, jobs), daemon=True).start()
        assert process.stdout is not None
        return [json.loads(line) for line in process.stdout if line.endswith(b"\n")]


def _feed(process: subprocess.Popen[bytes], jobs: Sequence[Job]) -> None:
    assert process.stdin is not None
    try:
        for job in jobs:
            process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.close()
    except OSError:  # it has ended; that is seen at its output
        return


def _largest(jobs: Sequence[Job]) -> int:
    """Bytes of the largest model as it will be when it is unpacked, which decides how much memory there is."""
    return max((_unpacked(Path(job["ifc"])) for job in jobs if "ifc" in job), default=0)


def _unpacked(path: Path) -> int:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            packed = file.read(2) == b"PK"
    except OSError:  # the job will say so
        return 0
    return min(size * PACKED_TIMES, MOST_BYTES) if packed else size
