"""The tables. Times named `…_at` on checkouts, orders, leads and windows are on the store's clock; those that the
scheduler looks at (`next_…`, `decide_at`, `due_at`, `…read_at`) are on ours. A shopper is a keyed hash (address.py).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Index, TextClause, false, text
from sqlmodel import Field, SQLModel


def only(condition: TextClause) -> dict[str, Any]:
    """What makes an index hold only the rows that a condition picks, in either database."""
    return {"sqlite_where": condition, "postgresql_where": condition}


class Setting(SQLModel, table=True):
    """What belongs to the database itself, such as the key of its hashes."""

    __tablename__ = "settings"
    name: str = Field(primary_key=True)
    value: str


class Store(SQLModel, table=True):
    """A store's account pin, cursors and health."""

    __tablename__ = "stores"
    client: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    identity: str | None = None
    name: str = ""
    checkouts_cursor: str | None = None
    orders_cursor: str | None = None
    first_poll_at: datetime | None = None
    next_poll_at: datetime | None = Field(default=None, index=True)
    polled_at: datetime | None = None  # the last poll that worked
    orders_read_at: datetime | None = None  # R4: when the last finished orders read started, or was told
    orders_through: datetime | None = None  # R4, on the store's clock: to when it has told all orders by itself
    clock_offset: float = 0.0  # seconds that the store's clock is ahead of ours
    failures: int = 0
    failing_since: datetime | None = None
    error: str = ""
    paused: bool = False  # a ConfigError: the owner must act
    gone: bool = False  # not in the configuration any more
    surge: bool = False  # R3
    surge_released_at: datetime | None = None
    notes: str = Field(default="", sa_column_kwargs={"server_default": ""})  # what the owner should know, as JSON
    visits_read_at: datetime | None = None  # when the store last said how many checkouts were started
    time_zone: str = Field(default="", sa_column_kwargs={"server_default": ""})
    locale: str = Field(default="", sa_column_kwargs={"server_default": ""})
    # why it makes no coupons now: only the steps that promise one wait for it
    coupons_error: str = Field(default="", sa_column_kwargs={"server_default": ""})
    coupons_retry_at: datetime | None = None


class Crm(SQLModel, table=True):
    """A CRM's account pin and health."""

    __tablename__ = "crms"
    client: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    identity: str | None = None
    name: str = ""
    failures: int = 0
    retry_at: datetime | None = None
    error: str = ""
    paused: bool = False
    gone: bool = False


class Hour(SQLModel, table=True):
    """Leads made in an hour (R3's busiest hour)."""

    __tablename__ = "hours"
    client: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    hour: datetime = Field(primary_key=True)
    leads: int = 0


class Visits(SQLModel, table=True):
    """R1: checkouts started on a UTC day, as a source of the store counts them."""

    __tablename__ = "visits"
    client: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    started: int = 0
    contactable: int = 0


class Checkout(SQLModel, table=True):
    """Every checkout that was read, in its one visible state (R11)."""

    __tablename__ = "checkouts"
    __table_args__ = (
        Index("ix_checkouts_due", "client", "decide_at"),
        Index("ix_checkouts_shopper", "client", "shopper"),
        Index("ix_checkouts_token", "client", "store", "token"),
        Index("ix_checkouts_customer", "client", "store", "customer_id"),
        Index("ix_checkouts_order", "client", "store", "order_id", **only(text("order_id != ''"))),
        Index("ix_checkouts_updated", "client", "updated_at"),
        Index("ix_checkouts_carry", "client", "carry_sequence", **only(text("carry_sequence != ''"))),
        # The metrics count leads by state at every scrape: without it they read the whole table, payloads and all.
        Index("ix_checkouts_state", "client", "store", "state", "shopper", **only(text("shopper != ''"))),
    )
    client: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    shopper: str = ""
    email: str | None = None  # erased when the shopper bought
    payload: str | None = None  # the Checkout as JSON; likewise
    customer_id: str = ""
    order_id: str = ""
    token: str = ""
    status: str
    digest: str
    started_at: datetime
    activity_at: datetime
    seen_at: datetime
    completed_at: datetime | None = None
    emptied: bool = False
    consent: str = "unknown"
    consent_source: str = ""
    consent_at: datetime | None = None
    country: str = ""
    total: str = "0"  # a decimal string: SQLite has no exact numbers
    currency: str = ""
    product_name: str = ""
    stage: str = ""
    source: str = Field(default="", sa_column_kwargs={"server_default": ""})  # R1: where it was seen
    by_link: bool = Field(default=False, sa_column_kwargs={"server_default": false()})  # R5: goes on with another one
    state: str
    rule: str = ""
    reason: str = ""
    arm: str = ""  # "holdout" stays, whatever becomes of the state (R12)
    lifted: bool = False
    carry_step: int = 0  # R6: the step that a corrected address goes on with
    carry_sequence: str = Field(default="", sa_column_kwargs={"server_default": ""})  # and of which sequence
    triggered_at: datetime | None = None
    delivered_first_at: datetime | None = None
    delivered_last_at: datetime | None = None
    delivered_step: int | None = None
    bought_by: str = ""  # the order that ended it, "store/id"
    decide_at: datetime | None = None
    updated_at: datetime


