"""Makes the program on a folder of its own a fixture, as in tests/process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "process"))

from processes import Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Site]]:
    """Makes the program's folder for a configuration; what was started there is ended."""
    made: list[Site] = []

    def make(config: dict[str, Any]) -> Site:
        made.append(Site(tmp_path, f"sqlite:///{tmp_path / 'winback.db'}", config))
        return made[-1]

    yield make
    for each in made:
        each.close()
