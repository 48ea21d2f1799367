"""The main job over real sockets: enrolled exactly once, refreshed, suppressed, renewed, recovered, expired."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from world import World

from connector.engine import hand, view
from connector.engine.report import rows_of
from connector.model import ConsentState
from connector.sandbox import Fault, Reply
from platforms.sandbox import woocommerce

ANN = "ann@example.com"


def outage(path: str) -> Any:
    """A fault for every request whose path or body names this."""
    return lambda request: (
        Fault(reply=Reply(500, b"")) if path in request.path or path.encode() in request.body else None
    )


def test_an_abandoned_checkout_is_enrolled_exactly_once(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.sync()
    assert acme.states(ANN) == [("waiting", "R2")]
    acme.after(minutes=31)
    assert acme.effects() == [ANN]
    assert acme.states(ANN) == [("enrolled", "")]
    for _ in range(3):
        acme.after(minutes=5)
    assert acme.effects() == [ANN]


def test_new_activity_restarts_the_clock(acme: World) -> None:
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=20)
    acme.woo.touch(checkout, quantity=2)
    acme.after(minutes=20)
    assert acme.effects() == []
    acme.after(minutes=11)
    assert acme.effects() == [ANN]


def test_an_old_checkout_is_stale_and_can_be_enrolled_by_hand(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(hours=49)
    assert acme.states(ANN) == [("stale", "R3")]
    assert acme.effects() == []
    hand.enrol(acme.ctx, acme.client, ANN)
    acme.after(minutes=1)
    assert acme.effects() == [ANN]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_buyer_is_never_enrolled(acme: World, elsewhere: bool) -> None:
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=10)
    if elsewhere:
        acme.shop.buy(email=ANN)
    else:
        acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=30)
    assert acme.effects() == []
    assert acme.states(ANN) == [("self_recovered", "R7")]


def test_leads_are_held_while_orders_cannot_be_read(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.sync()
    acme.shop.server.fault = outage("orders(")
    acme.woo.server.fault = lambda r: Fault(reply=Reply(500, b"")) if r.param("status", "any") == "any" else None
    report = acme.after(minutes=31)
    assert set(report.errors) == {"acme/woo", "acme/shop"}
    assert acme.states(ANN) == [("held", "R4")]
    assert acme.effects() == []
    acme.woo.server.fault = None
    acme.after(minutes=16)  # the sister store is still out: it holds for an hour at most
    assert acme.states(ANN) == [("held", "R4")]
    acme.after(minutes=46)
    assert acme.effects() == [ANN]


def test_a_pass_decides_when_every_store_has_spoken(acme: World) -> None:
    acme.sync()
    acme.shop.server.fault = lambda _: Fault(Reply(503))
    acme.woo.abandon(ANN)
    acme.shop.buy(email=ANN)
    acme.after(minutes=20)
    acme.shop.server.fault = lambda _: Fault(delay=0.2)  # so that the other store's read ends long before
    acme.after(minutes=90)
    assert acme.states(ANN) == [("self_recovered", "R7")]
    line = next(iter(rows_of(acme.ctx, acme.client, acme.clock().date() - timedelta(days=1), "store")))
    assert (line["leads"], line["self_recovered"]) == (0, 1), "it was never one to be followed up"


def test_a_lead_that_no_orders_read_could_confirm_ends_too_late(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.sync()
    acme.woo.server.fault = lambda r: Fault(reply=Reply(500, b"")) if r.param("status", "any") == "any" else None
    acme.after(minutes=31)
    acme.after(hours=48)
    acme.woo.server.fault = None
    acme.after(minutes=16)
    assert acme.states(ANN) == [("too_late", "R3")]
    assert acme.effects() == []


def test_within_seven_days_a_second_checkout_only_refreshes(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(days=3))
    acme.woo.abandon(ANN, title="A Better Thing")
    acme.after(minutes=31)
    assert acme.effects() == [ANN]
    assert acme.states(ANN) == [("renewed_too_soon", "R5"), ("enrolled", "")]
    acme.after(days=5)  # the window ends, and nothing happens by itself
    assert acme.effects() == [ANN]


def test_a_revisit_after_seven_days_triggers_again(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(days=7))
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert acme.effects() == [ANN, ANN]


def test_the_window_outlives_a_purchase(acme: World) -> None:
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(hours=1))
    acme.woo.buy(checkout_id=checkout)
    acme.after(minutes=1)
    assert acme.states(ANN) == [("recovered", "R7")]
    acme.clock.advance(timedelta(days=2))
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert acme.states(ANN)[0] == ("renewed_too_soon", "R5")
    assert acme.effects() == [ANN]


def test_a_purchase_takes_the_shopper_out_until_acknowledged(acme: World) -> None:
    checkout = acme.woo.abandon(ANN)
    acme.after(minutes=31)
    acme.clock.advance(timedelta(minutes=10))
    acme.woo.buy(checkout_id=checkout)
    acme.crm.server.fault = lambda _: Fault(reply=Reply(500, b""))
    acme.after(minutes=1)
    assert acme.effects("withdrawn") == []
    for _ in range(12):
        acme.after(hours=6)
    acme.crm.server.fault = None
    acme.after(hours=6)
    assert acme.effects("withdrawn") == [ANN]
    assert ANN not in str(view.deliveries(acme.ctx, acme.client, everything=True))


def test_a_purchase_wins_over_an_enrolment_that_waits_for_its_crm(acme: World) -> None:
    checkout = acme.woo.abandon(ANN)
    acme.crm.server.fault = lambda _: Fault(reply=Reply(503, b"", {"Retry-After": "600"}))
    acme.after(minutes=31)
    assert acme.effects() == []
    acme.woo.buy(checkout_id=checkout)
    acme.crm.server.fault = None
    acme.after(minutes=31)
    acme.after(hours=1)
    assert acme.effects() == []


def test_a_checkout_started_soon_after_a_purchase_makes_no_lead(acme: World) -> None:
    acme.woo.buy(email=ANN)
    acme.after(hours=3)
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert acme.states(ANN) == [("bought_recently", "R7")]
    assert acme.effects() == []


def test_a_corrected_address_supersedes(acme: World) -> None:
    checkout = acme.woo.abandon("ann@exmaple.com")
    acme.after(minutes=31)
    assert acme.effects() == ["ann@exmaple.com"]
    acme.clock.advance(timedelta(minutes=5))
    acme.woo.touch(checkout, email=ANN)
    acme.after(minutes=31)
    assert acme.effects("withdrawn") == ["ann@exmaple.com"]
    assert acme.effects() == ["ann@exmaple.com"]  # one checkout triggers once, whatever address it carries
    assert acme.states(ANN) == [("superseded", "R6")]


def test_a_corrected_address_before_any_step_is_just_the_shopper(acme: World) -> None:
    checkout = acme.woo.abandon("ann@exmaple.com")
    acme.after(minutes=10)
    acme.woo.touch(checkout, email=ANN)
    acme.after(minutes=31)
    assert acme.effects() == [ANN]


def test_ninety_days(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert acme.crm.tags(ANN)
    acme.after(days=91)
    assert acme.crm.tags(ANN) == set()
    assert [row["state"] for row in view.leads(acme.ctx, acme.client)] == ["expired"]
    acme.after(days=91)
    acme.after(days=91)
    assert view.leads(acme.ctx, acme.client) == []


def test_unsubscribed_in_the_crm_ends_no_consent_and_opens_no_window(acme: World) -> None:
    acme.woo.abandon("seen@example.com")
    acme.after(minutes=31)
    acme.crm.unsubscribe("seen@example.com")
    acme.clock.advance(timedelta(days=8))
    acme.woo.abandon("seen@example.com")
    acme.after(minutes=31)
    assert acme.states("seen@example.com")[0] == ("no_consent", "R9")
    assert acme.effects() == ["seen@example.com"]


def test_an_unsubscribed_shopper_of_the_store_is_never_enrolled(acme: World) -> None:
    acme.shop.abandon(ANN, consent=ConsentState.UNSUBSCRIBED)
    acme.after(minutes=45)
    assert acme.states(ANN) == [("no_consent", "R9")]


def test_suppressed_and_forgotten_addresses(acme: World) -> None:
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    hand.forget(acme.ctx, acme.client, ANN, crms=True)
    acme.after(minutes=1)
    assert view.explain(acme.ctx, acme.client, ANN)["state"] == "suppressed"  # type: ignore[index]
    acme.clock.advance(timedelta(days=30))
    acme.woo.abandon(ANN)
    acme.after(minutes=31)
    assert set(acme.states(ANN)) == {("suppressed", "R10")}
    assert all(row["email"] is None for row in view.leads(acme.ctx, acme.client))
    assert acme.effects() == [ANN]


def test_another_account_behind_the_same_id_is_refused_until_adopted(acme: World) -> None:
    acme.sync()
    with woocommerce.serve(clock=acme.clock) as staging:
        staging.abandon(ANN)
        acme.restart(stores=[{"id": "woo", **staging.options()}, acme.config["stores"][1]])
        report = acme.after(minutes=31)
        assert "winback adopt" in report.errors["acme/woo"]
        assert any("winback adopt" in alert for alert in acme.alerts)
        assert acme.states(ANN) == []
        hand.adopt(acme.ctx, acme.client, "woo")
        assert acme.after(minutes=1).errors == {}
        assert acme.effects() == [ANN]


def test_the_surge_guard_holds_and_release_lets_go(acme: World) -> None:
    acme.sync()
    acme.clock.advance(timedelta(days=8))
    acme.woo.seed(150, [f"shopper{n}@example.com" for n in range(150)])
    acme.after(minutes=31)
    assert acme.effects() == []
    assert {state for state, _ in acme.states()} == {"held"}
    assert any("leads release" in alert for alert in acme.alerts)
    hand.release(acme.ctx, acme.client)
    acme.after(minutes=1)
    assert len(acme.effects()) == 150


def test_a_thousand_checkouts_make_a_thousand_enrolments_and_then_none(acme: World) -> None:
    acme.woo.seed(1000, [f"shopper{n}@example.com" for n in range(1000)])
    acme.after(minutes=31)
    assert len(acme.effects()) == len(set(acme.effects())) == 1000
    acme.after(minutes=1)
    assert len(acme.effects()) == 1000
