"""Makes the sandbox world a fixture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock

sys.path.insert(0, str(Path(__file__).parent))

from world import World, world


@pytest.fixture
def acme(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[World]:
    """A client with two stores and one CRM, on each database."""
    with world(tmp_path, database_url, clock) as made:
        yield made
