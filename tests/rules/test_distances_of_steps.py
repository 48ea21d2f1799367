"""Section 2: steps keep their configured distances; a late one moves those after it by as much."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from rule_facts import START

from connector.rules import next_due

SPANS = st.integers(0, 30 * 24 * 60).map(lambda minutes: timedelta(minutes=minutes))


def delivered(afters: list[timedelta], lateness: list[timedelta]) -> list[datetime]:
    """When each step goes out that runs so late."""
    due, times = START + afters[0], []
    for index, late in enumerate(lateness):
        times.append(due + late)
        if index + 1 < len(afters):
            due = next_due(due, times[-1], afters[index], afters[index + 1])
    return times


@st.composite
def sequences(draw: st.DrawFn) -> tuple[list[timedelta], list[timedelta]]:
    """The `after` of some steps, and how late each one runs."""
    count = draw(st.integers(1, 6))
    afters = sorted(draw(st.lists(SPANS, min_size=count, max_size=count, unique=True)))
    return afters, draw(st.lists(SPANS, min_size=count, max_size=count))


@given(sequences())
def test_a_late_step_moves_those_after_it_by_as_much(case: tuple[list[timedelta], list[timedelta]]) -> None:
    afters, lateness = case
    for index, at in enumerate(delivered(afters, lateness)):
        assert at == START + afters[index] + sum(lateness[: index + 1], timedelta(0))


@given(sequences())
def test_two_steps_are_never_closer_than_configured(case: tuple[list[timedelta], list[timedelta]]) -> None:
    afters, lateness = case
    times = delivered(afters, lateness)
    for index in range(1, len(times)):
        assert times[index] - times[index - 1] >= afters[index] - afters[index - 1]


@given(SPANS, SPANS, SPANS)
def test_a_step_that_went_out_before_its_time_does_not_draw_the_next_one_near(
    early: timedelta, after: timedelta, more: timedelta
) -> None:
    due = START + after
    assert next_due(due, due - early, after, after + more) == due + more
