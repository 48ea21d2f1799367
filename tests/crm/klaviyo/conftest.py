"""Accounts of each kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crm.sandbox.klaviyo import KlaviyoSandbox, serve


@pytest.fixture
def sandbox() -> Iterator[KlaviyoSandbox]:
    """An account whose flow starts with the event Started Checkout."""
    made = serve()
    yield made
    made.server.close()


@pytest.fixture
def by_list() -> Iterator[KlaviyoSandbox]:
    """An account whose flow starts with joining the list."""
    made = serve(by_list=True)
    yield made
    made.server.close()


@pytest.fixture(params=["metric", "list"])
def either(request: pytest.FixtureRequest) -> Iterator[KlaviyoSandbox]:
    """One account of each kind."""
    made = serve(by_list=request.param == "list")
    yield made
    made.server.close()
