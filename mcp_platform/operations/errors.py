"""What can go wrong with long-running work."""

from mcp_platform import errors


class OperationNotFound(errors.NotFound):
    """There is no such operation."""

    code = "OPERATION_NOT_FOUND"


class OperationEnded(errors.Conflict):
    """The operation has ended already."""

    code = "OPERATION_ENDED"


class OperationGivenUp(errors.Broken):
    """Its worker died again and again; it was given up."""

    code = "OPERATION_GIVEN_UP"


class OperationFailed(errors.Broken):
    """The operation failed; the fault is on our side and in the log."""

    code = "OPERATION_FAILED"


class Cancelled(errors.Conflict):
    """Somebody cancelled the operation."""

    code = "OPERATION_CANCELLED"
