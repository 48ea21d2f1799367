"""Shares with honest intervals, for samples of any size. Pure.

Wilson's score interval for one share, and Newcombe's for the difference of two (his method 10, from two Wilson
intervals, without continuity correction). Unlike the usual "plus or minus 1.96 standard errors" they hold for few cases
and for shares near 0 and 1.

- E. B. Wilson: Probable inference, the law of succession, and statistical inference. JASA 22 (1927) 209-212.
- R. G. Newcombe: Two-sided confidence intervals for the single proportion. Statistics in Medicine 17 (1998) 857-872.
- R. G. Newcombe: Interval estimation for the difference between independent proportions. Ibid., 873-890.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)  # 95 %, two-sided
SMALL = 30  # fewer cases than this are told as counts: a percent would promise more than they can say


@dataclass(frozen=True)
class Share:
    """`count` of `of`."""

    count: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.of:
            raise ValueError(f"{self.count} of {self.of} is no share")

    @property
    def rate(self) -> float | None:
        """0 to 1; None of nothing."""
        return self.count / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval (Wilson); None of nothing."""
        return wilson(self.count, self.of) if self.of else None

    @property
    def is_small(self) -> bool:
        """Whether there are too few cases for a percent."""
        return self.of < SMALL


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share; `of` must be positive."""
    rate, square = count / of, Z * Z
    middle = rate + square / (2 * of)
    half = Z * sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    whole = 1 + square / of
    lower = 0.0 if count == 0 else max(0.0, (middle - half) / whole)
    upper = 1.0 if count == of else min(1.0, (middle + half) / whole)
    return lower, upper


def difference(one: Share, other: Share) -> tuple[float, float, float]:
    """The first share less the second, with its 95 % interval; neither may be of nothing."""
    first, second = one.count / one.of, other.count / other.of
    (low1, high1), (low2, high2) = wilson(one.count, one.of), wilson(other.count, other.of)
    found = first - second
    lower = found - sqrt((first - low1) ** 2 + (high2 - second) ** 2)
    upper = found + sqrt((high1 - first) ** 2 + (second - low2) ** 2)
    return found, max(-1.0, lower), min(1.0, upper)
