"""The plain values that platforms, rules and CRMs exchange. Nothing here knows a vendor, a clock or a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in one currency (ISO 4217), as the shopper saw it. Never a float."""

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True, slots=True)
class LineItem:
    """One line of a checkout. `total` is for the whole line, after line discounts, before tax and shipping."""

    title: str
    quantity: int
    total: Money
    price: Money | None = None
    variant: str = ""
    sku: str = ""
    product_id: str = ""
    variant_id: str = ""
    image_url: str = ""
    product_url: str = ""


class ConsentState(StrEnum):
    """What the store knows of the shopper's wish to get marketing e-mail."""

    OPTED_IN = "opted_in"
    PENDING = "pending"  # double opt-in not confirmed yet
    NOT_OPTED_IN = "not_opted_in"
    UNSUBSCRIBED = "unsubscribed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Consent:
    """The evidence for R9: state, where it was read, and since when it holds (if the source says)."""

    state: ConsentState = ConsentState.UNKNOWN
    source: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Customer:
    """The shopper as one store knows them. `id` is that store's customer id, empty for a guest."""

    email: str = ""
    id: str = ""
    first_name: str = ""
    last_name: str = ""
    phone: str = ""


class Stage(StrEnum):
    """How far the shopper got."""

    CONTACT = "contact"
    ADDRESS = "address"
    PAYMENT = "payment"
    PAYMENT_FAILED = "payment_failed"


class Source(StrEnum):
    """Where a checkout was seen, and so which ones can be (R1)."""

    LIST = "abandoned checkouts"  # the platform's own list: those with a contact
    CAPTURE = "companion plugin"  # every checkout whose address was typed
    DRAFTS = "drafts"  # every checkout from its opening, with an address or without
    ORDERS = "placed orders"  # those that were placed and not paid
    INBOUND = "inbound"  # those that the site's server told
    SNIPPET = "browser snippet"  # those whose address was typed into its page


@dataclass(frozen=True, slots=True)
class Visits:
    """R1: the checkouts that were started on one UTC day, and how many of those shoppers left an address."""

    day: date
    started: int
    contactable: int
    source: Source = Source.CAPTURE


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout that a shopper started. Ids and tokens identify within their own store only. Times are UTC.

    `activity_at` is the last moment that the *shopper* certainly did something; `modified_at` may also be moved by
    staff or by clean-ups. Where `status` changes between two reads, the rules take `modified_at` as activity (R2).
    """

    id: str
    status: str
    started_at: datetime
    activity_at: datetime
    modified_at: datetime
    customer: Customer
    total: Money
    lines: tuple[LineItem, ...] = ()
    url: str = ""
    completed_at: datetime | None = None
    emptied: bool = False
    order_id: str = ""
    tokens: tuple[str, ...] = ()
    consent: Consent = Consent()
    country: str = ""  # ISO 3166-1 alpha-2: shipping, else billing
    locale: str = ""  # BCP 47 or POSIX, as the store has it
    stage: Stage = Stage.CONTACT
    coupons: tuple[str, ...] = ()
    source: Source = Source.LIST
    by_link: bool = False  # begun by another checkout's recovery link: it goes on with that one, and is no lead (R5)


class Origin(StrEnum):
    """How an order came to be (R7). Only CHECKOUT orders can be recovered revenue."""

    CHECKOUT = "checkout"
    RENEWAL = "renewal"  # a subscription's next payment: neither checkout nor purchase
    POS = "pos"
    STAFF = "staff"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Order:
    """An order as the store shows it now. `purchase` is the adapter's reading of the status (R7).

    `placed_at` is None where the platform does not record it: the rules then use the moment at which the order was
    seen to become a purchase, else its creation.
    """

    id: str
    status: str
    purchase: bool
    created_at: datetime
    modified_at: datetime
    customer: Customer
    total: Money
    refunded: Decimal = Decimal(0)
    origin: Origin = Origin.CHECKOUT
    placed_at: datetime | None = None
    cancelled_at: datetime | None = None
    checkout_id: str = ""
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the owner should know: from `check`, or about one record that could not be read.

    An "error" on a Page is alerted once, and holds until a read no longer brings it.
    """

    message: str
    subject: str = ""  # a record id, a setting, a scope
    level: str = "warning"  # "info" | "warning" | "error"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page read from a store. `cursor` may be stored as soon as `items` are: nothing before it is needed again.

    `date` is the store's own clock (its `Date` header) when it answered.
    """

    items: tuple[T, ...]
    cursor: str
    date: datetime | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which account answered. `id` is what the store or CRM is pinned to."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer of an adapter's `check`: who it is, and what the owner should know.

    A store also says how it writes times and amounts: `time_zone` is `Europe/Berlin` or `+02:00`, `locale` BCP 47 or
    POSIX; "" where it does not tell.
    """

    identity: Identity
    findings: tuple[Finding, ...] = ()
    time_zone: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True)
