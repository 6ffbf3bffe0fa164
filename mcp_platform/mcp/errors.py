from mcp_platform.errors import Broken, Busy, Invalid, NotFound


class ResourceNotFound(NotFound):
    """There is no such resource."""

    code = "RESOURCE_NOT_FOUND"


class PromptNotFound(NotFound):
    """There is no such prompt."""

    code = "PROMPT_NOT_FOUND"


class ArgumentsRefused(Invalid):
    """The arguments do not fit the tool's input schema."""

    code = "SCHEMA_ERROR"


class CallTookTooLong(Busy):
    """The call was given up because it took too long; what it has begun may still go on."""

    code = "CALL_TIMEOUT"


class ToolFailed(Broken):
    """The tool failed; the fault is on our side."""

    code = "TOOL_FAILED"
