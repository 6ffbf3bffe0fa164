"""What can go wrong with MCP servers of others."""

from mcp_platform import errors


class ServerNotFound(errors.NotFound):
    """There is no such MCP server."""

    code = "MCP_SERVER_NOT_FOUND"


class UpstreamToolNotFound(errors.NotFound):
    """No MCP server of this tenant offers such a tool."""

    code = "TOOL_NOT_FOUND"


class ServerDisabled(errors.Conflict):
    """This MCP server is switched off."""

    code = "MCP_SERVER_DISABLED"


class ToolNotApproved(errors.Denied):
    """This tool waits for approval."""

    code = "MCP_TOOL_NOT_APPROVED"


class ToolChanged(errors.Conflict):
    """The server has changed this tool since it was approved; somebody must look at it first."""

    code = "MCP_TOOL_CHANGED"


class ToolGone(errors.Unavailable):
    """The server no longer offers this tool."""

    code = "MCP_TOOL_GONE"


class ToolDenied(errors.Denied):
    """The rules of this server do not let the tool through."""

    code = "MCP_TOOL_DENIED"


class UpstreamUnreachable(errors.Unavailable):
    """The MCP server cannot be reached."""

    code = "MCP_CONNECTION_ERROR"


class UpstreamTimedOut(errors.Unavailable):
    """The MCP server did not answer in time."""

    code = "INTEGRATION_TIMEOUT"


class UpstreamFailed(errors.Unavailable):
    """The MCP server answered with an error."""

    code = "MCP_UPSTREAM_ERROR"


class ResourceGone(errors.NotFound):
    """The MCP server has no such resource."""

    code = "MCP_RESOURCE_NOT_FOUND"


class ArgumentsRefused(errors.Invalid):
    """The MCP server does not take these arguments."""

    code = "VALIDATION_ERROR"


class QuestionGone(errors.Conflict):
    """Nobody waits for this answer any more; call the tool again."""

    code = "MCP_QUESTION_GONE"


class CircuitOpen(errors.Unavailable):
    """The MCP server has failed often; it is left alone for a while."""

    code = "CIRCUIT_OPEN"


class UpstreamBusy(errors.Busy):
    """Too many calls to this MCP server are under way; try again."""

    code = "TOO_MANY_CALLS"


class ConnectionFailed(errors.Unavailable):
    """Some MCP servers could not be connected."""

    code = "MCP_CONNECTION_ERROR"


class ResourceFetchFailed(errors.Unavailable):
    """Resources of some MCP servers could not be fetched."""

    code = "MCP_RESOURCE_FETCH_ERROR"


class NoServerAvailable(errors.Unavailable):
    """No MCP server answers for this domain."""

    code = "MCP_NO_SERVER_AVAILABLE"


class DomainUnknown(errors.NotFound):
    """No MCP server is registered for this domain."""

    code = "MCP_NO_SERVER_AVAILABLE"


class ConfigurationRefused(errors.Invalid):
    """The definition of the MCP server cannot be taken."""

    code = "MCP_CONFIGURATION_ERROR"


class ProgramNotAllowed(errors.Denied):
    """The operator has not allowed this program."""

    code = "MCP_PROGRAM_NOT_ALLOWED"


class VirtualServerNotFound(errors.NotFound):
    """There is no such virtual server."""

    code = "VIRTUAL_SERVER_NOT_FOUND"


class SlugTaken(errors.Conflict):
    """There is one with this slug already."""

    code = "ALREADY_EXISTS"


class ServerIsNeeded(errors.Conflict):
    """Something uses this MCP server."""

    code = "MCP_SERVER_IN_USE"


class StaleRevision(errors.Conflict):
    """It has changed since you read it; read it again and repeat your change."""

    code = "STALE_ETAG"