class LeadId:
    """Which lead of a shopper: what a CRM's own record of it is named after, from its first step to its withdrawal."""

    store: str
    checkout_id: str  # of the checkout that made it, whatever it shows since (R6)
    generation: int  # R5: 1, then one more for each new lead of the same shopper


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One step for one lead, ready to be delivered to one CRM. `checkout` is the one that it shows now (R6)."""

    key: str  # idempotency key: the same for every attempt of this step
    email: str
    checkout: Checkout
    client: str
    store: str
    at: datetime  # when this attempt is made (UTC)
    lead_at: datetime  # no effect of this lead is older (UTC)
    fields: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    campaign: Any = None  # the adapter's own campaign option, or None
    step: int = 0
    generation: int = 1  # as in LeadId
    made_by: str = ""  # the id of the checkout that made the lead, where it shows another one
    shown_store: str = ""  # whose checkout it shows, where that is another store's
    former: tuple[LeadId, ...] = ()  # earlier leads of the shopper of which this CRM may still have something
    may_subscribe: bool = False  # R9: whether a contact that does not exist yet may be subscribed
    step_at: datetime | None = None  # no effect of this step is older, if that is known better than by lead_at (UTC)
    repeated: bool = False  # an earlier attempt of this very key may have had its effect: ask before acting
    short_url: str = ""  # a short link to the checkout URL, if the daemon serves them

    @property
    def lead(self) -> LeadId:
        """Whose step it is."""
        return LeadId(self.store, self.made_by or self.checkout.id, self.generation)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A shopper to be let go (R7, R8, R6), by the strongest exit that the CRM's API has."""

    key: str
    email: str
    at: datetime
    store: str
    checkout_id: str = ""
    tags: tuple[str, ...] = ()  # ours: always removed
    add_tags: tuple[str, ...] = ()
    campaigns: tuple[Any, ...] = ()
    reason: str = "bought"  # "bought" | "expired" | "superseded" | "deleted"
    order: Order | None = None
    generation: int = 1
    former: tuple[LeadId, ...] = ()  # other leads of the shopper of which this CRM may still have something
    tried_at: datetime | None = None  # when what it undoes was last tried; None where that is not known (UTC)
    order_store: str = ""  # where the order was placed; "" for the store of the lead

    @property
    def placed_in(self) -> str:
        """The store of the order, whose id is unique within that one only."""
        return self.order_store or self.store

    @property
    def lead(self) -> LeadId:
        """Which lead ended."""
        return LeadId(self.store, self.checkout_id, self.generation)


class Outcome(StrEnum):
    """What became of an enrolment that the CRM accepted."""

    ENROLLED = "enrolled"
    NO_CONSENT = "no_consent"  # R9: this path will not mail this contact


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the CRM did. `detail` is one plain sentence for `explain`."""

    outcome: Outcome = Outcome.ENROLLED
    detail: str = ""
    contact_id: str = ""
