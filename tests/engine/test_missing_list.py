"""The list of new subscribers is deleted in the CRM: the owner's to mend, and no lead is refused for it."""

from __future__ import annotations

from world import World

from connector.engine import view
from connector.model import ConsentState
from crm.sandbox.klaviyo import LIST

ANN = "ann@example.com"


def test_a_missing_list_pauses_the_account_and_costs_nobody_their_step(acme: World) -> None:
    kept = acme.crm.lists.pop(LIST)
    acme.shop.abandon(ANN, consent=ConsentState.OPTED_IN)
    for minutes in (20, 20, 20):
        acme.after(minutes=minutes)
    (row,) = view.deliveries(acme.ctx, acme.client)
    assert (row["state"], row["email"]) == ("pending", ANN)
    assert [alert for alert in acme.alerts if f"no list {LIST}" in alert] == acme.alerts != []
    acme.crm.lists[LIST] = kept
    acme.after(minutes=20)
    assert acme.effects() == [ANN]
    assert acme.crm.members() == {ANN}
