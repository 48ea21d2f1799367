"""The odd records of the stores, told by a site: each is taken or refused by itself, and what is taken is shown."""

from __future__ import annotations

from typing import Any

from clock import START
from odd_records import ODD, address, inbound_record
from pushed_world import PushedWorld

from connector.engine import view

# What a server's own program can be told to mend; a store's record of the kind is read all the same.
REFUSED = {
    "half a character", "no such currency", "below nothing", "a huge price", "a price with an exponent",
    "a name in many letters", "not a number", "a huge number of pieces", "the year 1", "the year 9999",
    "no time at all", "500 lines", "a price with a larger exponent", "a price with a tiny exponent",
    "pieces with an exponent", "a name that takes patterns long", "a heap of accents", "a title of a whole book",
}  # fmt: skip


def record(number: int) -> dict[str, Any]:
    """A checkout as the site has it."""
    now = START.isoformat()
    good = {"id": f"c-{number}", "started_at": now, "updated_at": now, "currency": "EUR", "total": "1.00"}
    return {**good, "url": "https://acme.example/cart", "lines": [{"title": "Shirt", "price": "1.00"}]}


def test_each_odd_record_is_taken_or_refused_by_itself(world: PushedWorld) -> None:
    records = [inbound_record(odd, {**record(number), "email": address(odd, number)}) for number, odd in enumerate(ODD)]
    good = {**record(len(ODD)), "email": "good@example.com"}
    said = world.site.post("checkouts", {"checkouts": [*records, good]})
    refused = {ODD[int(problem["path"].split(".")[1])].what for problem in said.body["refused"]}
    assert said.status == 422
    assert refused == REFUSED
    assert said.body["stored"] == len(ODD) + 1 - len(refused)
    for _ in range(2):
        report = world.after(minutes=45)
        assert not report.errors
    rows = world.leads()
    assert "good@example.com" in {effect.email for effect in world.crm.effects if effect.what == "enrolled"}
    for row in rows:
        story = view.explain(world.ctx, world.client, row["email"])
        assert story is not None
        assert story["state"] in ("enrolled", "waiting", "failed"), story
