"""The recovery link: exactly that cart, in any browser, and nothing else."""

from __future__ import annotations

import pytest
from browser import Json
from wordpress import WordPress


def abandoned(site: WordPress) -> Json:
    """A guest's checkout with a variation, an engraving, a quantity and a coupon."""
    shopper = site.browser()
    shopper.act("add", product=13, variation_id=16, variation={"attribute_colour": "Red"}, extra={"engraving": "A & B"})
    shopper.act("add", product=11, quantity=3)
    shopper.act("coupon", code="welcome5")
    shopper.type("ann@example.com", first_name="Ann", last_name="Lee", phone="+49 30 555")
    return site.one()


def items(look: Json) -> list[tuple[int, int, Json, str | None]]:
    """What a cart holds, without its order."""
    return [
        (i["variation_id"] or i["product_id"], i["quantity"], i["variation"], i.get("engraving")) for i in look["cart"]
    ]


def test_a_fresh_browser_gets_exactly_that_cart(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    answer = visitor.get(f"/?wc-winback={found['token']}&utm_source=mail&utm_campaign=a%20b&add-to-cart=12")
    assert answer.status == 302
    assert answer.headers["location"] == f"{site.url}/checkout/?utm_source=mail&utm_campaign=a%20b"
    assert "no-store" in answer.headers["cache-control"]
    assert "noindex" in answer.headers["x-robots-tag"]
    look = visitor.look()
    assert items(look) == [(16, 1, {"attribute_colour": "Red"}, "A & B"), (11, 3, [], None)]
    assert (look["coupons"], look["user"], look["notices"]) == (["welcome5"], 0, None)
    customer = look["customer"]
    assert (customer["billing_email"], customer["shipping_first_name"]) == ("ann@example.com", "Ann")
    assert "billing_phone" not in customer


def test_the_coupon_of_the_email_is_applied_as_well(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    for _ in range(2):
        visitor.get(f"/?wc-winback={found['token']}&coupon=BACK-10")
    assert visitor.look()["coupons"] == ["welcome5", "back-10"]
    other = site.browser()
    assert other.get(f"/?wc-winback={found['token']}&coupon=expired").headers["location"].endswith("/checkout/")
    assert other.look()["notices"] == ["error: This coupon has expired."]


def test_a_mail_scanner_changes_nothing(site: WordPress) -> None:
    found = abandoned(site)
    for method in ("HEAD", "POST", "GET"):
        scanner = site.browser()
        scanner.get(f"/?wc-winback={found['token']}", method)
        assert bool(scanner.look()["cart"]) == (method == "GET")
    site.browser().follow(f"/?wc-winback={found['token']}")
    assert site.one() | {"updated_at": 0, "created_at": 0, "activity_at": 0} == found | {
        "updated_at": 0,
        "created_at": 0,
        "activity_at": 0,
    }
    assert site.api("visits").json["days"] == [] or site.api("visits").json["days"][0]["started"] == 1


def test_a_visitor_gets_a_row_of_its_own_once_it_types(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={found['token']}")
    visitor.type("friend@example.com", first_name="Fred")
    sender, child = site.checkouts()
    assert (sender["email"], sender["rev"]) == ("ann@example.com", found["rev"])
    assert (child["email"], child["parent_id"]) == ("friend@example.com", sender["id"])
    again = site.browser()
    again.follow(f"/?wc-winback={child['token']}")
    again.type("third@example.com")
    assert site.checkouts()[2]["parent_id"] == sender["id"]


def test_a_scanner_that_runs_scripts_makes_no_row_on_the_classic_checkout(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    page = visitor.follow(f"/?wc-winback={found['token']}").text
    visitor.post("/?wc-ajax=update_order_review", post_data="billing_email=ann%40example.com")
    assert len(site.checkouts()) == 1
    nonce = page.split('"nonce":"')[1].split('"')[0]
    visitor.post("/?wc-ajax=winback", nonce=nonce, email="ann@example.com", first_name="Anne")
    assert site.checkouts()[1]["parent_id"] == found["id"]


def test_an_order_after_the_link_completes_both(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={found['token']}")
    order = visitor.act("order", email="ann@example.com", then="processing")
    sender, child = site.checkouts()
    assert [sender["status"], child["status"]] == ["completed", "completed"]
    assert sender["order_id"] == child["order_id"] == order["id"]
    assert order["meta"] == {"_wc_winback_checkout": child["token"], "_wc_winback_parent": sender["token"]}
    assert site.browser().get(f"/?wc-winback={found['token']}").headers["location"].endswith("/cart/")


def test_a_failed_payment_of_the_visitor_leaves_the_sender_open(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={found['token']}")
    visitor.act("order", email="ann@example.com", then="failed")
    assert [row["status"] for row in site.checkouts()] == ["open", "open"]
    assert site.checkouts()[0]["stage"] == "contact"


def test_after_the_recovered_order_the_next_checkout_is_a_new_one(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={found['token']}")
    visitor.act("order", email="ann@example.com", then="processing")
    visitor.act("add", product=12)
    visitor.type("ann@example.com")
    assert (site.checkouts()[-1]["parent_id"], site.checkouts()[-1]["status"]) == (0, "open")


def test_the_same_browser_keeps_its_cart(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    token = site.one()["token"]
    shopper.act("add", product=12)
    assert shopper.get(f"/?wc-winback={token}").headers["location"] == f"{site.url}/checkout/"
    assert len(shopper.look()["cart"]) == 2
    shopper.act("empty")
    shopper.follow(f"/?wc-winback={token}")
    assert len(shopper.look()["cart"]) == 2
    assert (site.one()["status"], site.one()["token"]) == ("open", token)


def test_a_visitor_who_changed_the_cart_keeps_it_on_a_second_click(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={found['token']}")
    visitor.act("add", product=12)
    visitor.follow(f"/?wc-winback={found['token']}")
    assert len(visitor.look()["cart"]) == 3


def test_another_cart_of_the_browser_is_replaced_and_ends(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.shopper(12)
    visitor.type("ann@work.example")
    visitor.follow(f"/?wc-winback={found['token']}")
    assert [row["status"] for row in site.checkouts()] == ["open", "emptied"]
    visitor.type("ann@work.example", first_name="Ann")
    assert [row["parent_id"] for row in site.checkouts()] == [0, 0, found["id"]]


def test_a_logged_in_visitor_and_an_accounts_checkout_are_not_prefilled(site: WordPress) -> None:
    found = abandoned(site)
    bert = site.browser()
    bert.log_in(3)
    bert.follow(f"/?wc-winback={found['token']}")
    assert bert.look()["user"] == 3
    assert "billing_email" not in (bert.look()["customer"] or {})
    assert len(site.checkouts()) == 1
    site.clean()
    anna = site.shopper(11)
    anna.log_in(2)
    anna.get("/checkout/")
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={site.one()['token']}")
    assert (visitor.look()["user"], visitor.look()["customer"]) == (0, None)
    assert len(visitor.look()["cart"]) == 1


def test_products_that_are_gone(site: WordPress) -> None:
    found = abandoned(site)
    site.php("update_option('stub_gone_13', 1); return 1;")
    visitor = site.browser()
    assert visitor.get(f"/?wc-winback={found['token']}").headers["location"].endswith("/checkout/")
    assert [item["product_id"] for item in visitor.look()["cart"]] == [11]
    assert visitor.look()["notices"] == ["notice: Some of the products in this cart are no longer available."]
    site.php("update_option('stub_gone_11', 1); return 1;")
    assert site.browser().get(f"/?wc-winback={found['token']}").headers["location"].endswith("/cart/")


def test_more_than_the_store_sells_becomes_what_it_sells(site: WordPress) -> None:
    shopper = site.browser()
    shopper.act("add", product=12, quantity=9)
    shopper.type("ann@example.com")
    visitor = site.browser()
    visitor.get(f"/?wc-winback={site.one()['token']}")
    assert [item["quantity"] for item in visitor.look()["cart"]] == [5]


@pytest.mark.parametrize("token", ["", "0" * 32, "x", "%27%20OR%201=1", "[]=a", "A" * 32])
def test_a_wrong_token_leads_to_the_cart_and_keeps_it(site: WordPress, token: str) -> None:
    abandoned(site)
    visitor = site.shopper(12)
    link = "/?wc-winback" + ("%5B" + token[1:] if token.startswith("[") else f"={token}")
    assert visitor.get(link).headers["location"].endswith("/cart/")
    assert len(visitor.look()["cart"]) == 1
    assert visitor.look()["notices"] == ["notice: This link is no longer valid."]


def test_the_visitor_who_empties_the_cart_starts_anew(site: WordPress) -> None:
    found = abandoned(site)
    visitor = site.browser()
    visitor.follow(f"/?wc-winback={found['token']}")
    visitor.type("ann@example.com")
    visitor.act("empty")
    visitor.act("add", product=12)
    visitor.type("ann@example.com", first_name="Ann")
    assert [(row["status"], row["parent_id"]) for row in site.checkouts()] == [
        ("open", 0),
        ("emptied", found["id"]),
        ("open", 0),
    ]
