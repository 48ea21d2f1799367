"""A simulated month in small; `python bench/year.py` plays the whole year."""

from __future__ import annotations

import os
from datetime import timedelta

from year.simulation import simulate

SEED = int(os.environ.get("YEAR_SEED", "11"))


def test_a_month_of_shoppers_troubles_and_edits() -> None:
    found = simulate(
        SEED, checkouts=140, length=timedelta(days=26), beat=timedelta(hours=1), trouble_every=timedelta(days=2)
    )
    against = [f"{promise.text}: {words}" for promise in found.promises for words in promise.against]
    assert not against, "\n".join([f"YEAR_SEED={SEED}", *against[:40]])
    assert all(promise.tried for promise in found.promises), found.promises
    assert found.counts["kills"] >= 2
    assert found.counts["restarts"] > found.counts["kills"]
