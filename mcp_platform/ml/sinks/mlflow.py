"""An MLflow tracking server and its model registry, over their REST API (2.0, as servers of MLflow 2 and 3 speak it). No package is needed.

A model is a run of an experiment (metrics, parameters, tags, the card and the artifact) and a version of a registered model. Everything is found
again by the tag that holds the model's id, so telling a model twice changes nothing, whoever died in between.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

from django.conf import settings

from mcp_platform import outbound
from mcp_platform.ml.errors import RegistryRefused

API: Final = "/api/2.0/mlflow/"
ARTIFACTS: Final = "/api/2.0/mlflow-artifacts/artifacts/"
PROXIED: Final = "mlflow-artifacts"
TIMEOUT_MS: Final = 15_000
ID: Final = "mcp.model_id"
STATUS: Final = "mcp.status"
AT_ONCE: Final = 100  # parameters or tags of a batch; 1,000 metrics
LONGEST_VALUE: Final = 500  # of a parameter, as the oldest servers take it
LONGEST_TAG: Final = 5_000
TAKEN: Final = "RESOURCE_ALREADY_EXISTS"
MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
ALIASED: Final = ("champion", "challenger", "shadow")  # states of which at most one version is called so


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is told of a model. `experiment` and `registered_as` are names there; times in milliseconds."""

    model_id: str
    experiment: str
    registered_as: str
    name: str
    status: str
    began_ms: int
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    description: str
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    run_id: str
    version: str


def is_configured() -> bool:
    return bool(settings.MLFLOW_TRACKING_URI)


def tell(parcel: Parcel) -> Told:
    """Raises RegistryRefused, also for answers that are no MLflow's, and what outbound raises."""
    try:
        run = _run(parcel)
        version = _version(parcel, run)
        _follow(parcel, run["info"]["run_id"], version)
        return Told(run_id=run["info"]["run_id"], version=version)
    except (LookupError, TypeError, AttributeError, ValueError) as fault:
        raise RegistryRefused(f"{RegistryRefused.__doc__} Its answer is none of MLflow's: {fault!r}"[:300]) from fault


def page_of(run_id: str, registered_as: str, version: str) -> str:
    """Where a person finds it; "" for what has not been told. A name and a password in the address are the platform's, not the person's."""
    parts = urlsplit(settings.MLFLOW_TRACKING_URI)
    if not (parts.scheme.startswith("http") and run_id):
        return ""
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return f"{base}/#/models/{quote(registered_as, safe='')}/versions/{version}"


def name_of(text: str) -> str:
    """A name that the registry takes: it knows no slashes, colons and spaces."""
    return re.sub(r"[^\w.\-]+", ".", text).strip(".")[:250]


def _run(parcel: Parcel) -> dict[str, Any]:
    """The model's own run: found by its tag, finished if it was left open, made otherwise."""
    experiment = _experiment(parcel.experiment)
    wanted = {"experiment_ids": [experiment], "filter": f"tags.\"{ID}\" = '{parcel.model_id}'", "max_results": 1}
    found: list[dict[str, Any]] = _post("runs/search", wanted).get("runs") or []
    if found and found[0]["info"].get("status") == "FINISHED":
        return found[0]
    run = found[0] if found else _created_run(parcel, experiment)
    _fill(parcel, run)
    return run


def _experiment(name: str) -> str:
    found = _get("experiments/get-by-name", {"experiment_name": name}, missing=True)
    if found is None:
        try:
            return str(_post("experiments/create", {"name": name})["experiment_id"])
        except RegistryRefused as refused:  # another worker was quicker
            if refused.details.get("code") != TAKEN:
                raise
            found = _get("experiments/get-by-name", {"experiment_name": name})
    return str((found or {})["experiment"]["experiment_id"])


def _created_run(parcel: Parcel, experiment: str) -> dict[str, Any]:
    tags = _pairs({ID: parcel.model_id, "mlflow.source.name": settings.SERVICE_NAME, "mlflow.source.type": "JOB"}, LONGEST_TAG)
    body = {"experiment_id": experiment, "run_name": parcel.name, "start_time": parcel.began_ms, "tags": tags}
    made: dict[str, Any] = _post("runs/create", body)["run"]
    return made


def _fill(parcel: Parcel, run: Mapping[str, Any]) -> None:
    """Metrics, parameters and files; the run is finished last, so that one that was cut short is filled again."""
    run_id = run["info"]["run_id"]
    metrics = [{"key": key, "value": value, "timestamp": parcel.began_ms, "step": 0} for key, value in parcel.metrics.items()]
    _post("runs/log-batch", {"run_id": run_id, "metrics": metrics[:1000]})
    for params in _batches(_pairs(parcel.params, LONGEST_VALUE)):
        _post("runs/log-batch", {"run_id": run_id, "params": params})
    for tags in _batches(_pairs({**parcel.tags, "mlflow.note.content": parcel.description}, LONGEST_TAG)):
        _post("runs/log-batch", {"run_id": run_id, "tags": tags})
    for path, content in parcel.files.items():
        _upload(run["info"].get("artifact_uri", ""), path, content)
    _post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": parcel.began_ms})


