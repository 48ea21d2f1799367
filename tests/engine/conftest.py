"""Makes the sandbox world a fixture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from clock import Clock

sys.path.insert(0, str(Path(__file__).parent))

from coupon_case import STEPS, Make
from world import World, world


@pytest.fixture
def acme(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[World]:
    """A client with two stores and one CRM, on each database."""
    with world(tmp_path, database_url, clock) as made:
        yield made


@pytest.fixture
def promising(tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[Make]:
    """Makes a client whose second step promises a coupon, or one with other keys."""
    with ExitStack() as opened:

        def build(**client: Any) -> World:
            return opened.enter_context(world(tmp_path, sqlite_url, clock, **{"sequence": STEPS, **client}))

        yield build
