"""A CRM's own cart is the lead's, whatever checkout the lead shows: made once, kept up to date, and gone with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from sqlmodel import SQLModel
from world import World

from connector.engine import hand
from connector.engine.deliver import recover
from connector.sandbox import Fault, Reply
from crm.sandbox import mailchimp
from crm.sandbox.mailchimp import AUDIENCE, MailchimpSandbox

ANN, TYPO = "ann@example.com", "ann@example.con"
TWO = [{"after": "30m"}, {"after": "24h"}]
AWAY = Fault(Reply(503, b"", {"Retry-After": "0"}))
LOST = Fault(reset=True, after_effect=True)


class Shop(World):
    """A world whose CRM is a Mailchimp account with native carts."""

    def __init__(self, folder: Path, database_url: str, clock: Clock, **client: Any) -> None:
        self.mailchimp: MailchimpSandbox = mailchimp.serve(clock=clock, path="native_cart")
        more = {"subscribe": "eligible", "requests_per_second": 10_000, **client.pop("crm", {})}
        crm = {"id": "cart", **self.mailchimp.options(), **more}
        super().__init__(folder, database_url, clock, crms=[crm], **client)

    @property
    def carts(self) -> list[dict[str, Any]]:
        """Every cart there."""
        shops = self.mailchimp.commerce.shops
        return list(shops[f"winback-{AUDIENCE}"].carts.values()) if shops else []

    @property
    def mailed(self) -> int:
        """How many carts started an e-mail."""
        return [effect.what for effect in self.mailchimp.effects].count("enrolled")

    def go_on(self, passes: int = 4, **step: float) -> None:
        """Some time goes by, with a pass every now and then."""
        for _ in range(passes):
            self.after(**(step or {"minutes": 12}))

    def buy(self, **more: Any) -> None:
        """The shopper buys, and everybody hears of it."""
        self.woo.buy(**(more or {"email": ANN}))
        self.go_on(2, minutes=5)

    def mailchimp_is_away(self, away: bool = True) -> None:
        """Its e-commerce half answers nothing but 503."""
        self.mailchimp.server.fault = (lambda r: AWAY if "/ecommerce" in r.path else None) if away else None

    def close(self) -> None:
        super().close()
        self.mailchimp.server.close()


Open = Callable[..., Shop]


@pytest.fixture
def shop(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the shop of a test."""
    opened: list[Shop] = []

    def start(database_url: str = "", **client: Any) -> Shop:
        opened.append(Shop(tmp_path, database_url or f"sqlite:///{tmp_path}/winback.db", clock, **client))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_second_checkout_after_the_first_step_changes_the_cart(shop: Open) -> None:
    acme = shop(sequence=TWO)
    acme.woo.abandon(ANN)
    acme.go_on()
    acme.woo.touch(acme.woo.abandon(ANN), quantity=7)
    acme.go_on()
    assert [line["quantity"] for cart in acme.carts for line in cart["lines"]] == [7]
    acme.go_on(9, hours=3)
    assert (acme.states(ANN)[0], len(acme.carts), acme.mailed) == (("renewed_too_soon", "R5"), 1, 1)
    acme.buy()
    assert acme.carts == []


def test_a_second_checkout_while_the_crm_was_away(shop: Open) -> None:
    acme = shop()
    acme.woo.abandon(ANN)
    acme.after(minutes=25)
    acme.mailchimp_is_away()
    acme.after(minutes=7)
    acme.woo.abandon(ANN)
    acme.after(minutes=10)
    acme.mailchimp_is_away(False)
    acme.go_on(8)
    assert (len(acme.carts), acme.mailed) == (1, 1)
    acme.buy()
    assert acme.carts == []


def test_a_second_checkout_while_the_answer_was_lost(shop: Open) -> None:
    """Killed when the cart was made and nothing of it written down."""
    acme = shop()
    acme.woo.abandon(ANN)
    acme.after(minutes=25)
    acme.mailchimp.server.fault = lambda r: LOST if (r.method, r.path[-6:]) == ("POST", "/carts") else None
    acme.after(minutes=7)
    acme.mailchimp.server.fault = None
    assert acme.mailed == 1
    with acme.ctx.db.write() as connection:  # as a killed process leaves it
        connection.exec_driver_sql("update deliveries set state = 'sending', attempts = 1")
    acme.restart()
    assert recover(acme.ctx) == 1
    acme.woo.touch(acme.woo.abandon(ANN), quantity=7)
    acme.go_on(8)
    assert (acme.states(ANN)[1], acme.mailed) == (("enrolled", ""), 1)
    assert [line["quantity"] for cart in acme.carts for line in cart["lines"]] == [7]
    acme.buy()
    assert acme.carts == []


