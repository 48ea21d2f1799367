"""Makes the program on a folder of its own a fixture."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import Site


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Callable[[dict[str, Any]], Site]]:
    """Makes the program's folder for a configuration; what was started there is ended."""
    made: list[Site] = []

    def make(config: dict[str, Any]) -> Site:
        made.append(Site(tmp_path, database_url, config))
        return made[-1]

    yield make
    for each in made:
        each.close()
