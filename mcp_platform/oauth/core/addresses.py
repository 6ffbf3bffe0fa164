"""Addresses: which resources tokens are for, and where a client may have people sent back to."""

import ipaddress
import re
from urllib.parse import urlsplit

MCP = "/mcp"
VIRTUAL = re.compile(r"/mcp/v/(?P<slug>[a-z][a-z0-9-]{0,62})")
# A browser would run these or read a file, where it should go to a program.
_NEVER = frozenset({"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "ftp", "ws", "wss", "mailto", "tel", "filesystem"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{1,63}")
LONGEST = 2_000


def is_resource_path(path: str) -> bool:
    """Whether something that takes tokens is there: our Model Context Protocol endpoint, or a virtual server below it."""
    return path == MCP or VIRTUAL.fullmatch(path) is not None


def is_resource(resource: str, base: str) -> bool:
    """Whether `resource` (RFC 8707) is one of ours, letter by letter; `base` is our address without a path."""
    return resource.startswith(f"{base}/") and is_resource_path(resource.removeprefix(base))


def metadata_of(resource: str, base: str) -> str:
    """Where the metadata of a resource is (RFC 9728, 3.1): the well-known part goes between the host and the path."""
    return f"{base}/.well-known/oauth-protected-resource{resource.removeprefix(base)}"


def redirect_fault(uri: str) -> str:
    """What is wrong with a redirect address; "" when it is fine.

    Good are https, http to the own computer only (RFC 8252, 7.3), and the private scheme of an app (7.1).
    """
    if len(uri) > LONGEST or not uri.isprintable() or any(letter in uri for letter in ' "<>\\^`{|}*'):
        return "contains characters that no address has, or is too long"
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return "is no address"
    if "#" in uri or parts.username is not None or parts.password is not None:
        return "has a fragment, or a user name"
    if parts.scheme == "https":
        return "" if parts.hostname else "has no host"
    if parts.scheme == "http":
        return "" if is_loopback(parts.hostname or "") else "is not encrypted"
    return "" if _SCHEME.fullmatch(parts.scheme) and parts.scheme not in _NEVER else "has a scheme that leads to no program"


def is_loopback(host: str) -> bool:
    """Whether it is the person's own computer, by name or number."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown_target(uri: str) -> str:
    """Where a person is sent back to, in a few words: the host, or the scheme of an app."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def form_target(uri: str) -> str:
    """The same as a source of a Content-Security-Policy: browsers also hold the answer to a form, a redirect, against `form-action`."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def stays_here(uri: str) -> bool:
    """Whether the answer goes to a program on the person's own computer, where any program could wait for it."""
    parts = urlsplit(uri)
    return parts.scheme not in ("https",) and (parts.scheme != "http" or is_loopback(parts.hostname or ""))
