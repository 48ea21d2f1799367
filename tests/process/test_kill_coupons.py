"""kill -9 while coupons are being made: every shopper gets one, nobody a second, and none is left over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from processes import LateClock, Site, Trap, client, due_store, moments

from crm.sandbox import activecampaign, klaviyo

MakeSite = Callable[[dict[str, Any]], Site]
LONG = os.environ.get("LONG_TESTS") == "1"
SHOPPERS, KILLS = (200, 30) if LONG else (20, 3)
STEP = {"after": "30m", "coupon": {"percent": 10, "expires_in": "48h"}, "fields": {"CODE": "{{ coupon_code }}"}}


def test_every_shopper_gets_one_coupon_however_often_the_process_is_killed(site: MakeSite) -> None:
    store = due_store(LateClock(), SHOPPERS)
    crms: dict[str, Any] = {"bulk": klaviyo.serve(), "contacts": activecampaign.serve()}
    store.allow_coupons()
    sequence = [{**STEP, "crm": "bulk"}, {"after": "24h"}]
    acme = site(client({"woo": store}, crms, sequence=sequence))
    trap = Trap([store.server, crms["bulk"].server])
    kills = 0
    for turn, moment in enumerate(moments(acme.url[:8], KILLS, 20)):
        process = acme.start("run" if turn % 2 else "sync")
        trap.set(process, *moment)
        kills += process.end().code == -9
    last = acme.run("sync")
    assert kills == KILLS, "the work was done before the last kill: raise SHOPPERS"
    assert last.code == 0, last.err
    everyone = [f"shopper{n}@example.com" for n in range(SHOPPERS)]
    mailed = {email: crms["bulk"].fields(email)["CODE"] for email in everyone}
    there = Counter(one.code.upper() for one in store.coupons.all())
    assert Counter(mailed.values()) == there
    assert len(store.coupons.made_ever) == SHOPPERS
    times = Counter(effect.email for effect in crms["bulk"].effects if effect.what == "enrolled")
    assert set(times) == set(everyone)
    assert set(times.values()) == {1}
    for each in (store, *crms.values()):
        each.server.close()