class Order(SQLModel, table=True):
    """What R4 and R7 need of an order; no address."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_shopper", "client", "shopper"),
        Index("ix_orders_customer", "client", "store", "customer_id"),
        Index("ix_orders_token", "client", "store", "token"),
        Index("ix_orders_cart_token", "client", "store", "cart_token"),
        Index("ix_orders_checkout", "client", "store", "checkout_id"),
        Index("ix_orders_modified", "client", "modified_at"),
    )
    client: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    shopper: str = ""
    customer_id: str = ""
    checkout_id: str = ""
    token: str = ""
    cart_token: str = ""
    status: str
    purchase: bool
    origin: str
    created_at: datetime
    modified_at: datetime
    placed_at: datetime | None = None
    cancelled_at: datetime | None = None
    total: str = "0"
    refunded: str = "0"
    currency: str = ""


class Lead(SQLModel, table=True):
    """A shopper under way. Gone at purchase, at erasure, and after `keep_for`."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_shopper", "shopper", "client", unique=True),
        Index("ix_leads_made", "client", "store", "checkout_id"),
        Index("ix_leads_shown", "client", "shown_store", "shown_checkout_id"),
        Index("ix_leads_created", "client", "created_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    client: str
    shopper: str
    email: str
    generation: int = 1
    store: str  # of the checkout that made it
    checkout_id: str
    shown_store: str  # of the checkout whose items and URL are shown now (R6)
    shown_checkout_id: str
    activity_at: datetime  # of the checkout shown
    created_at: datetime
    arm: str = ""
    lifted: bool = False
    sequence: str = Field(
        default="", sa_column_kwargs={"server_default": ""}
    )  # the one that it started with, and keeps


class KeptSequence(SQLModel, table=True):
    """The steps of a client's sequence as it was when a lead started with it."""

    __tablename__ = "sequences"
    client: str = Field(primary_key=True)
    id: str = Field(primary_key=True)  # a hash of the steps
    steps: str  # JSON, as in the configuration; no secret can be in a step


class Window(SQLModel, table=True):
    """R5: when a shopper's seven days opened. Outlives the lead."""

    __tablename__ = "windows"
    __table_args__ = (Index("ix_windows_opened", "client", "opened_at"),)
    client: str = Field(primary_key=True)
    shopper: str = Field(primary_key=True)
    opened_at: datetime | None = None
    generation: int = 0


class Delivery(SQLModel, table=True):
    """The outbox: one thing to be done in one CRM, until it is done or has a visible end."""

    __tablename__ = "deliveries"
    __table_args__ = (
        # Nearly all of them are done: what is due is found among the few that are not.
        Index("ix_deliveries_pending", "client", "crm", "priority", "next_at", **only(text("state = 'pending'"))),
        Index("ix_deliveries_at", "client", "due_at"),
        Index("ix_deliveries_shopper", "client", "shopper", "crm"),
        Index("ix_deliveries_key", "key", unique=True),
    )
    id: int | None = Field(default=None, primary_key=True)
    client: str
    crm: str
    shopper: str
    email: str | None = None  # erased with the lead, once nothing is outstanding
    kind: str  # enrol | refresh | withdraw | forget
    key: str
    step: int = 0
    generation: int = 1
    store: str = ""
    checkout_id: str = ""
    order_id: str = ""
    reason: str = ""
    state: str = "pending"  # pending | sending | done | failed | cancelled | a State
    priority: int = 5  # withdrawals overtake
    due_at: datetime
    next_at: datetime
    attempts: int = 0
    attempted_at: datetime | None = None
    done_at: datetime | None = None
    rule: str = ""
    error: str = ""
    detail: str = ""
    # The request that was refused and its answer, redacted; erased with the lead.
    exchange: str = Field(default="", sa_column_kwargs={"server_default": ""})
    # JSON of the tags and campaigns that were put on, or may have been, for the withdrawal, which adds for which leads.
    applied: str = ""
    withdrawn: bool = False  # a withdrawal for it is under way or done


class Coupon(SQLModel, table=True):
    """A coupon asked of a store: at most one for each lead and step, and one for each shopper in 90 days.

    It outlives the lead. The shopper is "" where it was erased, and for the owner's own test.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        Index("ix_coupons_shopper", "client", "shopper"),
        Index("ix_coupons_open", "state", "client", "store"),
    )
    client: str = Field(primary_key=True)
    code: str = Field(primary_key=True)
    store: str
    shopper: str
    generation: int = 1
    step: int = 0
    state: str = "making"  # making | made | used | removing | gone
    expires_at: datetime | None = None  # as the store said, and on its clock
    asked_at: datetime
    next_at: datetime | None = None  # when it is looked at again in order to be removed
    attempts: int = 0
    error: str = ""


class Suppression(SQLModel, table=True):
    """R10: a shopper (keyed hash) or a domain that never becomes a lead."""

    __tablename__ = "suppressions"
    client: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    why: str
    at: datetime


class Recovery(SQLModel, table=True):
    """What is kept of a purchase (R7)."""

    __tablename__ = "recoveries"
    __table_args__ = (
        Index("ix_recoveries_shopper", "client", "shopper"),
        Index("ix_recoveries_seen", "client", "seen_at"),
    )
    client: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    order_id: str = Field(primary_key=True)
    shopper: str
    state: str
    origin: str = "checkout"
    amount: str
    currency: str
    placed_at: datetime
    seen_at: datetime
    checkout_store: str = ""
    checkout_id: str = ""
    last_step: int | None = None
    last_delivered_at: datetime | None = None
    arm: str = ""
    day: date | None = None  # the cohort: the UTC day on which its lead was made, or else its checkout started
    product_name: str = Field(default="", sa_column_kwargs={"server_default": ""})
    stage: str = Field(default="", sa_column_kwargs={"server_default": ""})
    # Less refunds, 0 when cancelled; in 1/10,000: SQL adds it exactly.
    net: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


class Outcome(SQLModel, table=True):
    """What became of one lead, for the report. Kept as long as its checkout, then added to the tallies."""

    __tablename__ = "outcomes"
    client: str = Field(primary_key=True)
    store: str = Field(primary_key=True)
    checkout_id: str = Field(primary_key=True)
    day: date = Field(primary_key=True)  # on which the lead was made, UTC
    product_name: str = ""
    stage: str = ""
    arm: str = ""
    steps: int = Field(default=0, sa_type=BigInteger)  # bit n is set once step n was delivered
    bought: str = ""  # the state that a purchase put it in


class Tally(SQLModel, table=True):
    """Sums of what is in no other table any more, or never was. No ids and no hashes of anybody."""

    __tablename__ = "tallies"
    client: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    store: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)  # contactable | lead | order
    product_name: str = Field(default="", primary_key=True)
    stage: str = Field(default="", primary_key=True)
    arm: str = Field(default="", primary_key=True)
    steps: int = Field(default=0, primary_key=True, sa_type=BigInteger)  # as of an outcome
    state: str = Field(default="", primary_key=True)  # of a purchase
    last_step: int = Field(default=-1, primary_key=True)  # before the order; -1 for none
    currency: str = Field(default="", primary_key=True)
    number: int
    net: int = Field(default=0, sa_type=BigInteger)


class PushedTemplate(SQLModel, table=True):
    """An e-mail that `templates push` left in a CRM, and what the CRM called its version then."""

    __tablename__ = "templates"
    client: str = Field(primary_key=True)
    crm: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    version: str
    digest: str  # of what was pushed
    pushed_at: datetime


class Event(SQLModel, table=True):
    """A line of the story that `explain` tells."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_shopper", "client", "shopper"), Index("ix_events_at", "client", "at"))
    id: int | None = Field(default=None, primary_key=True)
    client: str
    shopper: str
    at: datetime
    what: str
    rule: str = ""
    store: str = ""
    checkout_id: str = ""
