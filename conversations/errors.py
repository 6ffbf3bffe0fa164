"""What can go wrong with a conversation, each one of the eight kinds."""

from mcp_platform import errors


class ConversationNotFound(errors.NotFound):
    """There is no such conversation."""

    code = "CONVERSATION_NOT_FOUND"


class TurnNotFound(errors.NotFound):
    """There is no such turn in this conversation."""

    code = "TURN_NOT_FOUND"


class HandoffNotFound(errors.NotFound):
    """There is no such handed-over conversation."""

    code = "HANDOFF_NOT_FOUND"


class HandoffTaken(errors.Conflict):
    """Somebody else has taken this conversation."""

    code = "HANDOFF_TAKEN"


class HandoffNotYours(errors.Conflict):
    """Take the conversation first."""

    code = "HANDOFF_NOT_YOURS"


class HandoffClosed(errors.Conflict):
    """The conversation is with the bot again, or has ended."""

    code = "HANDOFF_CLOSED"


class ChannelNotFound(errors.NotFound):
    """There is no such chat, or it is switched off."""

    code = "CHANNEL_NOT_FOUND"


class FlowNotFound(errors.NotFound):
    """There is no such flow in this environment, and the tenant has no default flow."""

    code = "FLOW_NOT_FOUND"


class NotOffered(errors.Invalid):
    """None of the buttons that the bot has shown says this."""

    code = "NOT_OFFERED"


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


class ReplayNotFound(errors.NotFound):
    """There is no such replay."""

    code = "REPLAY_NOT_FOUND"


class NothingToReplay(errors.Conflict):
    """No stored conversation of this flow fits."""

    code = "NOTHING_TO_REPLAY"


class NotRecordable(errors.Conflict):
    """This conversation cannot become a test."""

    code = "NOT_RECORDABLE"


class PlanNotFound(errors.NotFound):
    """There is no such migration plan."""

    code = "PLAN_NOT_FOUND"


class PlanDoesNotFit(errors.Invalid):
    """The plan does not fit the two versions; `errors` lists every fault."""

    code = "PLAN_INVALID"


class PlanRefused(errors.Conflict):
    """The plan cannot do that in its present state."""

    code = "PLAN_STATE"


class DeadTurnNotFound(errors.NotFound):
    """There is no such dead turn."""

    code = "DEAD_TURN_NOT_FOUND"


class DeadTurnResolved(errors.Conflict):
    """Somebody has decided otherwise about this turn already."""

    code = "DEAD_TURN_RESOLVED"


class NotRetryable(errors.Conflict):
    """A turn of this kind cannot be said again; reset the conversation instead."""

    code = "NOT_RETRYABLE"


class EffectNotFound(errors.NotFound):
    """There is no such call."""

    code = "EFFECT_NOT_FOUND"


class TooFewExamples(errors.Conflict):
    """There is too little to learn from: two intents with two different examples each are needed."""

    code = "TOO_FEW_EXAMPLES"


class IntentUnknown(errors.NotFound):
    """The flow has no such intent."""

    code = "INTENT_NOT_FOUND"


class NothingToLearn(errors.Conflict):
    """These are examples of the intent already, or have no words."""

    code = "NOTHING_TO_LEARN"
