"""Clients that name themselves by the address of a document: it is fetched like everything outside, and only for a person who is there."""

import re
from typing import Any

from oauth2_provider.cimd import CIMDError

from mcp_platform import observability, outbound, rest
from mcp_platform.errors import PlatformError
from mcp_platform.oauth.core import metadata
from mcp_platform.oauth.core.documents import AUTHORIZE

log = observability.logger(__name__)

TIMEOUT_MS = 3_000
LONGEST = 16 * 1024  # bytes of a document; the draft advises 5 KiB
FRESH_SECONDS = (300, 86_400)  # at least and at most
_MAX_AGE = re.compile(r"max-age\s*=\s*(\d{1,9})")


class OnTheConsentPage:
    """The token endpoint never fetches: whoever asks there has been on the consent page, so the client is known."""

    def has_permission(self, request: Any, client_id: str) -> bool:
        return request.uri.split("?")[0] == AUTHORIZE and metadata.is_document_address(client_id)


class Fetcher:
    def fetch(self, client_id: str) -> tuple[dict[str, Any], int]:
        """The parts of the document that count, and for how many seconds. Raises CIMDError."""
        try:
            answer = outbound.request("GET", client_id, headers={"Accept": "application/json"}, timeout_ms=TIMEOUT_MS)
            if answer.status != 200 or len(answer.body) > LONGEST:
                raise CIMDError(f"status {answer.status}, {len(answer.body)} bytes")
            document = rest.read_json(answer.body)
            if not isinstance(document, dict):
                raise CIMDError("not an object")
            described = metadata.read(client_id, document)
        except (PlatformError, metadata.DocumentFault) as fault:
            log.info("client_document_refused", client=outbound.shown(client_id), fault=str(fault))
            raise CIMDError(str(fault)) from fault
        kept = {
            "client_id": client_id,
            "client_name": described.name,
            "redirect_uris": list(described.redirect_uris),
            "grant_types": ["authorization_code"],
            "token_endpoint_auth_method": "none",
        }
        return kept, _fresh(answer.headers.get("cache-control", ""))


def _fresh(cache_control: str) -> int:
    least, most = FRESH_SECONDS
    if "no-store" in cache_control or "no-cache" in cache_control:
        return least
    given = _MAX_AGE.search(cache_control.lower())
    return max(least, min(int(given[1]), most)) if given else most
