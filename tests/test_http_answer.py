"""What an answer's headers say of time, whatever shape they come in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from clock import Clock

from connector.http import Response


def response(**headers: str) -> Response:
    return Response(200, {key.replace("_", "-"): value for key, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0),
        ("Mon, 02 Mar 2026 10:00:00 +0100", 0),
        ("Mon, 02 Mar 2026 09:00:05 -0000", 5),
    ],
)
def test_the_servers_clock_is_read_as_utc(value: str, seconds: int, clock: Clock) -> None:
    date = response(date=value).date
    assert date == clock() + timedelta(seconds=seconds)
    assert date.tzinfo is clock().tzinfo


@pytest.mark.parametrize(
    "value", ["", "yesterday", "Fri, 31 Dec 9999 23:59:59 -1200", "2026-03-02", "0", ",", "Mon, 99 Mar 2026"]
)
def test_a_clock_that_cannot_be_read_is_none(value: str) -> None:
    assert response(date=value).date is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7),
        (" 0.5 ", 0.5),
        ("-3", 0),
        ("1e99", 86400),
        ("inf", 86400),
        ("nan", 0),
        ("soon", None),
        ("", None),
        ("Mon, 02 Mar 2026 09:00:09 GMT", 9),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0),
        ("Mon, 02 Mar 2099 08:00:00 GMT", 86400),
    ],
)
def test_retry_after_is_read_and_bounded(value: str, expected: float | None) -> None:
    assert response(date="Mon, 02 Mar 2026 09:00:00 GMT", retry_after=value).retry_after == expected
