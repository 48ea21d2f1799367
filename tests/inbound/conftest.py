"""A site that tells by itself, on a database of each kind or on SQLite only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from pushed_world import PushedWorld, pushed_world


@pytest.fixture
def world(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[PushedWorld]:
    with pushed_world(tmp_path, database_url, clock) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[PushedWorld]:
    """Where the database does not matter."""
    with pushed_world(tmp_path, sqlite_url, clock) as made:
        yield made
