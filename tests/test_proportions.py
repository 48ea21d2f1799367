"""Intervals against the values that Newcombe printed, and what must hold for any counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.proportions import Share, difference, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@pytest.mark.parametrize(
    ("count", "of", "lower", "upper"),
    [  # Newcombe 1998, 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_as_published(count: int, of: int, lower: float, upper: float) -> None:
    assert wilson(count, of) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "lower", "upper"),
    [  # Newcombe 1998, 873-890, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_the_difference_as_published(one: tuple[int, int], other: tuple[int, int], lower: float, upper: float) -> None:
    found = difference(Share(*one), Share(*other))
    assert found[0] == pytest.approx(one[0] / one[1] - other[0] / other[1])
    assert found[1:] == pytest.approx((lower, upper), abs=5e-5)


@given(COUNTS)
def test_an_interval_holds_its_rate_and_stays_between_0_and_1(counts: tuple[int, int]) -> None:
    share = Share(*counts)
    assert share.interval is not None
    assert share.rate is not None
    lower, upper = share.interval
    assert 0 <= lower <= share.rate <= upper <= 1
    assert lower < upper


@given(COUNTS)
def test_turned_round_it_is_its_mirror(counts: tuple[int, int]) -> None:
    count, of = counts
    lower, upper = wilson(count, of)
    assert wilson(of - count, of) == pytest.approx((1 - upper, 1 - lower))


@given(COUNTS, st.integers(2, 50))
def test_more_of_the_same_makes_it_narrower(counts: tuple[int, int], times: int) -> None:
    (low, high), (lower, upper) = wilson(*counts), wilson(counts[0] * times, counts[1] * times)
    assert upper - lower < high - low


@given(COUNTS, COUNTS)
def test_a_difference_lies_within_its_interval_and_turns_its_sign_with_its_order(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    found, lower, upper = difference(Share(*one), Share(*other))
    assert -1 <= lower <= found <= upper <= 1
    assert difference(Share(*other), Share(*one)) == pytest.approx((-found, -upper, -lower))


def test_of_nothing_there_is_no_rate() -> None:
    assert (Share(0, 0).rate, Share(0, 0).interval, Share(0, 0).is_small) == (None, None, True)
    assert not Share(1, 30).is_small


@pytest.mark.parametrize("counts", [(2, 1), (-1, 3)])
def test_what_is_no_share_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is no share"):
        Share(*counts)
