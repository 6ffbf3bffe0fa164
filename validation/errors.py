"""What can go wrong with building codes, each one of the eight kinds.

Errors that name faults carry them in `errors`: one {path, code, message, expected, severity} per fault, `path` being a JSONPath.
"""

from mcp_platform import errors


class ProjectNotFound(errors.NotFound):
    """There is no such project."""

    code = "PROJECT_NOT_FOUND"


class BuildingNotFound(errors.NotFound):
    """There is no such building."""

    code = "BUILDING_NOT_FOUND"


class RevisionNotFound(errors.NotFound):
    """The building has no such revision."""

    code = "REVISION_NOT_FOUND"


class RunNotFound(errors.NotFound):
    """There is no such validation run."""

    code = "RUN_NOT_FOUND"


class FindingNotFound(errors.NotFound):
    """There is no such finding."""

    code = "FINDING_NOT_FOUND"


class WaiverNotFound(errors.NotFound):
    """There is no such waiver."""

    code = "WAIVER_NOT_FOUND"


class JurisdictionNotFound(errors.NotFound):
    """There is no such jurisdiction."""

    code = "JURISDICTION_NOT_FOUND"


class RuleSetNotFound(errors.NotFound):
    """There is no such rule set, or it has no such version."""

    code = "RULE_SET_NOT_FOUND"


class RuleNotFound(errors.NotFound):
    """The rule set's version has no such rule."""

    code = "RULE_NOT_FOUND"


class RuleSetVersionIsImmutable(errors.Conflict):
    """A published version of a rule set never changes; make a new draft from it."""

    code = "RULE_SET_VERSION_IMMUTABLE"


class SecondPersonNeeded(errors.Denied):
    """This needs somebody else than the one who asked for it."""

    code = "SECOND_PERSON_NEEDED"


class ModelRejected(errors.Invalid):
    """The model cannot be used."""

    code = "MODEL_REJECTED"
