"""An account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from omnisend_case import account

from crm.sandbox.omnisend import OmnisendSandbox


@pytest.fixture
def sandbox() -> Iterator[OmnisendSandbox]:
    """An account whose automation starts with started checkout."""
    with account() as made:
        yield made
