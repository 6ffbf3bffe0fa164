"""Client-id metadata documents (draft-ietf-oauth-client-id-metadata-document): the address of a document is the name of a client.

Whoever controls the address is the client; the document says what it is called and where people may be sent back to.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mcp_platform.oauth.core import addresses

LONGEST_NAME = 100
MOST_REDIRECTS = 20


class DocumentFault(ValueError):
    """The document is not one of a client that could be let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    name: str
    redirect_uris: tuple[str, ...]


def is_document_address(client_id: str) -> bool:
    """Section 3: https, a path, and nothing by which two texts could mean one address."""
    if not client_id.startswith("https://") or len(client_id) > 255 or not client_id.isprintable() or " " in client_id:
        return False
    try:
        parts = urlsplit(client_id)
        _ = parts.port
    except ValueError:
        return False
    plain = parts.username is None and parts.password is None and "#" not in client_id and "?" not in client_id
    return bool(plain and parts.hostname and parts.path not in ("", "/")) and not {".", ".."} & set(parts.path.split("/"))


def host_of(client_id: str) -> str:
    """Whose word the client's name is."""
    return (urlsplit(client_id).hostname or "") if client_id.startswith("https://") else ""


def read(client_id: str, document: Mapping[str, Any]) -> Described:
    """Raises DocumentFault."""
    if document.get("client_id") != client_id:
        raise DocumentFault("the document names another client")
    if "client_secret" in document or "client_secret_expires_at" in document:
        raise DocumentFault("the document holds a secret, which everybody can read")
    if document.get("token_endpoint_auth_method", "none") != "none":
        raise DocumentFault("the client wants to authenticate in a way that is not offered here: token_endpoint_auth_method must be none")
    if "authorization_code" not in _texts(document, "grant_types", ["authorization_code"]):
        raise DocumentFault("the client does not take authorization codes")
    redirects = _texts(document, "redirect_uris", [])
    if not 0 < len(redirects) <= MOST_REDIRECTS:
        raise DocumentFault(f"1 to {MOST_REDIRECTS} redirect_uris are needed")
    for uri in redirects:
        if fault := addresses.redirect_fault(uri):
            raise DocumentFault(f"a redirect address {fault}")
    return Described(name=_name(document), redirect_uris=tuple(redirects))


def _texts(document: Mapping[str, Any], field: str, otherwise: list[str]) -> list[str]:
    found = document.get(field, otherwise)
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise DocumentFault(f"{field} is not a list of texts")
    return found


def _name(document: Mapping[str, Any]) -> str:
    """Only letters that are seen: a name must not be able to turn the text around it, or to hide."""
    found = document.get("client_name", "")
    return "".join(letter for letter in found if letter.isprintable())[:LONGEST_NAME].strip() if isinstance(found, str) else ""
