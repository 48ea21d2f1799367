"""Each platform that is asked and each CRM, one after the other; those that tell by themselves: test_pushed.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clock import Clock
from conformance_case import Account, Moody, Store, a_store, an_account, stores

from connector.registry import CRMS


@pytest.fixture(scope="session")
def shared_http() -> Moody:
    """One TLS context for all tests: making it is slow."""
    return Moody()


@pytest.fixture
def http(shared_http: Moody) -> Iterator[Moody]:
    yield shared_http
    shared_http.close()  # the next sandbox may get the same port


@pytest.fixture(params=stores())
def store(request: pytest.FixtureRequest, clock: Clock, http: Moody) -> Iterator[Store]:
    with a_store(request.param, clock, http) as made:
        yield made


@pytest.fixture(params=sorted(CRMS))
def account(request: pytest.FixtureRequest, clock: Clock, http: Moody) -> Iterator[Account]:
    with an_account(request.param, clock, http) as made:
        yield made
