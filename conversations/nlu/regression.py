"""Softmax regression: the loss and its gradient in numpy, found by L-BFGS. Deterministic: no dice, always from the same start."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from numpy import float32, float64, int64
    from numpy.typing import NDArray

    Floats = NDArray[float32]
    Ints = NDArray[int64]
    Weights = NDArray[float64]

MOST_STEPS: Final = 120


def fit(rows: "Floats", labels: "Ints", count: int, *, penalty: float, importance: "Weights", start: "Floats | None" = None) -> "Floats":
    """Coefficients [features + 1, count], the last row is the bias. `importance` of each row sums to 1; `penalty` is half the weight of
    the squared coefficients (not of the bias) against the mean loss."""
    import numpy as np
    from scipy.optimize import minimize

    size, width = rows.shape
    chosen = np.arange(size)
    share = importance.astype(np.float32)[:, None]

    def loss(flat: Any) -> tuple[float, Any]:
        matrix = flat.reshape(width + 1, count).astype(np.float32)
        scores = rows @ matrix[:-1] + matrix[-1]
        scores -= scores.max(axis=1, keepdims=True)
        powers = np.exp(scores)
        sums = powers.sum(axis=1, keepdims=True)
        cost = -float((share[:, 0] * (scores[chosen, labels] - np.log(sums[:, 0]))).sum(dtype=np.float64))
        wrong = powers / sums
        wrong[chosen, labels] -= 1
        wrong *= share
        slope = np.vstack([rows.T @ wrong + penalty * matrix[:-1], wrong.sum(axis=0, keepdims=True)])
        return cost + 0.5 * penalty * float((matrix[:-1] ** 2).sum(dtype=np.float64)), slope.astype(np.float64).ravel()

    first = np.zeros((width + 1, count)) if start is None else start.astype(np.float64)
    options = {"maxiter": MOST_STEPS, "maxcor": 8, "ftol": 1e-7, "gtol": 1e-6}
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    result: Floats = found.x.reshape(width + 1, count).astype(np.float32)
    return result


def scores(matrix: "Floats", rows: "Floats") -> "Floats":
    """Logits, [rows, classes]."""
    found: Floats = rows @ matrix[:-1] + matrix[-1]
    return found


def probabilities(logits: "Floats", temperature: float) -> "Floats":
    import numpy as np

    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    powers = np.exp(scaled)
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def best_temperature(logits: "Floats", labels: "Ints", importance: "Weights") -> float:
    """The one under which these held-out scores were the best told probabilities (least log loss), between 0.05 and 10."""
    import numpy as np
    from scipy.optimize import minimize_scalar

    def loss(exponent: float) -> float:
        return log_loss(probabilities(logits, float(np.exp(exponent))), labels, importance)

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(10)), method="bounded", options={"xatol": 0.01})
    return float(np.exp(found.x))


def log_loss(told: "Floats", labels: "Ints", importance: "Weights") -> float:
    import numpy as np

    right = np.maximum(told[np.arange(len(labels)), labels], 1e-7)
    return -float((importance * np.log(right)).sum() / max(float(importance.sum()), 1e-12))
