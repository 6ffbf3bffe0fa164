"""What can go wrong with flows, each one of the eight kinds.

Errors that name faults carry them in `errors`: one {path, code, message, expected, severity} per fault, `path` being a JSONPath.
"""

from mcp_platform import errors


class FlowNotFound(errors.NotFound):
    """There is no such flow."""

    code = "FLOW_NOT_FOUND"


class VersionNotFound(errors.NotFound):
    """The flow has no such version."""

    code = "FLOW_VERSION_NOT_FOUND"


class StateNotFound(errors.NotFound):
    """There is no such state."""

    code = "STATE_NOT_FOUND"


class TransitionNotFound(errors.NotFound):
    """There is no such transition."""

    code = "TRANSITION_NOT_FOUND"


class EnvironmentNotFound(errors.NotFound):
    """There is no such environment."""

    code = "ENVIRONMENT_NOT_FOUND"


class IntegrationNotFound(errors.NotFound):
    """There is no such integration."""

    code = "INTEGRATION_NOT_FOUND"


class FlowTestNotFound(errors.NotFound):
    """The flow has no such test."""

    code = "FLOW_TEST_NOT_FOUND"


class FailingTests(errors.Invalid):
    """Tests of this flow fail on its draft; mend the draft or the tests, or publish with a reason."""

    code = "FLOW_TESTS_FAILED"


class StubNotFound(errors.NotFound):
    """The integration has no such stub."""

    code = "STUB_NOT_FOUND"


class DefinitionRefused(errors.Invalid):
    """This is not the definition of a flow; `errors` lists every fault with its path."""

    code = "FLOW_PARSE_ERROR"


class FlowHasProblems(errors.Invalid):
    """The flow cannot be published while it has problems."""

    code = "FLOW_INVALID"


class FieldsRefused(errors.Invalid):
    """Some values cannot be taken; `errors` lists every fault with its path."""

    code = "VALIDATION_ERROR"


class DraftHasChanged(errors.Conflict):
    """Somebody saved the draft after you read it; read it again and repeat your change."""

    code = "STALE_ETAG"


class NameTaken(errors.Conflict):
    """There is one with this name already."""

    code = "ALREADY_EXISTS"


class FlowIsArchived(errors.Conflict):
    """The flow is archived; take it back from the archive first."""

    code = "FLOW_ARCHIVED"


class FlowIsPublished(errors.Conflict):
    """A flow that was ever published stays; archive it instead."""

    code = "FLOW_PUBLISHED"


class FlowIsNeeded(errors.Conflict):
    """Other things that run need this flow."""

    code = "FLOW_IN_USE"


class EnvironmentIsNeeded(errors.Conflict):
    """The environment is the default, or conversations run in it."""

    code = "ENVIRONMENT_IN_USE"


class VersionIsImmutable(errors.Conflict):
    """A published version never changes; publish a new one."""

    code = "FLOW_VERSION_IMMUTABLE"


class IntegrationIsNeeded(errors.Conflict):
    """A published flow calls this integration."""

    code = "INTEGRATION_IN_USE"


class VersionDoesNotCompile(errors.Broken):
    """A published version cannot be run by this release of the platform."""

    code = "FLOW_INVALID"


class VersioningIsOff(errors.Denied):
    """This installation runs the latest version only (ENABLE_FLOW_VERSIONING)."""

    code = "FEATURE_DISABLED"
