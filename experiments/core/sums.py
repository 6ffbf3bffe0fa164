"""Sufficient statistics: what is kept of a metric in an arm, so that no test ever needs the single conversations again."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from math import sqrt
from typing import Self


@dataclass(frozen=True, slots=True)
class Sums:
    """Of `n` units: y is the metric (or a ratio's numerator), d the denominator (1 each for what is no ratio), x the covariate from before."""

    n: float = 0
    y: float = 0
    yy: float = 0
    d: float = 0
    dd: float = 0
    yd: float = 0
    x: float = 0
    xx: float = 0
    xy: float = 0
    xd: float = 0

    @classmethod
    def of(cls, y: float, d: float = 1.0, x: float = 0.0) -> Self:
        """One unit."""
        return cls(1, y, y * y, d, d * d, y * d, x, x * x, x * y, x * d)

    @classmethod
    def from_json(cls, held: Mapping[str, float]) -> Self:
        return cls(**{name: float(value) for name, value in held.items() if name in NAMES})

    def to_json(self) -> dict[str, float]:
        return {name: value for name, value in zip(NAMES, astuple(self), strict=True) if value}

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def mean(self) -> float:
        return self.y / self.n if self.n else 0.0

    @property
    def ratio(self) -> float:
        return self.y / self.d if self.d else 0.0

    @property
    def variance(self) -> float:
        """Of single units, unbiased."""
        return _covariance(self.n, self.y, self.y, self.yy)

    @property
    def ratio_variance(self) -> float:
        """Of the linearised ratio of single units (delta method): divided by n it is the variance of `ratio`."""
        if not self.d or self.n < 2:
            return 0.0
        ratio, mean = self.ratio, self.d / self.n
        spread = self.variance - 2 * ratio * self.covariance_yd + ratio**2 * _covariance(self.n, self.d, self.d, self.dd)
        return max(spread, 0.0) / mean**2

    @property
    def covariance_yd(self) -> float:
        return _covariance(self.n, self.y, self.d, self.yd)

    @property
    def covariance_xy(self) -> float:
        return _covariance(self.n, self.x, self.y, self.xy)

    @property
    def covariance_xd(self) -> float:
        return _covariance(self.n, self.x, self.d, self.xd)

    @property
    def variance_x(self) -> float:
        return _covariance(self.n, self.x, self.x, self.xx)

    @property
    def standard_error(self) -> float:
        return sqrt(max(self.variance, 0.0) / self.n) if self.n else 0.0


NAMES = tuple(field.name for field in fields(Sums))


def _covariance(n: float, one: float, other: float, product: float) -> float:
    return (product - one * other / n) / (n - 1) if n > 1 else 0.0
