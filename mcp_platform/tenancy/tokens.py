"""JWTs of external issuers that a tenant trusts: verified with the issuer's published keys, never with anything the token brings along.

The token only names its issuer and audience; the row of that issuer says which tenant, which key set and which algorithms. Algorithms are
asymmetric ones from a fixed list, so "none" and a public key used as an HMAC secret have no way in.
"""

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from django.conf import settings

from mcp_platform import observability, outbound
from mcp_platform.errors import PlatformError, Unavailable
from mcp_platform.tenancy import permissions, queries
from mcp_platform.tenancy.errors import Unauthenticated
from mcp_platform.tenancy.models import TokenIssuer
from mcp_platform.tenancy.scope import Principal

log = observability.logger(__name__)

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_SECONDS = 30
KEYS_FRESH_SECONDS = 600.0
KEYS_USABLE_SECONDS = 24 * 3600.0  # how long the last known keys serve while the issuer cannot be reached
REFRESH_SECONDS = 10.0  # a key set is asked for at most this often, however many unknown key ids come in
FETCH_TIMEOUT_MS = 3000
LONGEST_ACTOR = 120  # as long as conversations keep whose they are
_MAX_TOKEN = 16_384
_MAX_KEYS = 100
_MAX_SETS = 1000
_LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def principal_of(token: str, *, audience: str = "") -> Principal:
    """Raises Unauthenticated, and Unavailable when the issuer's keys cannot be had.

    `audience`: the resource that is asked, letter by letter. A token for one says in `scope` what it may do, and is good there only; without
    one, a token for such a resource is good for nothing.
    """
    header, claims = _unverified(token)
    trusted = _issuer_of(claims, audience)
    allowed = [name for name in trusted.algorithms if name in ASYMMETRIC]
    algorithm = str(header.get("alg"))
    if algorithm not in allowed:
        raise Unauthenticated("The token's algorithm is not allowed.")
    key = _key_set(trusted.jwks_url).key(header.get("kid"), algorithm)
    try:
        verified = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=trusted.issuer,
            audience=trusted.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as fault:
        raise Unauthenticated(f"The token is not valid: {fault}.") from fault
    if not verified["sub"].isprintable():  # it names the actor in logs and audit entries
        raise Unauthenticated("The token's subject is not readable text.")
    scopes = _scopes(verified) if audience else None
    return Principal(
        tenant=trusted.tenant,
        actor=actor_of(trusted.issuer, verified["sub"]),
        permissions=permissions.of_roles(verified.get(trusted.role_claim)) & (scopes if scopes is not None else permissions.ALL),
        issuer_id=trusted.pk,
        expires_at=moment(float(verified["exp"]) + LEEWAY_SECONDS),
        scopes=scopes,
    )


def actor_of(issuer: str, subject: str) -> str:
    """A subject says something only together with its issuer. A digest takes the place of the end of those too long to be kept."""
    name = f"jwt:{_digest(issuer, 8)}:{subject}"
    return name if len(name) <= LONGEST_ACTOR else f"{name[: LONGEST_ACTOR - 33]}~{_digest(name, 32)}"


def _digest(text: str, letters: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:letters]


def _scopes(verified: Mapping[str, Any]) -> frozenset[str] | None:
    """RFC 9068, 2.2.3. None: the token says nothing of scopes."""
    given = verified.get("scope", verified.get("scp"))
    names = given.split() if isinstance(given, str) else given if isinstance(given, list) else None
    return None if names is None else frozenset(name for name in names if isinstance(name, str))


def _is_resource(audience: str) -> bool:
    """Whether tokens for it are good at the Model Context Protocol endpoint, and so nowhere else."""
    endpoint = f"{settings.PUBLIC_URL.rstrip('/')}/mcp"
    return audience == endpoint or audience.startswith(f"{endpoint}/")


