"""What can go wrong with a conversation, each one of the eight kinds."""

from mcp_platform import errors


class ConversationNotFound(errors.NotFound):
    """There is no such conversation."""

    code = "CONVERSATION_NOT_FOUND"


class TurnNotFound(errors.NotFound):
    """There is no such turn in this conversation."""

    code = "TURN_NOT_FOUND"


class FlowNotFound(errors.NotFound):
    """There is no such flow in this environment, and the tenant has no default flow."""

    code = "FLOW_NOT_FOUND"


class ConversationEnded(errors.Conflict):
    """The conversation has ended, and this tenant starts no new session in an ended one."""

    code = "CONVERSATION_ENDED"


class MessageIdReused(errors.Conflict):
    """This client_message_id was sent before with another body."""

    code = "IDEMPOTENCY_KEY_REUSED"


class LockTimeout(errors.Busy):
    """The conversation was locked by other turns all the time; try again."""

    code = "CONTEXT_LOCK_ERROR"


class ContextLost(errors.Broken):
    """The context of the conversation could not be loaded; a new one has begun."""

    code = "CONTEXT_LOAD_ERROR"


class GivenUp(errors.Broken):
    """The turn was given up after three attempts."""

    code = "STATE_EXECUTION_ERROR"
