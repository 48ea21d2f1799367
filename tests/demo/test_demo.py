"""The demo as its user runs it, its clock, and its verdict: that must find what it says is not there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.demo.clock import Clock
from connector.demo.summary import checks, enrolled_after_purchase, enrolled_twice
from connector.demo.witness import Doorway, Ledger, Purchase, Start
from connector.http import Http
from connector.sandbox import Effect, Reply, Request, Server

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ANN = "ann@example.com"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def _demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"}
    command = [sys.executable, "-m", "connector", "demo", *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_half_a_minute_shows_every_main_rule_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = _demo(tmp_path, "--for", "30s")
    output, errors = process.communicate(timeout=90)
    assert process.returncode == 0, (output, errors)
    for state in ("enrolled", "refreshed", "renewed_too_soon", "recovered", "stale", "no_consent"):
        assert re.search(rf"^day .* winback .*@example\.com {state}: ", output, re.MULTILINE), (state, output, errors)
    for what in ("enrolled", "refreshed", "withdrawn"):
        assert re.search(rf"^day .* crm .*@example\.com {what} \(", output, re.MULTILINE), (what, output)
    assert "opens the e-mail's link in another browser" in output
    assert re.search(r"^checkouts: .+: \d+ with an address of \d+ started$", output, re.MULTILINE), output
    assert "1 second here is 3 hours" in output
    assert "yes  nobody was enrolled after a purchase that the store had already shown" in output
    assert "yes  nobody was enrolled twice within seven days" in output
    assert "NO " not in output
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_it_in_good_order(tmp_path: Path) -> None:
    process = _demo(tmp_path)
    assert process.stdout is not None
    while "enrolled (" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert "What happened" in output
    assert process.returncode == 128 + signal.SIGINT
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_it_at_once_and_leaves_nothing_either(tmp_path: Path) -> None:
    """`timeout` sends its signal to the process and then to the process's group."""
    process = _demo(tmp_path)
    assert process.stdout is not None
    while "enrolled (" not in process.stdout.readline():
        pass
    for pause in (0.1, 0):  # two that arrive together would be one
        process.send_signal(signal.SIGTERM)
        time.sleep(pause)
    process.communicate(timeout=30)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_one_left_goes_with_the_next(tmp_path: Path) -> None:
    killed = _demo(tmp_path)
    assert killed.stdout is not None
    while "enrolled (" not in killed.stdout.readline():
        pass
    killed.kill()
    killed.communicate()
    assert list(tmp_path.iterdir()) != []
    assert _demo(tmp_path, "--for", "1s").wait(timeout=30) in (0, 1)
    assert list(tmp_path.iterdir()) == []


class Stopwatch:
    """Real seconds that only the test lets pass."""

    def __init__(self) -> None:
        self.seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


def test_the_clock_runs_faster_from_the_moment_it_is_started() -> None:
    elapsed = Stopwatch()
    clock = Clock(3 * 3600, NOON, elapsed)
    elapsed.seconds += 5
    assert clock() == NOON
    clock.run()
    elapsed.seconds += 4
    assert clock() == NOON + 12 * HOUR
    assert clock.real(9 * HOUR) == 3
    assert clock.in_words() == "1 second here is 3 hours"


def test_the_clock_is_put_forward_only_before_it_runs() -> None:
    elapsed = Stopwatch()
    clock = Clock(3600, NOON, elapsed)
    clock.jump(3 * DAY)
    clock.run()
    elapsed.seconds += 25
    assert clock() == NOON + 3 * DAY + 25 * HOUR
    assert clock.day(clock()) == "day 2 01:00"
    assert clock.day(NOON) == "day -2 00:00"
    with pytest.raises(ValueError, match="before it runs"):
        clock.jump(DAY)


@pytest.mark.parametrize(("speed", "now"), [(0, NOON), (-1, NOON), (1, NOON.replace(tzinfo=None))])
def test_the_clock_refuses_what_is_no_time(speed: float, now: datetime) -> None:
    with pytest.raises(ValueError, match="a clock"):
        Clock(speed, now)


def _effects(*after: timedelta, email: str = ANN, what: str = "enrolled") -> list[Effect]:
    return [Effect(NOON + each, email, what) for each in after]


def _twice(*enrolled: timedelta, starts: tuple[timedelta, ...] = (timedelta(0),)) -> tuple[str, ...]:
    return enrolled_twice({"Mail": _effects(*enrolled)}, Ledger([Start(ANN, NOON + each) for each in starts]))