def moment(seconds: float) -> datetime:
    """A time of a token; those beyond the calendar become its last day."""
    return datetime.fromtimestamp(min(seconds, _LAST_MOMENT), UTC)


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as the sender wrote them: good for choosing the issuer, for nothing else."""
    if len(token) > _MAX_TOKEN:
        raise Unauthenticated("The token is too long.")
    try:
        whole = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as fault:
        raise Unauthenticated("This is neither an API key nor a JWT.") from fault
    return whole["header"], whole["payload"]


def _issuer_of(claims: dict[str, Any], wanted: str) -> TokenIssuer:
    issuer, audience = claims.get("iss"), claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    texts = [one for one in named if isinstance(one, str) and "\x00" not in one]
    audiences = [one for one in texts if (one == wanted if wanted else not _is_resource(one))]
    if not isinstance(issuer, str) or "\x00" in issuer or not audiences:
        raise Unauthenticated("The token names no issuer or no audience.")
    found = [row for row in queries.issuers_for(issuer, audiences[:20]) if not row.tenant_claim or claims.get(row.tenant_claim) == row.tenant_value]
    if len(found) != 1:  # none, or audiences of several tenants: no guess which one is meant
        raise Unauthenticated("The token's issuer and audience are not trusted here.")
    return found[0]


class _KeySet:
    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: list[dict[str, Any]] = []
        self._fetched_at = -KEYS_USABLE_SECONDS
        self._tried_at = -REFRESH_SECONDS
        self._lock = threading.Lock()

    def key(self, kid: Any, algorithm: str) -> jwt.PyJWK:
        """Raises Unauthenticated for an unknown key, Unavailable when there are no keys to look in."""
        if time.monotonic() - self._fetched_at > KEYS_FRESH_SECONDS:
            self._refresh(wait=not self._usable())
        found = self._find(kid, algorithm)
        if found is None:
            self._refresh(wait=True)
            found = self._find(kid, algorithm)
        if not self._usable():
            raise Unavailable("The keys of the token's issuer cannot be read right now.", retry_after=int(REFRESH_SECONDS))
        if found is None:
            raise Unauthenticated("The token is signed with a key that its issuer does not publish.")
        return found

    def _usable(self) -> bool:
        return time.monotonic() - self._fetched_at < KEYS_USABLE_SECONDS

    def _find(self, kid: Any, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if kid is None or key.get("kid") == kid]
        if len(fitting) != 1 or fitting[0].get("alg", algorithm) != algorithm:
            return None  # without a key id only an issuer with a single key is clear
        try:
            return jwt.PyJWK(fitting[0], algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            return None

    def _refresh(self, *, wait: bool) -> None:
        """Fetch the keys unless somebody tried just now. With `wait` false, nobody queues behind a slow issuer."""
        if not self._lock.acquire(blocking=wait):
            return
        try:
            if time.monotonic() - self._tried_at < REFRESH_SECONDS:
                return
            self._tried_at = time.monotonic()
            self._keys = _fetch(self.url)
            self._fetched_at = time.monotonic()
        except (PlatformError, ValueError) as fault:
            log.warning("jwks_unreadable", url=self.url, fault=str(fault))
        finally:
            self._lock.release()


def _fetch(url: str) -> list[dict[str, Any]]:
    """The published signing keys. Raises a PlatformError of `outbound`, or ValueError for an answer that is not a key set."""
    answer = outbound.request("GET", url, headers={"Accept": "application/json"}, timeout_ms=FETCH_TIMEOUT_MS)
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    try:
        document = json.loads(answer.body)
    except RecursionError as fault:
        raise ValueError("nested too deep") from fault
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise ValueError("no list of keys")
    return [key for key in keys[:_MAX_KEYS] if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"]


_sets: dict[str, _KeySet] = {}


def _key_set(url: str) -> _KeySet:
    if len(_sets) > _MAX_SETS:
        _sets.clear()
    return _sets.setdefault(url, _KeySet(url))


def forget_keys() -> None:
    """Read every key set anew at the next token."""
    _sets.clear()
