"""What a platform or CRM adapter must look like, and the two lists that they put themselves on.

An adapter is one file in `platforms/` or `crm/`: a class under `@platform` or `@crm`. Importing the package loads
every file in it, so nothing else is edited to add one.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from connector.errors import WinbackError
from connector.http import Http, Rate
from connector.model import Checkout, Consent, Customer, Enrolment, Health, Order, Page, Receipt, Visits, Withdrawal
from connector.options import CrmOptions, StoreOptions, Strict, Url

__all__ = [
    "CRMS",
    "PLATFORMS",
    "Cap",
    "Companion",
    "CountsStarts",
    "Crm",
    "CrmOptions",
    "Habits",
    "Platform",
    "Readable",
    "StoreOptions",
    "Strict",
    "TellsConsent",
    "Url",
    "crm",
    "load",
    "options_by_name",
    "platform",
]


class Cap(StrEnum):
    """What an adapter can do. Asking for one that is missing fails in `check`."""

    # platforms
    CHECKOUTS = "checkouts"
    ORDERS = "orders"
    PUSHED = "pushed"  # tells its checkouts and orders by itself (connector/inbound); it is never asked
    CONSENT = "consent"  # reads marketing consent with the checkout
    RECOVERY_URL = "recovery_url"  # a link that restores the cart the next day
    STARTS = "starts"  # can count the checkouts that were started (R1); then it is a CountsStarts
    WEBHOOKS = "webhooks"  # tells of news at once: connector.hooks.SendsHooks
    COUPONS = "coupons"  # makes and deletes them: connector.coupons.MakesCoupons
    # CRMs
    TAGS = "tags"
    FIELDS = "fields"  # creates and sets custom fields
    CAMPAIGN = "campaign"  # puts a contact into a journey, automation or flow
    NATIVE_CART = "native_cart"  # writes the CRM's own abandoned cart
    MAILS_NON_SUBSCRIBERS = "mails_non_subscribers"
    EXIT = "exit"  # can really take a contact out of a running automation
    EXACTLY_ONCE = "exactly_once"  # asks or de-duplicates after a lost answer
    DELETE = "delete"
    BULK = "bulk"
    TEMPLATES = "templates"  # takes e-mails from `winback templates push`: connector/merge.py


@dataclass(frozen=True)
class Companion:
    """Software that runs inside the store and comes with Winback: the optional `companion` of a platform.

    `winback COMMAND` writes the files of `folder` as a zip with the one top folder `name`.
    """

    command: str
    title: str
    folder: Path
    name: str
    install: str  # what the owner does with the file


class Platform(Protocol):
    """A store platform. One with Cap.PUSHED has no more than this; every other one is `Readable`."""

    name: ClassVar[str]
    title: ClassVar[str]
    capabilities: ClassVar[frozenset[Cap]]
    rate: ClassVar[Rate]
    Options: ClassVar[type[StoreOptions]]

    def __init__(self, options: Any, http: Http) -> None:
        """Opens its own door: `http.door(…, rate=options.limit(self.rate), …)`. Sends nothing yet."""
        ...

    def check(self) -> Health: ...


class Readable(Platform, Protocol):
    """A platform that is asked. Both reads yield pages oldest change first, and raise the three errors."""

    def checkouts(self, cursor: str | None, since: datetime) -> Iterator[Page[Checkout]]:
        """Checkouts changed after `cursor` (from an earlier page), or after `since` where there is no cursor yet."""
        ...

    def orders(self, cursor: str | None, since: datetime) -> Iterator[Page[Order]]:
        """Orders in every status, likewise. Coming to the end means that the read *finished* (R4)."""
        ...


@runtime_checkable
class CountsStarts(Protocol):
    """A platform with Cap.STARTS."""

    def visits(self, since: date) -> Sequence[Visits]:
        """Checkouts started on each UTC day from `since` on, as far as it counts them: nothing where it can't now."""
        ...


@runtime_checkable
class TellsConsent(Protocol):
    """A platform where a shopper may unsubscribe without any checkout of theirs being changed by it."""

    def consents(self, customers: Sequence[str]) -> Sequence[tuple[Customer, Consent]]:
        """What these customers of the store (by id, 100 at most) want now, and for which address; raises the three
        errors. Whom the store does not know any more is left out."""
        ...


@dataclass(frozen=True)
class Habits:
    """What `check` and the engine should know of a CRM. An adapter says it as `habits`, where it differs from this."""

    starts: str = ""  # what a campaign starts there and has waits of its own: a flow, an automation
    always: bool = False  # something starts also without a configured campaign
    field_bytes: int | None = None  # a longer value is cut
    takes_in: timedelta = timedelta(0)  # how long what it took may lie in its queue: who is erased sooner is made anew


class Crm(Protocol):
    """A CRM or e-mail service.

    `enrol` must be safe to repeat with the same key: `Enrolment.repeated` says that an earlier answer was lost.
    `enrol_many` (Cap.BULK) answers in the order asked, an error in place of the receipt for each one that failed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    capabilities: ClassVar[frozenset[Cap]]
    rate: ClassVar[Rate]
    batch: ClassVar[int]  # how many enrolments `enrol_many` takes at once; 1 without Cap.BULK
    exit_condition: ClassVar[str]  # what the owner must set in the CRM so that buyers leave, in their words
    repeats: ClassVar[str]  # where a lost answer may repeat an effect, in the owner's words; "" where it never does
    Options: ClassVar[type[CrmOptions]]

    def __init__(self, options: Any, http: Http) -> None:
        """Opens its own door: `http.door(…, rate=options.limit(self.rate), …)`. Sends nothing yet."""
        ...

    def check(self) -> Health: ...

    def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None:
        """Creates the custom fields (and tags, where they must exist first) that are missing."""
        ...

    def enrol(self, enrolment: Enrolment) -> Receipt: ...

    def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]: ...

    def refresh(self, enrolment: Enrolment) -> Receipt:
        """R6: newer fields for a contact already enrolled; triggers nothing."""
        ...

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """R7: lets the shopper go. A contact that is not there (any more) is success."""
        ...

    def forget(self, email: str, *, permanently: bool) -> None:
        """Erases the contact: archived or deleted, for ever only if `permanently`. Absent is success."""
        ...


def habits(options: CrmOptions) -> Habits:
    """What the adapter of this CRM says of it."""
    found: Habits = getattr(CRMS[options.adapter], "habits", Habits())
    return found


P = TypeVar("P", bound=type[Platform])
C = TypeVar("C", bound=type[Crm])

PLATFORMS: dict[str, type[Platform]] = {}
CRMS: dict[str, type[Crm]] = {}


def platform(cls: P) -> P:
    """Class decorator: puts a store platform on the list."""
    PLATFORMS[cls.name] = cls
    return cls


def crm(cls: C) -> C:
    """Class decorator: puts a CRM on the list."""
    CRMS[cls.name] = cls
    return cls


@cache
def load() -> None:
    """Imports every file in `platforms/` and `crm/`, which puts the adapters on the lists."""
    for package_name in ("platforms", "crm"):
        package = importlib.import_module(package_name)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.ispkg:
                importlib.import_module(f"{package_name}.{module.name}")


def options_by_name() -> tuple[Mapping[str, type[StoreOptions]], Mapping[str, type[CrmOptions]]]:
    """The option models of every adapter, for the configuration and its JSON Schema."""
    load()
    return (
        {name: cls.Options for name, cls in PLATFORMS.items()},
        {name: cls.Options for name, cls in CRMS.items()},
    )
