"""Servers of others at run time. Everything here runs on an event loop; code that is not on one goes through `wait`.

answer = await call_tool(tenant_id, server="clock", tool="get_current_time", arguments={"timezone": "UTC"}, asked=Asked(actor="key:abc"))
answer = wait(call_tool(…))
"""

from mcp_platform.orchestrator.core.answers import Answer
from mcp_platform.orchestrator.core.types import Asked
from mcp_platform.orchestrator.runtime.blocking import begin, wait
from mcp_platform.orchestrator.runtime.cached import Read
from mcp_platform.orchestrator.runtime.calls import call_tool
from mcp_platform.orchestrator.runtime.directory import forget
from mcp_platform.orchestrator.runtime.ledger import forget_before
from mcp_platform.orchestrator.runtime.plans import programs
from mcp_platform.orchestrator.runtime.probing import probe
from mcp_platform.orchestrator.runtime.resources import Found, gather_all_resources, read_resource, resources_for_domain, resources_of
from mcp_platform.orchestrator.runtime.whole import Checked, check, close, initialize, invalidate, live, status

__all__ = [
    "Answer",
    "Asked",
    "Checked",
    "Found",
    "Read",
    "begin",
    "call_tool",
    "check",
    "close",
    "forget",
    "forget_before",
    "gather_all_resources",
    "initialize",
    "invalidate",
    "live",
    "probe",
    "programs",
    "read_resource",
    "resources_for_domain",
    "resources_of",
    "status",
    "wait",
]
