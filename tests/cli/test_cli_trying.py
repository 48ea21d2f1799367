"""`winback test` where the CRM keeps a cart of its own: every test starts anew, and leaves one cart, or none."""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any

import pytest
from cli_case import Owner

from connector.sandbox import Fault, Reply

ME = "me@acme.example"


@pytest.fixture
def carts(owner: Owner) -> Owner:
    """Its only CRM is a Mailchimp account with native carts."""
    owner.mailchimp.path = "native_cart"
    owner.write(crms=[{"id": "cart", **owner.mailchimp.options(), "requests_per_second": 10_000}])
    return owner


def ids(owner: Owner) -> list[str]:
    """The carts that the owner's address has."""
    return [cart["id"] for cart in owner.mailchimp.carts(ME)]


def mailed(owner: Owner) -> int:
    """How many carts started an e-mail."""
    return [effect.what for effect in owner.mailchimp.effects].count("enrolled")


def test_each_test_starts_anew_and_takes_the_last_ones_cart_away(carts: Owner) -> None:
    carts.write(sequence=[{"after": "45m"}, {"after": "24h"}])
    seen: set[str] = set()
    for n in (1, 2, 3):
        assert carts.winback("test", ME).code == 0
        assert (mailed(carts), len(ids(carts))) == (n, 1)
        seen |= {*ids(carts)}
    assert len(seen) == 3
    assert carts.winback("test", ME, "--remove").out == "cart: taken out\n"
    assert ids(carts) == []
    assert carts.winback("test", ME).code == 0
    assert (mailed(carts), len(ids(carts))) == (4, 1)


def test_what_failed_tests_left_is_taken_out_too(carts: Owner) -> None:
    carts.winback("test", ME)
    refusal = Fault(Reply(400, {"title": "Bad Request", "status": 400, "detail": "no"}))
    carts.mailchimp.server.fault = lambda request: refusal if request.method == "DELETE" else None
    for arguments in (("test", ME), ("test", ME, "--remove")):
        assert carts.winback(*arguments).code == 1
    carts.mailchimp.server.fault = None
    assert len(ids(carts)) == 1
    carts.winback("test", "you@acme.example")
    carts.winback("test", "you@acme.example", "--remove")
    assert len(ids(carts)) == 1
    carts.winback("test", ME, "--remove")
    assert ids(carts) == []


def test_the_cart_of_a_test_by_an_earlier_version_is_taken_away(carts: Owner) -> None:
    carts.winback("test", ME)
    (shop,) = carts.mailchimp.commerce.shops.values()

    def as_before() -> dict[str, Any]:
        name = hashlib.sha256("\n".join(("woo", "winback-test", ME, "2")).encode()).hexdigest()[:32]
        (cart,) = shop.carts.values()
        return {name: {**cart, "id": name}}

    shop.carts = as_before()
    carts.winback("test", ME)
    assert (mailed(carts), len(ids(carts))) == (2, 1)
    shop.carts = as_before()
    carts.winback("test", ME, "--remove")
    assert ids(carts) == []


def test_a_renamed_clients_test_is_taken_out(carts: Owner) -> None:
    carts.winback("sync")
    carts.winback("test", ME)
    carts.write(client="apex")
    assert carts.winback("client", "rename", "acme", "apex").code == 0
    carts.winback("test", ME, "--remove")
    assert ids(carts) == []


def test_of_a_client_that_is_removed_no_test_is_remembered(carts: Owner) -> None:
    carts.winback("sync")
    carts.winback("test", ME)
    assert remembered(carts) == 1
    assert carts.winback("client", "remove", "acme").code == 0
    assert remembered(carts) == 0


def remembered(owner: Owner) -> int:
    """How many clients' tests the database holds."""
    with sqlite3.connect(owner.folder / "data/winback.db") as connection:
        return int(connection.execute("select count(*) from settings where name like 'tests:%'").fetchone()[0])
