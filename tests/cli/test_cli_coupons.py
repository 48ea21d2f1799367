"""Coupons as an owner meets them: in `check`, `test`, `sync` and `explain`."""

from __future__ import annotations

import pytest
from cli_case import ANN, Owner

PROMISING = [{"after": "45m", "coupon": {"percent": 10, "expires_in": "48h"}, "fields": {"CODE": "{{ coupon_code }}"}}]


@pytest.fixture
def promising(owner: Owner) -> Owner:
    """An owner whose only step carries a coupon, and whose stores let it be made."""
    owner.write(sequence=PROMISING)
    owner.woo.allow_coupons()
    owner.shop.allow_coupons()
    return owner


def test_check_says_what_the_stores_must_allow(promising: Owner) -> None:
    assert promising.winback("check").code == 0
    promising.woo.key.permissions = "read"
    promising.shop.scopes.discard("write_discounts")
    said = promising.winback("check")
    assert said.code == 1
    assert "acme/woo: FAILED" in said.out
    assert "none can be made: woo: the key may only read" in said.out
    assert "give it the permission Read/Write" in said.out
    assert "acme/shop: FAILED" in said.out
    assert "the app lacks the scope write_discounts. Add it: Dev Dashboard" in said.out
    assert not promising.woo.coupons.made_ever + promising.shop.coupons.made_ever


def test_check_asks_only_stores_whose_shoppers_are_promised_one(promising: Owner) -> None:
    promising.woo.key.permissions = "read"
    promising.write(sequence=[{**PROMISING[0], "when": {"stores": ["shop"]}}])
    assert promising.winback("check").code == 0


def test_a_dry_run_makes_none(promising: Owner) -> None:
    promising.leave()
    said = promising.winback("sync", "--dry-run")
    assert (said.code, ANN in said.out) == (0, True)
    assert not promising.woo.coupons.made_ever


def test_sync_makes_one_and_explain_tells_of_it(promising: Owner) -> None:
    promising.leave()
    assert promising.winback("sync").code == 0
    (coupon,) = promising.woo.coupons.all()
    assert promising.klaviyo.fields(ANN)["CODE"] == coupon.code.upper()
    told = promising.winback("explain", ANN).out
    assert f"Z       coupon {coupon.code.upper()} made in woo, good until" in told, "in the column of what happened"


def test_sync_fails_with_the_store_s_name_where_none_can_be_made(promising: Owner) -> None:
    promising.woo.key.permissions = "read"
    promising.leave()
    said = promising.winback("sync")
    assert said.code == 1
    assert "acme/woo: woo: the key may only read" in said.err
    assert "coupon: woo: the key may only read" in promising.winback("deliveries").out


def test_the_test_makes_a_real_one_and_takes_it_back(promising: Owner) -> None:
    said = promising.winback("test", "me@acme.example")
    assert said.code == 0, said
    (coupon,) = promising.woo.coupons.all()
    code = coupon.code.upper()
    assert coupon.expires is not None
    assert f"woo: coupon {code} made for step 1, a real one, good until" in said.out
    assert promising.klaviyo.fields("me@acme.example")["CODE"] == code
    assert coupon.made.microsecond == 0
    assert (coupon.expires - coupon.made).total_seconds() <= 86401
    promising.winback("test", "me@acme.example")
    assert [one.code.upper() for one in promising.woo.coupons.all()] == [code]
    said = promising.winback("test", "me@acme.example", "--remove")
    assert said.out == "1 coupon deleted\nmail: taken out\n"
    assert promising.woo.coupons.all() == []


def test_the_test_sends_nothing_where_no_coupon_can_be_made(promising: Owner) -> None:
    promising.woo.key.permissions = "read"
    said = promising.winback("test", "me@acme.example")
    assert said.code == 1
    assert "coupons: FAILED: woo: the key may only read" in said.out
    assert not promising.klaviyo.effects


def test_adapters_tells_who_makes_them(owner: Owner) -> None:
    rows = owner.winback("adapters", "--json", path="").json
    assert {row["name"] for row in rows if "coupons" in row["capabilities"]} >= {"shopify", "woocommerce"}
