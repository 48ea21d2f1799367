"""R4 and R7 under race: two checkouts and two orders of one shopper, in every order that events can have.

`make test` plays some hundred of them, spread evenly; `LONG_TESTS=1` plays all (docs/reliability.md).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from interleaving import Ground, Rehearsal, orders_of, play

from connector.model import Order

LONG = os.environ.get("LONG_TESTS") == "1"
POLL, SPLIT_POLL, DELIVERY = ("P", "p"), ("P", "Q", "p"), ("D", "d")
ABANDONED = ("C1", "T")
SCOPES: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "from the beginning": ((), (("C1", "O1", "X1"), (*SPLIT_POLL, *SPLIT_POLL), DELIVERY, ("T",))),
    "one order, cancelled": (ABANDONED, (("O1", "X1"), (*SPLIT_POLL, *SPLIT_POLL), (*DELIVERY, *DELIVERY))),
    "a second checkout": (ABANDONED, (("O1",), ("C2", "O2"), (*POLL, *POLL), DELIVERY, ("T",))),
    "two orders, one cancelled": (ABANDONED, (("O1", "X1"), ("C2", "O2"), (*POLL, *POLL), DELIVERY)),
    "two of everything": (ABANDONED, (("O1",), ("C2", "O2"), (*POLL, *POLL), (*DELIVERY, *DELIVERY))),
}
QUICK = 60  # of each scope; all of them in the long form


@pytest.fixture
def ground(database_url: str) -> Iterator[Ground]:
    """SQLite or PostgreSQL."""
    made = Ground(database_url)
    yield made
    made.close()


@pytest.mark.parametrize("scope", SCOPES)
def test_in_no_order_of_events_is_a_buyer_enrolled_or_a_lead_lost(scope: str, ground: Ground) -> None:
    before, chains = SCOPES[scope]
    rows = list(orders_of(chains))
    met: Counter[str] = Counter()
    for events in rows if LONG else rows[:: max(1, len(rows) // QUICK)]:
        life = play(ground, (*before, *events))
        wrong = [*bought_and_enrolled(life), *without_word(life), *not_let_go(life), *too_many_or_none(life)]
        assert not wrong, f"{' '.join((*before, *events))}: {wrong}; {life.shop.effects}"
        met.update({what for _, what, _ in life.shop.effects} or {"nobody enrolled"})
    assert min(met["enrolled"], met["nobody enrolled"]) > 5, met
    assert met["withdrawn"] > 5 or scope == "from the beginning", met


def ends(order: Order, checkout: str, life: Rehearsal) -> bool:
    """R7, once more in the plainest words: the first order has the first checkout's token, the second the address."""
    if not order.purchase:
        return False
    by_token = order.id == "o1" and checkout == "c1"
    by_address = order.id == "o2" and order.created_at >= life.shop.started[checkout]
    return by_token or by_address


def visible(life: Rehearsal, before: int, checkout: str) -> bool:
    """Whether a read of the orders that was stored before an event told of a purchase."""
    polls = [poll for poll in life.polls if poll.stored < before]
    return any(ends(order, checkout, life) for poll in polls for order in poll.orders.values())


def enrolments(life: Rehearsal) -> Sequence[tuple[int, int, str]]:
    """(when the rules were last asked, when the CRM did it, for which checkout)."""
    found = [(at, checkout) for at, what, checkout in life.shop.effects if what == "enrolled"]
    return [(max(claim for claim in life.claimed if claim <= at), at, checkout) for at, checkout in found]


def bought_and_enrolled(life: Rehearsal) -> list[str]:
    """An enrolment after a purchase that the store had shown."""
    return [f"{checkout} had bought" for claim, _, checkout in enrolments(life) if visible(life, claim, checkout)]


def without_word(life: Rehearsal) -> list[str]:
    """An enrolment without an orders read that started after the checkout was abandoned, and finished (R4)."""
    wrong = []
    for claim, _, checkout in enrolments(life):
        abandoned = life.shop.started[checkout] + life.client.policy.abandoned_after
        words = [poll for poll in life.polls if poll.stored < claim and life.times[poll.asked] >= abandoned]
        wrong += [] if words else [f"nobody asked whether {checkout} was bought"]
    return wrong


def not_let_go(life: Rehearsal) -> list[str]:
    """A buyer who is still in the CRM in the end (R7), however the purchase and the delivery crossed."""
    out = [at for at, what, _ in life.shop.effects if what == "withdrawn"]
    return [
        f"{checkout} is still enrolled"
        for _, at, checkout in enrolments(life)
        if visible(life, life.played, checkout) and not any(left > at for left in out)
    ]


def too_many_or_none(life: Rehearsal) -> list[str]:
    """More than one enrolment of one shopper in seven days (R5), or none where nothing stood against it."""
    count = len(enrolments(life))
    if count > 1:
        return [f"enrolled {count} times"]
    nothing_bought = not any(visible(life, life.played, checkout) for checkout in life.shop.seen)
    return ["lost"] if life.shop.seen and nothing_bought and not count else []


def test_the_rows_of_events_are_all_there_and_none_twice() -> None:
    rows = list(orders_of((("C1", "O1"), ("P", "p"))))
    assert len(set(rows)) == len(rows)
    # Where the store's two events fall is told apart by whether they come before P: 3 ways.
    assert rows == [("C1", "O1", "P", "p"), ("C1", "P", "O1", "p"), ("P", "C1", "O1", "p")]
