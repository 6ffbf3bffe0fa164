"""What can go wrong with trained models."""

from mcp_platform import errors


class ModelNotFound(errors.NotFound):
    """There is no such model."""

    code = "MODEL_NOT_FOUND"


class ArtifactRefused(errors.Broken):
    """The stored model is not the one that was trained: its digest or its signature does not fit."""

    code = "MODEL_ARTIFACT_REFUSED"


class GatesClosed(errors.Conflict):
    """The model does not pass every gate; promote it with a reason to override them."""

    code = "MODEL_GATES_CLOSED"


class NothingBefore(errors.Conflict):
    """No model served before this one, so there is nothing to roll back to."""

    code = "MODEL_NOTHING_BEFORE"


class NotChampion(errors.Conflict):
    """Only the model that serves can be rolled back."""

    code = "MODEL_NOT_CHAMPION"


class IsRejected(errors.Conflict):
    """The model was rejected: it never serves."""

    code = "MODEL_IS_REJECTED"


class IsChallenger(errors.Conflict):
    """A running experiment tries this model; stop the experiment first."""

    code = "MODEL_IS_CHALLENGER"


class NotInThisStage(errors.Conflict):
    """A model in this state cannot do that."""

    code = "MODEL_STATE"


class IsChampion(errors.Conflict):
    """The model serves; roll back or promote another one first."""

    code = "MODEL_IS_CHAMPION"


class NothingToMeasure(errors.Conflict):
    """Models of this kind are not watched by readings."""

    code = "MODEL_NOT_WATCHED"


class ExportOff(errors.Conflict):
    """No registry is configured: set MLFLOW_TRACKING_URI."""

    code = "MODEL_EXPORT_OFF"


class RegistryRefused(errors.Unavailable):
    """The registry outside did not take the model."""

    code = "MODEL_EXPORT_FAILED"
