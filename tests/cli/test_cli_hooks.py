"""`winback hooks`, and what `check` says of webhooks."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from cli_case import Owner

from platforms.sandbox import woocommerce

URL = "https://winback.example"
OLD = "https://old.example"


@pytest.fixture
def hooked(owner: Owner) -> Owner:
    """An owner whose daemon can be reached from outside, and whose keys may write."""
    owner.woo.key.permissions = "read_write"
    settings(owner, public_url=URL)
    return owner


def settings(owner: Owner, **values: Any) -> None:
    (owner.folder / "winback.yaml").write_text(yaml.safe_dump({"database_url": "sqlite:///winback.db", **values}))


def test_they_are_installed_listed_and_removed(hooked: Owner) -> None:
    assert hooked.winback("hooks").out == "no webhooks are installed\n"
    said = hooked.winback("hooks", "install")
    assert said.code == 0, said
    assert said.out.splitlines() == [
        *(f"acme/woo: order.{event}: installed" for event in ("created", "updated")),
        *(f"acme/shop: {topic}: installed" for topic in ("checkouts/update", "orders/create", "orders/updated")),
    ]
    again = hooked.winback("hooks", "install")
    assert again.code == 0
    assert again.out.splitlines() == [
        f"acme/{id_}: nothing to do, all webhooks are installed" for id_ in ("woo", "shop")
    ]
    listed = hooked.winback("hooks", "list")
    assert listed.out.count(f"{URL}/hooks/acme/") == 5
    assert listed.out.count(" ok") == 5
    removed = hooked.winback("hooks", "remove")
    assert removed.code == 0
    assert removed.out.count("removed from") == 5
    assert hooked.winback("hooks", "list").out == "no webhooks are installed\n"


def test_one_store_alone(hooked: Owner) -> None:
    assert hooked.winback("hooks", "install", "--store", "shop").out.count("installed") == 3
    assert hooked.woo.hooks.all == {}
    assert "did you mean shop?" in hooked.winback("hooks", "install", "--store", "shopp").refused()
    assert "there is no client ocme" in hooked.winback("hooks", "install", "--client", "ocme").refused()


def test_a_new_address_is_told_by_check_and_mended_by_install(hooked: Owner) -> None:
    settings(hooked, public_url=OLD)
    hooked.winback("hooks", "install")
    settings(hooked, public_url=URL)
    checked = hooked.winback("check")
    assert checked.code == 0
    assert checked.out.count(f"Webhooks lead to {OLD}/hooks/acme/") == 2
    assert hooked.winback("hooks", "list").out.count("another address than public_url") == 5
    hooked.winback("hooks", "install")
    fine = hooked.winback("check").out
    assert fine.count("and lead here") == 2
    assert OLD not in fine


def test_check_says_where_there_are_none_and_where_one_was_switched_off(hooked: Owner) -> None:
    assert hooked.winback("check").out.count("No webhooks are installed") == 2
    hooked.winback("hooks", "install")
    hooked.woo.hooks.all[2].status = "disabled"
    said = hooked.winback("check")
    assert "warning: Webhook order.updated: WooCommerce has switched it off" in said.out
    assert said.code == 0, "the store can be read all the same"


def test_check_is_silent_where_no_store_could_reach_us(owner: Owner) -> None:
    assert "ebhook" not in owner.winback("check").out


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "public_url is missing in winback.yaml"),
        ({"public_url": "http://winback.example"}, "http://winback.example, which is not https"),
        ({"public_url": "http://10.0.0.7:8484"}, "which is not https"),
    ],
)
def test_without_an_address_that_is_safe_nothing_is_installed(owner: Owner, values: Any, words: str) -> None:
    settings(owner, **values)
    assert words in owner.winback("hooks", "install").refused()
    assert owner.shop.server.journal == []


def test_they_are_removed_without_an_address_too(hooked: Owner) -> None:
    hooked.winback("hooks", "install")
    settings(hooked)
    assert hooked.winback("hooks", "list").out.count(f"{URL}/hooks/acme/") == 5
    assert hooked.winback("hooks", "remove").out.count("removed from") == 5


def test_a_store_that_refuses_is_named_and_the_other_goes_on(hooked: Owner) -> None:
    hooked.woo.key.permissions = "read"
    said = hooked.winback("hooks", "install")
    assert said.code == 1
    (line,) = [line for line in said.out.splitlines() if "FAILED" in line]
    assert line.startswith("acme/woo: FAILED: ")
    assert "Read/Write" in line
    assert said.out.count("acme/shop: ") == 3


def test_nothing_is_installed_in_another_account_than_the_one_that_is_known(hooked: Owner) -> None:
    hooked.winback("hooks", "install", "--store", "woo")
    hooked.winback("hooks", "remove", "--store", "woo")
    with woocommerce.serve(permissions="read_write") as staging:
        hooked.write(stores=[{"id": "woo", **staging.options()}])
        said = hooked.winback("hooks", "install", "--store", "woo")
        assert said.code == 1
        assert "winback adopt" in said.out
        assert staging.hooks.all == {}


def test_no_secret_is_shown(hooked: Owner) -> None:
    said = [
        hooked.winback(*words) for words in (("hooks", "install"), ("hooks", "list"), ("check",), ("hooks", "remove"))
    ]
    secrets = [one.secret for one in hooked.woo.hooks.all.values()]
    secrets += [hooked.woo.key.consumer_secret, hooked.shop.client_secret]
    assert not [secret for secret in secrets for one in said if secret in one.out + one.err]
