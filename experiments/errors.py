"""What can go wrong with experiments, each one of the eight kinds."""

from mcp_platform import errors


class ExperimentNotFound(errors.NotFound):
    """There is no such experiment."""

    code = "EXPERIMENT_NOT_FOUND"


class MetricNotFound(errors.NotFound):
    """There is no such metric."""

    code = "METRIC_NOT_FOUND"


class HoldoutNotFound(errors.NotFound):
    """There is no such holdout."""

    code = "HOLDOUT_NOT_FOUND"


class NamespaceNotFound(errors.NotFound):
    """There is no such namespace."""

    code = "NAMESPACE_NOT_FOUND"


class VariantNotFound(errors.NotFound):
    """The experiment has no such variant."""

    code = "VARIANT_NOT_FOUND"


class EvaluationNotFound(errors.NotFound):
    """There is no such evaluation."""

    code = "EVALUATION_NOT_FOUND"


class PlanRefused(errors.Invalid):
    """The experiment cannot be planned like that; `errors` lists every fault with its path."""

    code = "EXPERIMENT_INVALID"


class OverlayRefused(errors.Invalid):
    """A variant's modifications cannot be applied; `errors` lists every fault with its path."""

    code = "EXPERIMENT_INVALID"


class NotInThisState(errors.Conflict):
    """An experiment in this state does not allow that."""

    code = "EXPERIMENT_STATE"


class BaseHasMoved(errors.Conflict):
    """The flow was published again since this experiment was validated; rebase it."""

    code = "EXPERIMENT_BASE_MOVED"


class Overlaps(errors.Conflict):
    """Another running experiment of this flow may meet the same people; give both a namespace with ranges apart."""

    code = "EXPERIMENT_OVERLAPS"


class RampRefused(errors.Conflict):
    """The coverage cannot grow while something is wrong with the numbers."""

    code = "EXPERIMENT_RAMP_REFUSED"


class IsNeeded(errors.Conflict):
    """An experiment uses this."""

    code = "EXPERIMENT_IN_USE"


class NameTaken(errors.Conflict):
    """There is one with this name already."""

    code = "ALREADY_EXISTS"


class ExperimentHasChanged(errors.Conflict):
    """Somebody changed the experiment after you read it; read it again and repeat your change."""

    code = "STALE_ETAG"


class TestingIsOff(errors.Denied):
    """This installation runs no experiments (ENABLE_AB_TESTING)."""

    code = "FEATURE_DISABLED"


class DecisionsAreKept(errors.Conflict):
    """A decision is never changed or deleted."""

    code = "EXPERIMENT_DECISION_IMMUTABLE"
