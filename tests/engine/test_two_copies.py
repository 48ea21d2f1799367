"""Two daemons on two copies of one database (a staging machine with the volume and the keys): what they repeat."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clock import Clock
from world import World

from connector.engine.backup import backup
from crm.sandbox import activecampaign, klaviyo, mailchimp, omnisend

OLD, ANN = "old@example.com", "ann@example.com"
WAYS: dict[str, Any] = {
    "klaviyo-metric": (klaviyo, {}),
    "klaviyo-list": (klaviyo, {"by_list": True}),
    "activecampaign": (activecampaign, {}),
    **{f"mailchimp-{path}": (mailchimp, {"path": path.replace("-", "_")}) for path in ("tag", "event", "native-cart")},
    "omnisend": (omnisend, {}),
    "mailchimp-journey": (mailchimp, {"path": "journey"}),
}
REPEATS = {
    "mailchimp-journey",
    "mailchimp-event",
}  # the one cannot be asked, the other is asked only after a lost answer


@pytest.mark.parametrize("way", WAYS)
def test_each_step_starts_once_where_the_crm_can_tell(tmp_path: Path, clock: Clock, way: str) -> None:
    module, options = WAYS[way]
    account = module.serve(clock=clock, **options)
    crm = {"id": "crm", **account.options(), "subscribe": "eligible"}
    more: dict[str, Any] = {"crms": [crm], "sequence": [{"after": "30m"}, {"after": "14h", "tags": ["second"]}]}
    (tmp_path / "twin").mkdir()
    acme = World(tmp_path, f"sqlite:///{tmp_path}/one.db", clock, **more)
    acme.woo.abandon(OLD)
    acme.after(hours=1)
    backup(acme.url, tmp_path / "copy.db")
    shutil.copy(tmp_path / "copy.db", tmp_path / "twin" / "two.db")
    twin = World(tmp_path / "twin", f"sqlite:///{tmp_path}/twin/two.db", clock, **more, stores=acme.config["stores"])
    counts = []
    for _ in range(2):
        acme.woo.abandon(ANN)
        for hours in (0.2, 0.5, 14, 0.1):
            clock.advance(timedelta(hours=hours))
            acme.sync()
            twin.sync()
        counts.append(Counter(each.email for each in account.effects if each.what == "enrolled"))
        clock.advance(timedelta(days=8))
    one = acme_alone(way)
    once = {OLD: one, ANN: one}
    twice = {OLD: 2 * one - 1, ANN: 2 * one}
    assert counts[0] == (twice if way in REPEATS else once)
    assert counts[1][ANN] == 2 * counts[0][ANN], "and so for the next lead"
    for each in (acme, twin):
        each.close()
    account.server.close()


def acme_alone(way: str) -> int:
    """How often something starts for two steps where one daemon works: a tag and a cart are there already."""
    return 1 if way in ("mailchimp-tag", "mailchimp-native-cart") else 2
