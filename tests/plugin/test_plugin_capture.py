"""What is stored of a checkout, and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from browser import Browser
from wordpress import WordPress


def classic(browser: Browser, email: str, **fields: str) -> int:
    """Sends what our script on the classic checkout sends, with the nonce that the page holds."""
    page = browser.get("/checkout/").text
    nonce = page.split('"nonce":"')[1].split('"')[0]
    return browser.post("/?wc-ajax=winback", nonce=nonce, email=email, **fields).status


def test_block_checkout_is_stored_with_the_whole_cart(site: WordPress) -> None:
    shopper = site.browser()
    shopper.act("add", product=13, variation_id=16, variation={"attribute_colour": "Red"}, quantity=2)
    shopper.act("add", product=12)
    shopper.act("coupon", code="welcome5")
    shopper.type("jose@example.com", first_name="José", last_name="Nuñez & Søn", phone="+49 30 555", address_1="Weg 1")
    found = site.one()
    assert (found["email"], found["first_name"], found["last_name"]) == ("jose@example.com", "José", "Nuñez & Søn")
    assert (found["status"], found["stage"], found["rev"], found["country"]) == ("open", "address", 1, "DE")
    assert (found["subtotal"], found["discount"], found["total"]) == ("253.20", "5.00", "253.10")
    assert (found["currency"], found["coupons"], found["consent"]) == ("EUR", ["welcome5"], None)
    jacket, socks = found["lines"]
    assert (jacket["variation"], jacket["attributes"]) == ({"attribute_colour": "Red"}, "Colour: Red")
    assert (jacket["quantity"], jacket["price"], jacket["total"]) == (2, "119.00", "238.00")
    assert (socks["name"], socks["variation"], socks["sku"]) == ("Merino Socks & Co", {}, "SOCK-02")
    assert "key" not in socks
    assert "extra" not in socks


def test_nothing_is_stored_before_the_address_is_known(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.get("/checkout/")
    shopper.type("", first_name="Ann")
    shopper.type("ann@")
    assert site.checkouts() == []


def test_prefixes_of_an_address_go_to_one_row(site: WordPress) -> None:
    shopper = site.shopper(11)
    for typed in ("slow@example.c", "slow@example.co", "slow@example.com"):
        shopper.type(typed)
    assert (site.one()["email"], site.one()["rev"]) == ("slow@example.com", 3)


@pytest.mark.parametrize(
    "mangled", ["ünï@example.com", "ann@exämple.com", "ann <ann@example.com>", "a" * 250 + "@example.com"]
)
def test_an_address_that_wordpress_would_mangle_is_nobodys(site: WordPress, mangled: str) -> None:
    shopper = site.shopper(11)
    shopper.type(mangled)
    assert classic(shopper, mangled) == 200
    assert site.checkouts() == []
    shopper.act("order", email=mangled)
    assert site.checkouts() == []


def test_a_mangled_address_that_the_form_shows_afterwards_is_nobodys_either(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ünï@example.com")
    shopper.type("n@example.com", first_name="Ünï")
    shopper.get("/checkout/")
    assert site.checkouts() == []
    shopper.type("uni@example.com")
    assert site.one()["email"] == "uni@example.com"


def test_a_push_of_the_postal_address_alone_keeps_the_email(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    site.sql("DELETE FROM wp_winback_checkouts")  # as if the first push had been lost
    shopper.push({"shipping_address": {"city": "Berlin"}})
    assert site.one()["email"] == "ann@example.com"


def test_names_lose_markup_and_length(site: WordPress) -> None:
    site.shopper(11).type("ann@example.com", first_name="<b>Ann</b><script>x</script>", last_name="N" * 300)
    assert (site.one()["first_name"], site.one()["last_name"]) == ("Ann", "N" * 100)


@pytest.mark.parametrize(
    ("typed", "kept"), [("at", "AT"), ("Win at https://evil.example/x", "DE"), ("DEU", "DE"), ("D\n", "DE")]
)
def test_a_country_is_two_letters(site: WordPress, typed: str, kept: str) -> None:
    """Else the one that the store knows stays."""
    assert classic(site.shopper(11), "ann@example.com", country=typed) == 200
    assert site.one()["country"] == kept


def test_eight_first_captures_at_once_make_one_row(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.get("/checkout/")
    typed = {"billing_address": {"email": "ann@example.com"}}
    with ThreadPoolExecutor(8) as pool:
        # Slow enough for each to find no row before the first has made one.
        list(pool.map(lambda _: Browser(site.url, dict(shopper.cookies)).push(typed, x_slow="1500"), range(8)))
    assert site.one()["email"] == "ann@example.com"
    assert site.api("visits").json["days"][0]["contactable"] == 1


def test_two_browsers_with_one_address_are_two_checkouts(site: WordPress) -> None:
    for _ in range(2):
        site.shopper(11).type("ann@example.com")
    assert [found["email"] for found in site.checkouts()] == ["ann@example.com"] * 2


def test_changes_of_the_cart_are_followed_and_views_are_not(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    shopper.get("/")
    shopper.get("/cart/")
    assert site.one()["rev"] == 1
    shopper.act("add", product=12)
    assert (site.one()["rev"], len(site.one()["lines"])) == (2, 2)


def test_an_emptied_cart_and_its_refill_are_one_checkout(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    token = site.one()["token"]
    shopper.act("remove", key=shopper.look()["cart"][0]["key"])
    assert (site.one()["status"], len(site.one()["lines"])) == ("emptied", 1)
    shopper.act("add", product=12)
    found = site.one()
    assert (found["status"], found["token"], found["lines"][0]["sku"]) == ("open", token, "SOCK-02")


def test_only_the_shopper_moves_activity(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    order = shopper.act("order", email="ann@example.com")["id"]
    site.age(3600)
    before = site.one()
    shopper.act("status", order=order, to="cancelled")
    after = site.one()
    assert after["updated_at"] > before["updated_at"]
    assert after["activity_at"] <= before["activity_at"]


def test_a_look_at_the_checkout_page_is_activity_once_a_minute(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    site.age(3600)
    shopper.get("/checkout/")
    assert (site.one()["rev"], site.one()["activity_at"] > site.one()["created_at"]) == (2, True)
    shopper.get("/checkout/")
    assert site.one()["rev"] == 2


def test_classic_checkout(site: WordPress) -> None:
    shopper = site.shopper(11)
    page = shopper.get("/checkout/").text
    assert "classic-checkout.js" in page
    assert classic(shopper, "ann@example.com", first_name="Ann", country="AT") == 200
    found = site.one()
    assert (found["email"], found["first_name"], found["country"]) == ("ann@example.com", "Ann", "AT")
    assert shopper.look()["customer"]["billing_email"] == "ann@example.com"
    shopper.act("add", product=12)
    assert (site.one()["first_name"], site.one()["rev"]) == ("Ann", 2)  # a change of the cart forgets no name


def test_classic_checkout_needs_the_nonce_of_the_same_browser(site: WordPress) -> None:
    shopper, other = site.shopper(11), site.shopper(11)
    nonce = shopper.get("/checkout/").text.split('"nonce":"')[1].split('"')[0]
    for wrong in (nonce, "", "0"):
        assert other.post("/?wc-ajax=winback", nonce=wrong, email="ann@example.com").status == 403
    assert site.checkouts() == []


def test_classic_totals_refresh_captures_without_our_script(site: WordPress) -> None:
    shopper = site.shopper(11)
    form = urlencode({"billing_email": "ann@example.com", "billing_first_name": "Ann", "automatewoo_optin": "on"})
    shopper.post("/?wc-ajax=update_order_review", post_data=form)
    assert (site.one()["first_name"], site.one()["consent"]["source"]) == ("Ann", "automatewoo_optin")


def test_an_account_is_captured_without_typing(site: WordPress) -> None:
    anna = site.shopper(11)
    anna.log_in(2)
    anna.get("/checkout/")
    assert (site.one()["email"], site.one()["customer_id"]) == ("anna@example.com", 2)


def test_a_guest_who_logs_in_at_the_checkout_keeps_one_open_checkout(site: WordPress) -> None:
    old = site.shopper(12)
    old.log_in(2)
    old.get("/checkout/")
    guest = site.shopper(11)
    guest.type("anna.private@example.com")
    guest.log_in(2)
    guest.get("/checkout/")
    before, after = site.checkouts()
    assert [before["status"], after["status"]] == ["emptied", "open"]
    assert (after["customer_id"], after["lines"][0]["sku"]) == (2, "MUG-01")
    guest.act("order", email="anna@example.com", then="processing")
    assert [found["status"] for found in site.checkouts()] == ["emptied", "completed"]


def test_consent_of_block_fields(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.act("tick", field="acme/terms", value="yes")
    shopper.act("tick", field="acme/sms-marketing", value="yes")
    shopper.act("tick", field="acme/newsletter-opt-out", value="yes")
    shopper.type("ann@example.com")
    assert site.one()["consent"] is None
    shopper.act("tick", field="acme/newsletter", value="no")
    assert site.one()["consent"]["state"] == "not_opted_in"
    shopper.act("tick", field="acme/newsletter", value="yes")
    shopper.act("tick", field="acme/marketing-opt-in", value="no")
    consent = site.one()["consent"]
    assert (consent["state"], consent["source"]) == ("opted_in", "acme/newsletter")
    assert consent["at"].endswith("Z")
    shopper.act("tick", field="acme/newsletter", value="no")
    shopper.act("tick", field="acme/marketing-opt-in", value="yes")
    assert site.one()["consent"]["source"] == "acme/marketing-opt-in"
    shopper.act("tick", field="acme/marketing-opt-in", value="no")
    assert site.one()["consent"]["state"] == "not_opted_in"


def test_consent_of_classic_boxes_and_of_newsletter_plugins(site: WordPress) -> None:
    shopper = site.shopper(11)
    classic(shopper, "ann@example.com", **{"consent[mailchimp_woocommerce_newsletter]": "1", "consent[terms]": "1"})
    assert site.one()["consent"]["source"] == "mailchimp_woocommerce_newsletter"
    site.clean()
    other = site.shopper(11)
    other.act("order", email="bob@example.com", then="failed", extensions={"mailpoet": {"optin": "1"}})
    assert site.one()["consent"]["source"] == "mailpoet/optin"


def test_visits_count_checkouts_and_not_page_views(site: WordPress) -> None:
    for name in ("", "ann@example.com"):
        shopper = site.shopper(11)
        shopper.get("/checkout/")
        shopper.get("/checkout/")
        if name:
            shopper.type(name)
            shopper.type(name, first_name="A")
    site.browser().get("/checkout/")  # an empty cart is no checkout
    site.shopper(11).get("/checkout/", sec_purpose="prefetch;prerender")
    (day,) = site.api("visits").json["days"]
    assert (day["started"], day["contactable"]) == (2, 1)


def test_the_next_checkout_of_the_same_browser_counts_again(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.get("/checkout/")
    shopper.type("ann@example.com")
    shopper.act("order", email="ann@example.com", then="processing")
    shopper.act("add", product=12)
    shopper.get("/checkout/")
    shopper.type("ann@example.com", first_name="Ann")
    first, second = site.checkouts()
    assert (first["status"], second["status"], second["parent_id"]) == ("completed", "open", 0)
    (day,) = site.api("visits").json["days"]
    assert (day["started"], day["contactable"]) == (2, 2)


def test_a_late_push_after_payment_makes_no_new_checkout(site: WordPress) -> None:
    shopper = site.shopper(11)
    shopper.type("ann@example.com")
    shopper.act("order", email="ann@example.com", then="processing", keep_cart="1")
    shopper.type("ann@example.com", first_name="late")
    assert site.one()["status"] == "completed"


def test_a_fault_of_ours_does_not_stop_the_checkout(site: WordPress) -> None:
    shopper = site.shopper(11)
    site.sql("RENAME TABLE wp_winback_checkouts TO gone")
    try:
        shopper.type("ann@example.com")
        assert shopper.act("order", email="ann@example.com", then="processing")["id"] >= 1000
    finally:
        site.sql("RENAME TABLE gone TO wp_winback_checkouts")
    site.forget_log()
