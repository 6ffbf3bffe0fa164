"""`./run bench report [--json]`: how long a worker is at the PDF of a report, and what it takes, by number of findings.

Each size is a process of its own, as a worker is one: Django and every app loaded, the frozen document unpacked from what the database holds,
the PDF rendered with all of its data attached. seconds: from the row to the bytes. peak_mb: the most memory that the process ever had; base_mb:
of it, what it had before it began. file_mb: the PDF. Of 50,000 findings 5,000 are printed, the rest is in the attachments.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.servers import say

SIZES = (100, 5_000, 50_000)
AIM = {"seconds": 30.0, "peak_mb": 300.0}  # at 50,000, on a usual machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), help="findings")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave the PDFs there")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(rendered(options.one, options.keep)))
        return
    say(f"machine: {servers.machine()}")
    found = {str(size): measured(size, options.keep) for size in options.sizes}
    print(json.dumps(found) if options.json else table(found))


def measured(size: int, keep: Path | None) -> dict[str, float]:
    """In a process of its own; the document is made in another, so that its memory does not count."""
    with tempfile.TemporaryDirectory(prefix="mcp-bench") as folder:
        path = Path(folder) / f"{size}.json.z"
        run("-c", f"from benchmarks.report import prepare; prepare({size}, {str(path)!r})", state=folder)
        kept = ["--keep", str(keep)] if keep else []
        found: dict[str, float] = json.loads(run("-m", "benchmarks.report", "--one", str(path), *kept, state=folder))
        say(f"{size:>7} findings: {found}")
        return found


def run(*command: str, state: str) -> str:
    environment = {**servers.environment(state), "LOG_LEVEL": "ERROR"}
    ran = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr[-3000:])
    return ran.stdout.splitlines()[-1] if ran.stdout.strip() else ""


def prepare(size: int, path: str) -> None:
    from reports.core import document as documents
    from tests.reports.documents import composed

    Path(path).write_bytes(zlib.compress(documents.canonical(composed(size)).encode(), 6))


def rendered(path: Path, keep: Path | None) -> dict[str, float]:
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mcp_platform.settings")
    import django

    django.setup()
    from reports.core import packed
    from reports.render import formats

    content, base = path.read_bytes(), peak()
    began = time.perf_counter()
    document = packed.inflated(content)
    about: dict[str, Any] = {"content_sha256": hashlib.sha256(content).hexdigest(), "verify_url": "https://mcp.example/verify/abc", "brand": {}}
    _, pdf = formats.render("pdf", document, canonical=content, **about)
    took = time.perf_counter() - began
    if keep:
        (keep / f"{path.name.split('.')[0]}.pdf").write_bytes(pdf)
    used = time.process_time()
    return {"seconds": round(took, 2), "cpu_seconds": round(used, 2), "peak_mb": peak(), "base_mb": base, "file_mb": round(len(pdf) / 1e6, 2)}


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def table(found: dict[str, dict[str, float]]) -> str:
    columns = ("seconds", "cpu_seconds", "peak_mb", "base_mb", "file_mb")
    lines = [f"{'findings':>9}" + "".join(f"{name:>13}" for name in columns)]
    lines += [f"{size:>9}" + "".join(f"{row[name]:>13}" for name in columns) for size, row in found.items()]
    return "\n".join([*lines, f"aim at 50,000 on a usual machine: under {AIM['seconds']:.0f} s and {AIM['peak_mb']:.0f} MB"])


if __name__ == "__main__":
    main()
