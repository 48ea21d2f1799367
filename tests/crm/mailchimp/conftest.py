"""Accounts as a test wants them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mailchimp_case import Make, cases


@pytest.fixture
def make() -> Iterator[Make]:
    """Sandboxes that are closed after the test."""
    with cases() as start:
        yield start
