"""Names of tools: what clients and model providers take everywhere is letters, digits, `_` and `-`, at most 64 of them."""

import hashlib
import re

LONGEST = 64
_ILLEGAL = re.compile(r"[^A-Za-z0-9_\-]")
FLOW = "flow_"


def of_flow(flow_id: str) -> str:
    """The name of the tool that runs a flow; the same for the same flow for ever, and another one for another flow."""
    return shortened(FLOW + _ILLEGAL.sub("_", flow_id), source=flow_id)


def shortened(name: str, *, source: str) -> str:
    """`name` when it fits, else its beginning and a digest of `source`."""
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(source.encode()).hexdigest()[:8]
    return f"{name[: LONGEST - 9]}_{digest}"
