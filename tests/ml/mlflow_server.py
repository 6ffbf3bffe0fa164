"""The part of MLflow's REST API that models are told through: a server of our own in memory, and the real one where it is installed.

The real one is looked for on the PATH, or at MLFLOW_COMMAND. It is started on a free port with its files in a folder of its own.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.faults.plant import free_port

Json = dict[str, Any]
ID = re.compile(r"tags\.\"mcp\.model_id\" = '([^']+)'")
RUN = re.compile(r"name='([^']+)' and run_id='([^']+)'")


def command() -> str:
    """Of the real server; "" where there is none."""
    return os.environ.get("MLFLOW_COMMAND", "") or shutil.which("mlflow") or ""


@contextmanager
def real(folder: Path) -> Iterator[str]:
    port = free_port()
    arguments = ["server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    arguments += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([command(), *arguments], stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        _until_up(f"http://127.0.0.1:{port}/health", server, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


def _until_up(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError(log.read_text()[-3000:])


@contextmanager
def ours() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.store = _Store()  # type: ignore[attr-defined]  # for the handlers
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def call(base: str, path: str, body: Json | None = None) -> Json:
    """What a client of the registry sees."""
    data = json.dumps(body).encode() if body is not None else None
    asked = urllib.request.Request(f"{base}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        found: Json = json.loads(answer.read() or b"{}")
    return found


class Refused(Exception):
    pass


class _Store:
    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, Json] = {}
        self.models: dict[str, Json] = {}
        self.files: dict[str, bytes] = {}
        self.lock = threading.Lock()

    def experiment(self, given: Mapping[str, Any]) -> Json:
        name = given["experiment_name"]
        if name not in self.experiments:
            raise Refused("RESOURCE_DOES_NOT_EXIST")
        return {"experiment": {"experiment_id": self.experiments[name], "name": name}}

    def create_experiment(self, given: Mapping[str, Any]) -> Json:
        if given["name"] in self.experiments:
            raise Refused("RESOURCE_ALREADY_EXISTS")
        self.experiments[given["name"]] = str(len(self.experiments) + 1)
        return {"experiment_id": self.experiments[given["name"]]}

    def search_runs(self, given: Mapping[str, Any]) -> Json:
        wanted = ID.fullmatch(given.get("filter") or "")
        found = [run for run in self.runs.values() if run["info"]["experiment_id"] in given["experiment_ids"]]
        return {"runs": [run for run in found if wanted is None or _value(run["data"]["tags"], "mcp.model_id") == wanted[1]]}

    def create_run(self, given: Mapping[str, Any]) -> Json:
        run_id = f"run{len(self.runs)}"
        info = {"run_id": run_id, "experiment_id": given["experiment_id"], "status": "RUNNING", "run_name": given["run_name"]}
        info["artifact_uri"] = f"mlflow-artifacts:/{given['experiment_id']}/{run_id}/artifacts"
        self.runs[run_id] = {"info": info, "data": {"metrics": [], "params": [], "tags": list(given["tags"])}}
        return {"run": self.runs[run_id]}

    def log_batch(self, given: Mapping[str, Any]) -> Json:
        data = self.runs[given["run_id"]]["data"]
        for kind in ("metrics", "params", "tags"):
            for one in given.get(kind) or ():
                _put(data[kind], one["key"], one["value"])
        return {}

    def update_run(self, given: Mapping[str, Any]) -> Json:
        self.runs[given["run_id"]]["info"]["status"] = given["status"]
        return {}

    def tag_run(self, given: Mapping[str, Any]) -> Json:
        _put(self.runs[given["run_id"]]["data"]["tags"], given["key"], given["value"])
        return {}

    def create_model(self, given: Mapping[str, Any]) -> Json:
        if given["name"] in self.models:
            raise Refused("RESOURCE_ALREADY_EXISTS")
        self.models[given["name"]] = {"versions": [], "aliases": {}}
        return {}

    def model(self, given: Mapping[str, Any]) -> Json:
        aliases = [{"alias": name, "version": version} for name, version in self.models[given["name"]]["aliases"].items()]
        return {"registered_model": {"name": given["name"], "aliases": aliases}}

    def search_versions(self, given: Mapping[str, Any]) -> Json:
        asked = RUN.fullmatch(given["filter"])
        name, run = (asked[1], asked[2]) if asked else (given["filter"].removeprefix("name='").removesuffix("'"), "")
        return {"model_versions": [one for one in self.models[name]["versions"] if not run or one["run_id"] == run]}

    def create_version(self, given: Mapping[str, Any]) -> Json:
        versions = self.models[given["name"]]["versions"]
        versions.append({**given, "version": str(len(versions) + 1), "tags": list(given["tags"])})
        return {"model_version": versions[-1]}

    def tag_version(self, given: Mapping[str, Any]) -> Json:
        _put(self.models[given["name"]]["versions"][int(given["version"]) - 1]["tags"], given["key"], given["value"])
        return {}

    def alias(self, given: Mapping[str, Any]) -> Json:
        self.models[given["name"]]["aliases"][given["alias"]] = given["version"]
        return {}

    def unalias(self, given: Mapping[str, Any]) -> Json:
        self.models[given["name"]]["aliases"].pop(given["alias"], None)
        return {}


def _value(pairs: list[Json], key: str) -> Any:
    return next((one["value"] for one in pairs if one["key"] == key), None)


def _put(pairs: list[Json], key: str, value: Any) -> None:
    pairs[:] = [*(one for one in pairs if one["key"] != key), {"key": key, "value": value}]


ROUTES = {
    "GET experiments/get-by-name": _Store.experiment,
    "POST experiments/create": _Store.create_experiment,
    "POST runs/search": _Store.search_runs,
    "POST runs/create": _Store.create_run,
    "POST runs/log-batch": _Store.log_batch,
    "POST runs/update": _Store.update_run,
    "POST runs/set-tag": _Store.tag_run,
    "POST registered-models/create": _Store.create_model,
    "GET registered-models/get": _Store.model,
    "GET model-versions/search": _Store.search_versions,
    "POST model-versions/create": _Store.create_version,
    "POST model-versions/set-tag": _Store.tag_version,
    "POST registered-models/alias": _Store.alias,
    "DELETE registered-models/alias": _Store.unalias,
}


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        store: _Store = self.server.store  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/mlflow-artifacts/" in parts.path:
            store.files[parts.path.partition("/artifacts/")[2]] = body
            return self._send(200, {})
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()} | (json.loads(body) if body else {})
        route = ROUTES[f"{self.command} {parts.path.removeprefix('/api/2.0/mlflow/')}"]
        with store.lock:
            try:
                return self._send(200, route(store, asked))
            except Refused as refused:
                return self._send(404 if "NOT" in str(refused) else 400, {"error_code": str(refused), "message": "no"})

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _send(self, status: int, told: Json) -> None:
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
