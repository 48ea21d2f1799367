"""What every CRM adapter makes of trouble: lost answers, refusals, and a service that is unwell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from clock import Clock
from conformance_case import (
    HTML,
    JANE,
    PAGE,
    THREE,
    TROUBLES,
    Account,
    Trouble,
    an_account,
    at_once,
    is_sentence,
    with_odd_secrets,
)

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.registry import Cap
from connector.sandbox import Fault, Reply

BOB = "bob@example.com"
WRITES = ("enrol", "enrol next lead", "enrol many", "refresh", "withdraw")


def call_of(account: Account, what: str) -> Callable[[], Any]:
    """One of the adapter's calls, with an adapter that knows nothing yet."""
    crm, first = account.adapter(), account.enrolment()
    calls: dict[str, Callable[[], Any]] = {
        "check": crm.check,
        "prepare": lambda: crm.prepare([*account.fields, "NEW"], [*account.tags, "new-tag"]),
        "enrol": lambda: crm.enrol(first),
        "enrol next lead": lambda: crm.enrol(account.enrolment(generation=2)),
        "enrol many": lambda: crm.enrol_many([first, account.enrolment(BOB)]),
        "refresh": lambda: crm.refresh(first),
        "withdraw": lambda: crm.withdraw(account.withdrawal(add_tags=("customer",))),
        "forget": lambda: crm.forget(JANE, permanently=False),
        "forget for ever": lambda: crm.forget(JANE, permanently=True),
    }
    return calls[what]


FOREIGN = ("500", "an HTML page with 200", "truncated JSON", "reset")
LOST = ("500 after the effect", "reset after the effect", "too late")
CALLS = ("check", "prepare", *WRITES, "forget", "forget for ever")


def ready(account: Account, what: str) -> Account:
    """An account in which that call has something to do."""
    account.prepared()
    if what not in ("enrol", "enrol many"):
        account.crm.enrol(account.enrolment())
    if what == "enrol next lead":
        account.clock.advance(timedelta(days=8, minutes=1))
    return account


def requests_of(account: Account, what: str) -> int:
    """How many requests the call makes where all is well."""
    healthy = Trouble(ready(account, what).sandbox.server, Fault(), first=1 << 30)
    refused = errors_in(call_of(account, what))
    assert not refused or (what == "forget for ever" and not account.can(Cap.DELETE)), refused
    healthy.heal()
    return healthy.seen


def errors_in(call: Callable[[], Any]) -> list[WinbackError]:
    """What the call raised, or gave back in place of receipts. Anything but the three errors goes through."""
    try:
        answer = call()
    except THREE as error:
        return [error]
    return [each for each in answer if isinstance(each, WinbackError)] if isinstance(answer, list) else []


@pytest.mark.parametrize("what", CALLS)
def test_trouble_on_any_request_is_one_of_our_errors(account: Account, what: str) -> None:
    def suffer(fault: Fault, first: int) -> None:
        with an_account(account.name, Clock(), account.http) as other:
            ready(other, what)
            Trouble(other.sandbox.server, fault, first=first)
            with other.http.in_haste():
                for error in errors_in(call_of(other, what)):
                    is_sentence(error, other.options.secrets())

    count = requests_of(account, what)
    at_once([partial(suffer, TROUBLES[name], first) for name in FOREIGN for first in range(count)])


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("what", ["enrol", "enrol next lead"])
def test_a_lost_answer_to_any_request_costs_no_second_effect(account: Account, what: str, trouble: str) -> None:
    def effects(first: int, once: bool, restarted: bool) -> int:
        with an_account(account.name, Clock(), account.http) as other:
            ready(other, what)
            before, crm = other.count(), other.adapter()
            enrolment = other.enrolment(generation=1 if what == "enrol" else 2)
            fault = Trouble(other.sandbox.server, TROUBLES[trouble], first=first, once=once)
            with other.http.in_haste():
                for error in errors_in(lambda: crm.enrol(enrolment)):
                    is_sentence(error, other.options.secrets())
            fault.heal(other.http.sent)
            crm = other.adapter() if restarted else crm
            crm.enrol(replace(enrolment, repeated=True))
            assert other.sandbox.fields(JANE).items() >= other.fields.items()
            assert other.sandbox.tags(JANE) >= set(other.tags)
            return other.count() - before

    # All answers from one on, or just that one; with what the adapter remembers of the first attempt, or without.
    ways = [(False, False), (False, True), (True, True)] if trouble in LOST else [(False, True)]
    jobs = [partial(effects, first, *way) for first in range(requests_of(account, what)) for way in ways]
    found = at_once(jobs)
    assert min(found) == 1, found
    assert max(found) <= (1 if account.can(Cap.EXACTLY_ONCE) else 2), found


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("what", ["enrol", "refresh", "withdraw", "forget"])
def test_a_page_of_something_in_between_is_no_word_of_the_crm(account: Account, what: str, status: int) -> None:
    def swallow(page: bytes, first: int) -> list[WinbackError]:
        with an_account(account.name, Clock(), account.http) as other:
            Trouble(ready(other, what).sandbox.server, Fault(Reply(status, page, HTML)), first=first, once=True)
            return errors_in(call_of(other, what))

    pages = (b"\xef\xbb\xbf" + PAGE, b"<!-- gateway -->" + PAGE, b"default backend - 404")
    for errors in at_once(
        [partial(swallow, page, first) for page in pages for first in range(requests_of(account, what))]
    ):
        assert [type(error) for error in errors] == [TransientError], "it would be acknowledged, or refused for good"


