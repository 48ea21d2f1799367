"""What every part of the engine works with: the database, the HTTP door, the clock and the clients' configuration."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from connector.address import Contact, contact, keyed_hash
from connector.config import ClientConfig, Settings, Step
from connector.db import Database
from connector.http import Http
from connector.options import CrmOptions, StoreOptions
from connector.rules import Policy

log = logging.getLogger("winback")


@dataclass(frozen=True)
class Client:
    """One client's configuration, with its rules' durations."""

    config: ClientConfig
    policy: Policy

    @classmethod
    def of(cls, config: ClientConfig) -> Client:
        """From a file's configuration."""
        leads = config.leads
        policy = Policy(
            abandoned_after=leads.abandoned_after,
            renew_after=leads.renew_after,
            keep_for=leads.keep_for,
            stale_after=leads.stale_after,
            quiet_after_purchase=leads.quiet_after_purchase,
            attribution=leads.attribution,
            late_within=leads.late_within,
        )
        return cls(config, policy)

    @property
    def id(self) -> str:
        """The client's id."""
        return self.config.client

    def store(self, store_id: str) -> StoreOptions | None:
        """A store's options, or None where it left the configuration."""
        return next((store for store in self.config.stores if store.id == store_id), None)

    def crm(self, crm_id: str) -> CrmOptions | None:
        """A CRM's options, or None where it left the configuration."""
        return next((crm for crm in self.config.crms if crm.id == crm_id), None)

    def steps_for(self, crm_id: str) -> list[tuple[int, Step]]:
        """The steps that go to one CRM, with their places in the sequence."""
        return steps_for(self.config.sequence, crm_id)


def steps_for(sequence: Sequence[Step], crm_id: str) -> list[tuple[int, Step]]:
    """The steps of any sequence that go to one CRM, with their places in it."""
    return [(i, step) for i, step in enumerate(sequence) if not step.crm or crm_id in step.crm]


class Numbers(Protocol):
    """Where the engine counts what it does; `metrics.Metrics` is one."""

    def polled(self, client: str, store: str, what: str, at: float) -> None:
        """A read finished."""

    def poll_failed(self, client: str, store: str, what: str, error: BaseException) -> None:
        """A read failed."""

    def delivered(self, client: str, crm: str, kind: str, outcome: str) -> None:
        """An attempt ended."""

    def hooked(self, client: str, store: str, outcome: str) -> None:
        """A webhook came."""


class NoNumbers:
    """Counts nothing: for commands that are not the daemon."""

    def polled(self, client: str, store: str, what: str, at: float) -> None:
        """Nothing."""

    def poll_failed(self, client: str, store: str, what: str, error: BaseException) -> None:
        """Nothing."""

    def delivered(self, client: str, crm: str, kind: str, outcome: str) -> None:
        """Nothing."""

    def hooked(self, client: str, store: str, outcome: str) -> None:
        """Nothing."""


@dataclass
class Context:
    """Shared by every thread of the engine."""

    db: Database
    http: Http
    settings: Settings
    clock: Callable[[], datetime]
    clients: Mapping[str, Client]
    beside: frozenset[str] = frozenset()  # clients that are configured too, and that this process is not to work for
    alert: Callable[[str, str], None] = lambda subject, message: log.error("%s: %s", subject, message)
    # What goes wrong for a while, and after how long it is tried again, where that is known.
    trouble: Callable[[str, str, timedelta | None], None] = lambda subject, message, wait: log.warning(
        "%s: %s", subject, again_in(message, wait)
    )
    numbers: Numbers = field(default_factory=lambda: NoNumbers())
    coupon_locks: dict[tuple[str, str], threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    client_locks: dict[str, threading.RLock] = field(default_factory=lambda: defaultdict(threading.RLock))

    def shopper(self, client: str, email: str) -> tuple[str, Contact | None]:
        """The keyed hash for an address, and the contact; ("", None) where it is no address."""
        found = contact(email)
        return (
            (keyed_hash(self.db.hash_key, self.db.first_name(client), found.identity), found) if found else ("", None)
        )


def again_in(text: str, wait: timedelta | None) -> str:
    """`text` with what happens next: `…. Winback tries again in 4 min`."""
    length = wait.total_seconds() if wait else 0
    when = f" in {length:.0f} s" if length < 100 else f" in {length / 60:.0f} min"
    return f"{text.rstrip('.')}. Winback tries again{when if wait else ''}"


def seconds(value: float) -> timedelta:
    """A timedelta of so many seconds."""
    return timedelta(seconds=value)