def test_a_revisit_from_another_checkout_ends_the_former_cart(shop: Open, database_url: str) -> None:
    acme = shop(database_url)
    acme.woo.abandon(ANN)
    acme.go_on()
    acme.go_on(8, days=1)
    second = acme.woo.abandon(ANN)
    acme.go_on()
    assert (len(acme.carts), acme.mailed) == (1, 2)
    acme.buy(checkout_id=second)
    assert acme.carts == []


def test_a_revisit_that_goes_elsewhere_leaves_no_former_cart_to_a_buyer(shop: Open, database_url: str) -> None:
    acme = shop(database_url, crm={"when": {"min_total": 50}})
    acme.woo.abandon(ANN, quantity=7)
    acme.go_on()
    acme.config["crms"][0]["when"] = {"min_total": 500}
    acme.config["crms"].append({"id": "mail", **acme.crm.options(), "tags": ["abandoned-cart"]})
    acme.restart()
    acme.go_on(8, days=1)
    acme.woo.abandon(ANN)
    acme.go_on()
    assert (acme.effects(), len(acme.carts), acme.mailed) == ([ANN], 1, 1)
    acme.buy()
    assert acme.carts == []


def test_a_refused_withdrawal_is_made_good_by_the_next_lead(shop: Open) -> None:
    acme = shop()
    acme.woo.abandon(ANN)
    acme.go_on()
    refusal = Fault(Reply(400, {"title": "Bad Request", "status": 400, "detail": "no"}))
    acme.mailchimp.server.fault = lambda r: refusal if r.method == "DELETE" else None
    acme.buy()
    assert len(acme.carts) == 1
    acme.mailchimp.server.fault = None
    with acme.ctx.db.write() as connection:  # the queue asks again after six hours: let that be long
        connection.exec_driver_sql("update deliveries set next_at = '2099-01-01 00:00:00' where kind = 'withdraw'")
    acme.go_on(8, days=1)
    acme.woo.abandon(ANN)
    acme.go_on()
    assert (len(acme.carts), acme.mailed) == (1, 2)


def test_a_corrected_address_takes_the_cart_along(shop: Open) -> None:
    acme = shop(sequence=TWO)
    first = acme.woo.abandon(TYPO)
    acme.go_on()
    acme.woo.abandon(TYPO)
    acme.go_on()
    acme.woo.touch(first, email=ANN)
    acme.go_on()
    assert acme.carts == []
    acme.go_on(9, hours=3)
    assert [cart["customer"]["email_address"] for cart in acme.carts] == [ANN]
    acme.buy()
    assert acme.carts == []


def rename_as_before(acme: Shop, checkout_id: str) -> None:
    """Gives the cart the name that an earlier version gave it, after the checkout that it showed."""
    carts = acme.mailchimp.commerce.shops[f"winback-{AUDIENCE}"].carts
    (cart,) = carts.values()
    name = hashlib.sha256("\n".join(("woo", checkout_id, ANN, "1")).encode()).hexdigest()[:32]
    assert name != cart["id"]
    carts.clear()
    carts[name] = {**cart, "id": name}


def test_an_upgrade_makes_no_second_cart_and_loses_none(shop: Open) -> None:
    acme = shop(sequence=TWO)
    acme.woo.abandon(ANN)
    acme.after(minutes=10)
    second = acme.woo.abandon(ANN)
    acme.go_on(6)
    rename_as_before(acme, second)
    acme.woo.touch(second, quantity=7)
    acme.go_on(9, hours=3)
    assert acme.mailed == 1
    assert [line["quantity"] for cart in acme.carts for line in cart["lines"]] == [7]
    acme.buy()
    assert acme.carts == []


def test_who_is_erased_leaves_no_name_of_an_earlier_cart(shop: Open) -> None:
    acme = shop(woo={"plugin": True})
    first = acme.woo.abandon(ANN)
    acme.go_on()
    acme.go_on(8, days=1)
    acme.woo.abandon(ANN)
    acme.go_on()
    hand.forget(acme.ctx, acme.client, ANN)
    acme.go_on(2)
    assert acme.carts == []
    with acme.ctx.db.read() as connection:
        every = {each.name: connection.execute(each.select()).all() for each in SQLModel.metadata.sorted_tables}
    assert {name for name, rows in every.items() if any(first in str(row) for row in rows)} <= {"checkouts"}


def test_what_a_sister_store_shows_is_sold_there(shop: Open) -> None:
    acme = shop()
    acme.woo.abandon(ANN)
    acme.go_on()
    acme.shop.abandon(ANN)
    acme.go_on()
    products = [line["product_id"] for cart in acme.carts for line in cart["lines"]]
    assert [product.partition("_")[0] for product in products] == ["shop"]
