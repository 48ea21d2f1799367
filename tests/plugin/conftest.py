"""One WordPress for all tests here, clean before each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from wordpress import WordPress, missing, wordpress


@pytest.fixture(scope="session")
def running() -> Iterator[WordPress]:
    """The site, as the first test finds it."""
    if lacks := missing():
        pytest.skip(lacks)
    with wordpress() as site:
        yield site


@pytest.fixture
def site(running: WordPress) -> Iterator[WordPress]:
    """The site without a checkout; PHP must have nothing to complain about afterwards."""
    running.clean()
    yield running
    assert running.log() == ""
