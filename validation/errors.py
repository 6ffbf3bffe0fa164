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


class EditionNotFound(errors.NotFound):
    """There is no such edition of a code."""

    code = "EDITION_NOT_FOUND"


class AdoptionNotFound(errors.NotFound):
    """There is no such adoption."""

    code = "ADOPTION_NOT_FOUND"


class AmendmentNotFound(errors.NotFound):
    """There is no such amendment."""

    code = "AMENDMENT_NOT_FOUND"


class FactNotFound(errors.NotFound):
    """There is no such definition of a fact."""

    code = "FACT_NOT_FOUND"


class FieldsRefused(errors.Invalid):
    """This cannot be taken; `errors` lists every fault with its path."""

    code = "SCHEMA_ERROR"


class NameTaken(errors.Conflict):
    """There is one with this name already."""

    code = "NAME_TAKEN"


class StillNeeded(errors.Conflict):
    """Others refer to it."""

    code = "STILL_NEEDED"


class RuleSetHasProblems(errors.Invalid):
    """The version cannot go on while it has problems; `errors` lists every one with its path."""

    code = "RULE_SET_INVALID"


class WrongState(errors.Conflict):
    """That is not possible in the state in which it is."""

    code = "WRONG_STATE"


class RuleSetWasTamperedWith(errors.Broken):
    """The rules of a published version are not those that were published."""

    code = "RULE_SET_TAMPERED"


class PackRefused(errors.Invalid):
    """The rule pack cannot be imported; `errors` lists every fault with its path."""

    code = "RULE_PACK_INVALID"


class HasChanged(errors.Conflict):
    """It has changed since you read it; read it again and repeat your change."""

    code = "STALE_ETAG"


class WaiverExists(errors.Conflict):
    """There is a waiver for this already that is waiting, in force, or to be confirmed again."""

    code = "WAIVER_EXISTS"


class AttachmentNotFound(errors.NotFound):
    """The waiver has no such attachment."""

    code = "ATTACHMENT_NOT_FOUND"


class AttachmentTooLarge(errors.Invalid):
    """The file is larger than an attachment may be."""

    code = "PAYLOAD_TOO_LARGE"


class TooFewDispositions(errors.Conflict):
    """People have judged too few findings for a model to learn from; the baseline ranks."""

    code = "TRIAGE_TOO_FEW_DISPOSITIONS"


class ElementNotFound(errors.NotFound):
    """The building has no such element."""

    code = "ELEMENT_NOT_FOUND"


class BuildingAmbiguous(errors.Invalid):
    """Several buildings are meant; say which one by its id."""

    code = "BUILDING_AMBIGUOUS"


class ModelTooLarge(errors.Invalid):
    """The model is larger than a model may be."""

    code = "PAYLOAD_TOO_LARGE"


class ShapesFailed(errors.Invalid):
    """The triangles of the model could not be made."""

    code = "MESHES_FAILED"


class RunFailed(errors.Broken):
    """The check came to no end."""

    code = "RUN_FAILED"


class IdsInvalid(errors.Invalid):
    """The IDS file does not pass its audit; `errors` lists every fault with path and line."""

    code = "IDS_INVALID"


class IdsTooLarge(errors.Invalid):
    """The file is larger than a file that is checked at once may be; store a larger model as a revision of a building."""

    code = "PAYLOAD_TOO_LARGE"


class NoIdsRules(errors.NotFound):
    """The version has no rules of kind ids."""

    code = "NO_IDS_RULES"


class BcfVersionUnknown(errors.Invalid):
    """This version of BCF is not written."""

    code = "BCF_VERSION_UNKNOWN"


class TooManyTopics(errors.Invalid):
    """These are more findings than one BCF file takes; choose fewer by the filters."""

    code = "TOO_MANY_TOPICS"


class BcfRefused(errors.Invalid):
    """The BCF file cannot be taken."""

    code = "BCF_REFUSED"


class BcfTooLarge(errors.Invalid):
    """The BCF file is larger than it may be."""

    code = "PAYLOAD_TOO_LARGE"


class StoreyNotFound(errors.NotFound):
    """The building has no such storey."""

    code = "STOREY_NOT_FOUND"