def _upload(artifact_uri: str, path: str, content: bytes) -> None:
    """Through the server, where it hands artifacts on; a store that only its own clients reach gets none."""
    parts = urlsplit(artifact_uri)
    if parts.scheme != PROXIED:
        return
    below = parts.path.lstrip("/").removeprefix(ARTIFACTS.lstrip("/"))
    _send("PUT", f"{ARTIFACTS}{quote(below.strip('/'))}/{quote(path)}", content=content)


def _version(parcel: Parcel, run: Mapping[str, Any]) -> str:
    """The number that the registry gives; found again by its run."""
    _registered(parcel.registered_as)
    info = run["info"]
    query = f"name='{parcel.registered_as}' and run_id='{info['run_id']}'"
    found = (_get("model-versions/search", {"filter": query}) or {}).get("model_versions") or []
    if found:
        return str(found[0]["version"])
    body = {
        "name": parcel.registered_as,
        "source": f"{info.get('artifact_uri', '').rstrip('/')}/model",
        "run_id": info["run_id"],
        "tags": _pairs(parcel.tags, LONGEST_TAG),
        "description": parcel.description[:LONGEST_TAG],
    }
    return str(_post("model-versions/create", body)["model_version"]["version"])


def _registered(name: str) -> None:
    try:
        _post("registered-models/create", {"name": name})
    except RegistryRefused as refused:
        if refused.details.get("code") != TAKEN:
            raise


def _follow(parcel: Parcel, run_id: str, version: str) -> None:
    """Where the model stands now: a tag of the run and of the version, and an alias for those that are run."""
    named = {"name": parcel.registered_as, "version": version}
    _post("runs/set-tag", {"run_id": run_id, "key": STATUS, "value": parcel.status})
    _post("model-versions/set-tag", {**named, "key": STATUS, "value": parcel.status})
    held = _aliases(parcel.registered_as)
    for alias in ALIASED:
        if alias == parcel.status and held.get(alias) != version:
            _post("registered-models/alias", {**named, "alias": alias})
        elif alias != parcel.status and held.get(alias) == version:
            _send("DELETE", f"{API}registered-models/alias", body={"name": parcel.registered_as, "alias": alias})


def _aliases(name: str) -> dict[str, str]:
    found = (_get("registered-models/get", {"name": name}) or {}).get("registered_model", {})
    return {one["alias"]: str(one["version"]) for one in found.get("aliases") or ()}


def _pairs(values: Mapping[str, str], longest: int) -> list[dict[str, str]]:
    return [{"key": key, "value": value[:longest]} for key, value in values.items()]


def _batches(pairs: Sequence[dict[str, str]]) -> Iterable[Sequence[dict[str, str]]]:
    return (pairs[start : start + AT_ONCE] for start in range(0, len(pairs), AT_ONCE))


def _post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return _send("POST", f"{API}{path}", body=body) or {}


def _get(path: str, params: Mapping[str, str], *, missing: bool = False) -> dict[str, Any] | None:
    return _send("GET", f"{API}{path}", params=params, missing=missing)


def _send(
    method: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    params: Mapping[str, str] | None = None,
    content: bytes | None = None,
    missing: bool = False,
) -> dict[str, Any] | None:
    """The answer's JSON; None for what is not there, when that is no fault (`missing`). Raises RegistryRefused."""
    base = settings.MLFLOW_TRACKING_URI.rstrip("/")
    sent = content if content is not None else json.dumps(body).encode() if body is not None else None
    kind = "application/octet-stream" if content is not None else "application/json"
    headers = {**_credentials(), "Content-Type": kind}
    answer = outbound.request(method, base + path, headers=headers, content=sent, params=params, timeout_ms=TIMEOUT_MS, allow_hosts=_own(base))
    found = _parsed(answer.body)
    if answer.status < 300:
        return found
    if missing and found.get("error_code") == MISSING:
        return None
    why = str(found.get("message") or answer.body[:200].decode("utf-8", "replace"))
    said = f"{RegistryRefused.__doc__} {answer.status}: {why[:200]}"
    raise RegistryRefused(said, url=outbound.shown(base + path), status=answer.status, code=found.get("error_code", ""))


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _credentials() -> dict[str, str]:
    """As MLflow's own clients send them: a bearer token, else a name and a password."""
    if settings.MLFLOW_TRACKING_TOKEN:
        return {"Authorization": f"Bearer {settings.MLFLOW_TRACKING_TOKEN}"}
    if settings.MLFLOW_TRACKING_USERNAME:
        pair = f"{settings.MLFLOW_TRACKING_USERNAME}:{settings.MLFLOW_TRACKING_PASSWORD}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}


def _own(base: str) -> tuple[str, ...]:
    """The operator's own registry may live inside."""
    parts = urlsplit(base)
    return tuple(name for name in (parts.hostname, parts.netloc) if name)
