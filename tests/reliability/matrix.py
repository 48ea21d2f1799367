"""Every call that the daemon makes, with every fault: the calls are found by watching a healthy life."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import verdict
from faults import Injector, Trouble, call_of
from life import COUPONS, CRMS, STORES, Life, life

ACCOUNTS = (*STORES, *COUPONS, *CRMS)
# Each of these has a table of all its calls; another way into the same CRM, of the calls that only it makes.
WHOLE = (
    "Shopify",
    "WooCommerce",
    "Klaviyo, by event",
    "Mailchimp, by tag",
    "Mailchimp, by journey",
    "ActiveCampaign",
    "Omnisend",
)


def pair(account: str) -> tuple[str, str]:
    """The store and the CRM of the life in which an account is tried."""
    return ("WooCommerce", account) if account in CRMS else (account, "Klaviyo, by event")


@dataclass(frozen=True)
class Healthy:
    """A life without a fault: the calls that each side got, and how it ended."""

    calls: Mapping[str, tuple[str, ...]]
    digests: Mapping[str, Any]


@cache
def healthy(store: str, crm: str) -> Healthy:
    """The measure of all other lives with that store and that CRM."""
    with life(store, crm) as lived:
        lived.live()
        calls = {
            name: tuple(dict.fromkeys(call_of(each.request) for each in sandbox.server.journal))
            for name, sandbox in ((store, lived.store), (crm, lived.crm))
        }
        measure = {"before": lived.before_erasure, "end": lived.digest()}
        if wrong := list(verdict.findings(lived, measure)) or lived.lines.said:
            raise AssertionError(f"{store} and {crm}: the healthy life is not well: {wrong}")
        return Healthy(calls, measure)


def calls_of(account: str) -> tuple[str, ...]:
    """Every call that the daemon makes to that account, in the order of a life."""
    return healthy(*pair(account)).calls[account]


def rows_of(account: str) -> tuple[str, ...]:
    """The calls that the account's table shows."""
    vendor = account.partition(",")[0]
    shown = {call for other in WHOLE if other.partition(",")[0] == vendor for call in calls_of(other)}
    return tuple(call for call in calls_of(account) if account in WHOLE or call not in shown)


@dataclass(frozen=True)
class Cell:
    """What became of one life: `sign` for the table, and what is wrong, if anything is."""

    sign: str
    wrong: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


# Ordered: a cell shows the strongest that applies.
SIGNS = {
    "✗": "it did not hold",
    "p": "the account was paused with an alert that says what to do, and went on by itself once it was mended",
    "2": "one more enrolment for an answer that was lost, as `winback adapters` declares",
    "w": "the work waited with a line in the log, and went on by itself",
    "r": "it was sent again at once, and nothing else happened",
    "o": "the daemon did without this call, and nothing was missing in the end",
}


@contextmanager
def struck(account: str, trouble: Trouble, calls: Collection[str], *, lasting: bool) -> Iterator[Life]:
    """A life, over, in which that trouble struck."""
    with life(*pair(account)) as lived:
        server = (lived.crm if account in CRMS else lived.store).server
        lived.injector = Injector(server, lived.clock, trouble, frozenset(calls), lasting)
        server.fault = lived.injector
        lived.live()
        yield lived


def try_cell(account: str, trouble: Trouble, *calls: str, lasting: bool) -> Cell:
    """A life with the fault at these calls, once in each phase or for two hours of each.

    `missed` are the calls that were not made in this life, because an earlier fault led another way.
    """
    here = "mail" if account in CRMS else "shop"
    with struck(account, trouble, calls, lasting=lasting) as lived:
        wrong = list(verdict.findings(lived, healthy(*pair(account)).digests))
        hits = lived.injector.hits if lived.injector else []
        missed = tuple(call for call in calls if call not in {hit for _, hit in hits})
        if lasting or trouble.owner:
            wrong += verdict.class_findings(lived, here, trouble)
        return Cell(_sign(lived, here, wrong), tuple(dict.fromkeys(wrong)), missed)


def _sign(lived: Life, here: str, wrong: list[str]) -> str:
    if wrong:
        return "✗"
    if any(here in each.paused for each in lived.watched):
        return "p"
    if verdict.repeated(lived):
        return "2"
    if any(f"acme/{here}" in each.errors for each in lived.watched):
        return "w"
    return "o" if lived.injector and lived.injector.lasting else "r"