def test_two_enrolments_within_seven_days_are_found() -> None:
    assert _twice(HOUR, 6 * DAY) == ("ann@example.com was enrolled twice in Mail, 5 days, 23:00:00 apart",)
    assert _twice(HOUR, HOUR + 7 * DAY - MINUTE)
    assert _twice(HOUR, 6 * DAY, starts=(timedelta(0), 5 * DAY))
    assert len(_twice(HOUR, 8 * DAY, 9 * DAY, starts=(timedelta(0), 7 * DAY + HOUR, 8 * DAY + HOUR))) == 1


def test_a_late_delivery_does_not_move_the_seven_days() -> None:
    late, back = 20 * HOUR, 7 * DAY + HOUR
    assert _twice(late, back + HOUR, starts=(timedelta(0), 10 * HOUR, back)) == ()
    assert _twice(late, back + HOUR, starts=(timedelta(0), 10 * HOUR)) != ()
    assert _twice(late, back + HOUR, starts=(10 * HOUR, back)) != ()


def test_enrolments_a_week_apart_or_of_others_or_elsewhere_are_fine() -> None:
    effects = {
        "Mail": [*_effects(HOUR, HOUR + 7 * DAY), *_effects(HOUR, email="bob@example.com")],
        "Other": [*_effects(HOUR), *_effects(2 * HOUR, what="refreshed"), *_effects(3 * HOUR, what="withdrawn")],
    }
    assert enrolled_twice(effects, Ledger()) == ()


def _after(purchase: Purchase, enrolled: timedelta, *starts: timedelta) -> tuple[str, ...]:
    ledger = Ledger([Start(ANN, NOON + each) for each in (timedelta(0), *starts)], [purchase])
    return enrolled_after_purchase({"Mail": _effects(enrolled)}, ledger, in_flight=HOUR)


UNHEARD = Purchase(ANN, NOON + 20 * MINUTE, "gid://store/Order/77", heard=False)
HEARD = replace(UNHEARD, at=NOON + 2 * HOUR, heard=True)


def test_an_enrolment_that_no_read_of_the_orders_can_have_allowed_is_found() -> None:
    assert _after(UNHEARD, 21 * MINUTE) == ("ann@example.com was enrolled in Mail after order 77",)


def test_an_enrolment_long_after_the_purchase_was_shown_is_found() -> None:
    assert _after(replace(HEARD, known_at=NOON + 3 * HOUR), 5 * HOUR)


def test_a_delivery_that_was_under_way_when_the_purchase_was_shown_is_fine() -> None:
    assert _after(replace(HEARD, known_at=NOON + 3 * HOUR), 4 * HOUR) == ()
    assert _after(HEARD, 9 * HOUR) == ()  # never shown


def test_an_enrolment_before_the_purchase_or_for_a_later_checkout_is_fine() -> None:
    assert _after(UNHEARD, 19 * MINUTE) == ()
    assert _after(UNHEARD, 3 * DAY, 2 * DAY) == ()
    assert _after(UNHEARD, 3 * DAY, 4 * DAY) != ()


def test_the_verdict_names_what_does_not_hold() -> None:
    effects = {"Mail": _effects(HOUR, 2 * HOUR)}
    found = checks(effects, Ledger(purchases=[UNHEARD]), HOUR, ["the shoppers stopped"])
    assert [check.holds for check in found] == [False, False, True, False]
    assert [check.holds for check in checks({"Mail": []}, Ledger(), HOUR, [])] == [True, True, False, True]


def _sandbox(clock: Clock, shown: list[str]) -> Server:
    def answer(_: Request) -> Reply:
        return Reply(200, {"orders": list(shown)})

    return Server(answer, clock=clock)


def test_the_witness_knows_what_was_asked_before_a_purchase_and_when_it_was_shown() -> None:
    elapsed = Stopwatch()
    clock, orders = Clock(60, NOON, elapsed), ["1234"]
    clock.run()
    http = Http()
    with _sandbox(clock, orders) as server:
        doorway = Doorway(server, clock)

        def ask_after(minutes: float) -> None:
            elapsed.seconds += minutes
            assert http.exchange("GET", server.url, {}, None).status == 200

        ask_after(29)  # 12:29, too early to be a word on a checkout that is abandoned from 12:30 on
        first = doorway.sell(ANN, NOON + 30 * MINUTE, lambda: "123")
        ask_after(2)  # 12:31, and 1234 is another order
        second = doorway.sell(ANN, NOON + 30 * MINUTE, lambda: "456")
        ask_after(1)
        assert (first.heard, first.known_at) == (False, None)
        assert second.heard
        orders.append("gid://store/Order/123")
        ask_after(1)  # shown at 12:33
        assert first.known_at is None
        ask_after(5)  # back at 12:38: what was shown is known by now
        assert first.known_at == NOON + 38 * MINUTE
        assert second.known_at is None
    http.close()
