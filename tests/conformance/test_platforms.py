"""What every store platform must do. Each test runs for each registered one, against its own sandbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import pytest
from clock import START, Clock
from conformance_case import JANE, KINDS, LONG_AGO, QUIET, Moody, Read, Store, a_store, calls_of, doors_of, is_sentence
from pydantic import SecretStr

from connector.errors import ConfigError
from connector.hooks import SendsHooks, SignatureError
from connector.http import Rate
from connector.model import Checkout, ConsentState, Money, Order, Source
from connector.registry import PLATFORMS, Cap, CountsStarts, StoreOptions
from connector.sandbox import Fault, Reply

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LONGEST_OVERLAP = HOUR
MANY = 250


def abandoned(store: Store, email: str = JANE, **more: Any) -> Checkout:
    """A checkout that was left half an hour ago, as the adapter gives it."""
    made = store.sandbox.abandon(email, **more)
    store.clock.advance(QUIET)
    found: Checkout = store.checkouts().last(made)
    return found


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_the_class_says_what_it_is(name: str) -> None:
    cls = PLATFORMS[name]
    assert cls.name == name
    assert cls.__module__ == f"platforms.{name}"
    assert cls.title
    assert cls.capabilities <= set(Cap)
    assert isinstance(cls.capabilities, frozenset)
    assert {Cap.CHECKOUTS, Cap.ORDERS} <= cls.capabilities
    assert isinstance(cls.rate, Rate)
    assert issubclass(cls.Options, StoreOptions)
    kind = cls.Options.model_fields["platform"].annotation
    assert (get_origin(kind), get_args(kind)) == (Literal, (name,))


def test_check_names_the_same_account_every_time(store: Store) -> None:
    first, later = store.adapter().check(), store.adapter().check()
    assert first.identity.id
    assert first.identity == later.identity
    assert not [finding for finding in first.findings if finding.level == "error"]
    assert all(finding.message for finding in first.findings)


def test_webhooks_are_believed_only_when_they_are_signed(store: Store) -> None:
    adapter = store.adapter()
    assert isinstance(adapter, SendsHooks) == (Cap.WEBHOOKS in adapter.capabilities)
    if isinstance(adapter, SendsHooks):
        assert adapter.hook_topics
        for body in (b"", b"{}", json.dumps({"id": 1, "email": JANE}).encode(), b"\xff" * 100):
            with pytest.raises(SignatureError):
                adapter.read_hook({}, body)
        assert not store.sandbox.server.journal, "and nobody is asked"
        assert list(adapter.hooks("https://winback.example/hooks/acme/store")) == []


def test_refused_credentials_are_for_the_owner_to_mend(store: Store) -> None:
    store.sandbox.abandon(JANE)
    store.clock.advance(QUIET)
    adapter, refused = store.adapter(), Fault(Reply(401, {"message": "No."}))
    for name, call in calls_of(adapter).items():
        store.sandbox.server.fault = lambda _: refused
        with pytest.raises(ConfigError) as caught:
            call()
        is_sentence(caught.value, store.secrets())
        store.sandbox.server.fault = None
        assert call(), f"{name} works again with the same adapter"


def test_no_secret_is_shown(store: Store) -> None:
    options, adapter = store.options, store.adapter()
    adapter.check()
    shown = [repr(options), str(options), repr(adapter), *(repr(door) for door in doors_of(adapter))]
    assert store.secrets()
    assert not [text for text in shown for secret in store.secrets() if secret in text]


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_what_sounds_secret_is_kept_as_a_secret(name: str) -> None:
    for key, about in PLATFORMS[name].Options.model_fields.items():
        if key.endswith(("_key", "_token", "_secret", "password")):
            assert SecretStr in (about.annotation, *get_args(about.annotation)), key


def test_an_abandoned_checkout_is_told_in_full(store: Store) -> None:
    found = abandoned(store, title="Süßes Hemd 🧵", quantity=2)
    assert (found.customer.email, found.completed_at, found.emptied) == (JANE, None, False)
    assert_money(found.total)
    (line,) = found.lines
    assert (line.title, line.quantity) == ("Süßes Hemd 🧵", 2)
    assert_money(line.total)
    assert line.total.currency == found.total.currency
    assert found.started_at <= found.activity_at <= found.modified_at <= store.clock()
    for moment in (found.started_at, found.activity_at, found.modified_at):
        assert moment.utcoffset() == timedelta(0)
        assert abs(moment - START) <= SECOND
    if Cap.RECOVERY_URL in PLATFORMS[store.name].capabilities:
        assert found.url.startswith(store.sandbox.server.url)


def assert_money(money: Money) -> None:
    assert isinstance(money.amount, Decimal)
    assert money.amount.is_finite()
    assert money.amount > 0
    assert len(money.currency) == 3
    assert money.currency.isupper()


@pytest.mark.parametrize(
    ("consent", "read_as"),
    [
        (ConsentState.OPTED_IN, {ConsentState.OPTED_IN}),
        (ConsentState.UNSUBSCRIBED, {ConsentState.UNSUBSCRIBED}),
        (ConsentState.PENDING, {ConsentState.PENDING}),
        (ConsentState.NOT_OPTED_IN, {ConsentState.NOT_OPTED_IN}),
        (ConsentState.UNKNOWN, {ConsentState.UNKNOWN, ConsentState.NOT_OPTED_IN}),
    ],
)
def test_consent_is_read_as_it_was_given(store: Store, consent: ConsentState, read_as: set[ConsentState]) -> None:
    found = abandoned(store, consent=consent).consent
    if consent not in getattr(store.sandbox, "consents", ConsentState):  # as this store cannot tell it
        read_as = {ConsentState.UNKNOWN, ConsentState.NOT_OPTED_IN}
    if Cap.CONSENT in PLATFORMS[store.name].capabilities:
        assert found.state in read_as
        assert found.state is ConsentState.UNKNOWN or found.source
    else:
        assert found.state is ConsentState.UNKNOWN


def test_a_shopper_who_comes_back_moves_the_activity_of_the_same_checkout(store: Store) -> None:
    first = store.sandbox.abandon(JANE)
    store.clock.advance(HOUR)
    read = store.checkouts()
    before = read.last(first)
    store.sandbox.touch(first, quantity=3)
    store.clock.advance(QUIET)
    after = store.checkouts(read.cursor).last(first)
    assert after.activity_at - before.activity_at >= HOUR
    assert (after.started_at, after.lines[0].quantity) == (before.started_at, 3)
    assert after.total.amount > before.total.amount
    store.sandbox.touch(first, email="corrected@example.com")
    store.clock.advance(QUIET)
    assert store.checkouts(read.cursor).last(first).customer.email == "corrected@example.com"


def test_a_purchase_is_an_order_that_fits_its_checkout(store: Store) -> None:
    left = abandoned(store)
    before = store.orders()
    bought = store.sandbox.buy(checkout_id=left.id)
    order: Order = store.orders(before.cursor).last(bought)
    assert order.purchase
    assert order.cancelled_at is None
    assert_money(order.total)
    assert order.total == left.total
    for moment in (order.created_at, order.modified_at, order.placed_at or order.modified_at):
        assert moment.utcoffset() == timedelta(0)
    assert (
        order.checkout_id == left.id
        or order.id == left.order_id
        or set(order.tokens) & set(left.tokens)
        or (order.customer.id and order.customer.id == left.customer.id)
    ), "by more than the address, which the shopper may change on the way"
    assert order.customer.email == JANE
    store.clock.advance(QUIET)
    now_left = [item for item in store.checkouts().items if item.id == left.id]
    assert not [item for item in now_left if item.completed_at is None], "nobody is mailed for what is bought"


def test_a_shopper_who_buys_afresh_is_known_by_the_address(store: Store) -> None:
    abandoned(store)
    bought = store.sandbox.buy(email=JANE.upper())
    order: Order = store.orders().last(bought)
    assert order.purchase
    assert order.customer.email.lower() == JANE


def test_a_cancelled_order_is_no_purchase(store: Store) -> None:
    bought = store.sandbox.buy(email=JANE)
    store.clock.advance(HOUR)
    first = store.orders()
    assert first.last(bought).purchase
    store.sandbox.cancel(bought)
    store.clock.advance(MINUTE)
    order: Order = store.orders(first.cursor).last(bought)
    assert not order.purchase
    assert order.cancelled_at is not None
    assert abs(order.cancelled_at - store.clock()) <= MINUTE + SECOND


def change(store: Store, what: str, item_id: str) -> None:
    if what == "checkouts":
        store.sandbox.touch(item_id, quantity=5)
    else:
        store.sandbox.cancel(item_id)


@pytest.mark.parametrize("what", KINDS)
def test_a_read_goes_on_where_the_last_one_ended(store: Store, what: str) -> None:
    old = {store.leave(what, f"old{number}@example.com") for number in range(5)}
    store.clock.advance(QUIET + LONGEST_OVERLAP)
    new = store.leave(what, "new@example.com")
    store.clock.advance(QUIET)
    first = store.read(what)
    assert first.ids == {*old, new}
    again = store.read(what, first.cursor)
    assert again.ids <= {new}, "an unchanged store repeats at most the overlap"
    changed = min(old)
    change(store, what, changed)
    late = store.leave(what, "late@example.com")
    store.clock.advance(QUIET)
    assert {changed, late} <= store.read(what, again.cursor).ids <= {changed, late, new}


@pytest.mark.parametrize("what", KINDS)
def test_an_empty_store_gives_a_cursor_that_loses_nothing(store: Store, what: str) -> None:
    empty = store.read(what)
    assert not empty.items
    made = store.leave(what, JANE)
    store.clock.advance(QUIET)
    assert store.read(what, empty.cursor).ids == {made}


@pytest.mark.parametrize("what", KINDS)
def test_a_cursor_is_text_that_a_database_can_keep(store: Store, what: str) -> None:
    store.leave(what, JANE)
    store.clock.advance(QUIET)
    cursor = store.read(what).cursor
    kept = json.loads(json.dumps(cursor)).encode().decode()
    assert type(cursor) is str
    assert kept == cursor
    made = store.leave(what, "later@example.com")
    store.clock.advance(QUIET)
    assert made in store.read(what, kept).ids


@pytest.mark.parametrize("what", KINDS)
def test_a_crash_between_two_pages_loses_nothing(store: Store, what: str) -> None:
    made = []
    for number in range(MANY):
        made.append(store.leave(what, f"shopper{number}@example.com"))
        store.clock.advance(SECOND if number % 7 == 0 else timedelta(0))
    store.clock.advance(QUIET)
    every = store.read(what)
    assert every.ids == set(made)
    assert len(every.pages) > 1
    for count in range(1, len(every.pages)):
        pages = iter(getattr(store.adapter(), what)(None, LONG_AGO))
        kept = [next(pages) for _ in range(count)]
        changed = {made[count], made[-count]}
        for each in changed:
            change(store, what, each)
        store.clock.advance(QUIET)
        rest = store.read(what, kept[-1].cursor)
        assert Read(kept).ids | rest.ids == set(made), f"after {count} pages"
        assert changed <= rest.ids, f"changes after {count} pages"


def test_starts_are_counted_by_day_where_they_can_be(store: Store) -> None:
    adapter = store.adapter()
    assert isinstance(adapter, CountsStarts) == (Cap.STARTS in adapter.capabilities)
    store.sandbox.abandon("")
    store.sandbox.abandon(JANE)
    store.clock.advance(timedelta(days=1))
    store.sandbox.abandon("john@example.com")
    store.clock.advance(QUIET)
    days = adapter.visits(START.date()) if isinstance(adapter, CountsStarts) else []
    if days:
        assert [(one.day, one.started, one.contactable) for one in days] == [
            (START.date(), 2, 1),
            (START.date() + timedelta(days=1), 1, 1),
        ]
        assert {one.source for one in days} <= set(Source)


@pytest.mark.parametrize("minutes", [-10, 10])
def test_the_stores_own_clock_is_told(store: Store, http: Moody, minutes: int) -> None:
    ours = datetime.now(UTC)
    theirs = Clock(ours + timedelta(minutes=minutes))
    with a_store(store.name, theirs, http) as other:
        made = other.sandbox.abandon(JANE)
        bought = other.sandbox.buy(email="bought@example.com")
        theirs.advance(QUIET)
        since = ours - HOUR
        for source, item_id in (("checkouts", made), ("orders", bought)):
            pages = list(getattr(other.adapter(), source)(None, since))
            assert [item.id for page in pages for item in page.items] == [item_id]
            assert all(page.date == theirs().replace(microsecond=0) for page in pages)
            late = other.leave(source, "late@example.com")
            theirs.advance(QUIET)
            rest = getattr(other.adapter(), source)(pages[-1].cursor, since)
            assert late in {item.id for page in rest for item in page.items}