@pytest.mark.parametrize("what", CALLS)
def test_a_crm_that_asks_for_time_gets_it(account: Account, what: str) -> None:
    def ask(status: int, first: int) -> list[WinbackError]:
        with an_account(account.name, Clock(), account.http) as other:
            busy = Fault(Reply(status, {"message": "Busy"}, {"Retry-After": "120"}))
            Trouble(ready(other, what).sandbox.server, busy, first=first)
            return errors_in(call_of(other, what))

    count = requests_of(account, what)
    for errors in at_once([partial(ask, status, first) for status in (429, 503) for first in range(count)]):
        assert errors
        assert all(isinstance(error, TransientError) and error.retry_after == 120 for error in errors), errors


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_no_refusal_repeats_a_secret_or_an_address(
    account: Account, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("connector", "crm"):
        caplog.set_level("DEBUG", logger=logger)
    secrets = account.options.secrets()
    words = f"No {JANE} with {' and '.join(secrets)}"
    every = dict.fromkeys(("code", "title", "detail", "message", "error", "field"), words)
    bodies: list[Any] = [{**every, "errors": [every]}, {"errors": [words]}, words]

    def refuse(body: bytes, what: str, first: int) -> None:
        with an_account(account.name, Clock(), account.http) as other:
            refusal = Fault(Reply(status, body, {"Retry-After": "60"} if body is not PAGE else HTML))
            Trouble(ready(other, what).sandbox.server, refusal, first=first)
            for error in errors_in(call_of(other, what)):
                is_sentence(error, secrets)

    counts = {what: requests_of(account, what) for what in ("enrol", "refresh")}
    encoded = [*(json.dumps(body).encode() for body in bodies), PAGE]
    at_once(
        [partial(refuse, body, what, first) for body in encoded for what in counts for first in range(counts[what])]
    )
    for record in caplog.records:
        is_sentence(f"a line in the log: {record.getMessage()}", secrets)


@pytest.mark.parametrize("status", [400, 403, 422, 500])
def test_no_refusal_repeats_a_secret_of_any_shape(account: Account, status: int) -> None:
    account.options = with_odd_secrets(account.options)
    words = f"No key {' or '.join(account.options.secrets())}"
    refused = Fault(Reply(status, {"detail": words, "message": words}, {"Retry-After": "60"}))
    account.sandbox.server.fault = lambda _: refused
    for what in ("check", "enrol", "refresh"):
        errors = errors_in(call_of(account, what))
        assert errors
        for error in errors:
            is_sentence(error, account.options.secrets())


REFUSALS = (
    {"title": "Invalid Resource", "detail": "It was refused.", "errors": [{"field": "X", "message": "too long"}]},
    {"message": "It was refused."},
)


@pytest.mark.parametrize("what", ["enrol", "enrol many", "refresh", "withdraw"])
def test_a_refusal_shows_what_was_asked_and_answered_and_nobody_else(account: Account, what: str) -> None:
    def refuse(status: int, body: Any, first: int) -> int:
        with an_account(account.name, Clock(), account.http) as other:
            Trouble(ready(other, what).sandbox.server, Fault(Reply(status, body)), first=first)
            refused = [error for error in errors_in(call_of(other, what)) if isinstance(error, RejectedError)]
        for error in refused:
            assert f"HTTP {status}" in error.exchange, (status, first, str(error))
            assert "It was refused." in error.exchange
            assert error.exchange.split(" ", 1)[0] in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if len(refused) > 1:
            assert len({id(error) for error in refused}) == len(refused), "what was sent for others, too"
        return len(refused)

    jobs = [
        partial(refuse, status, body, first)
        for status in (400, 404, 409, 422)
        for body in REFUSALS
        for first in range(requests_of(account, what))
    ]
    assert sum(at_once(jobs)) or what == "withdraw"


def test_a_bill_that_was_not_paid_is_the_owners(account: Account) -> None:
    account.prepared()
    account.sandbox.server.fault = lambda _: Fault(Reply(402, {"message": "Payment required"}))
    errors = errors_in(lambda: account.crm.enrol(account.enrolment()))
    assert [type(error) for error in errors] == [ConfigError], "else every lead is refused until it is paid"
