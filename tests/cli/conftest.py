"""Makes the owner's folder a fixture."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_case import Owner


@pytest.fixture
def owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Owner]:
    """Alone in an empty folder, with a configuration and sandbox servers."""
    made = Owner(tmp_path, capsys)
    yield made
    made.close()
