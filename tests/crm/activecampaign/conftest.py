"""An account, and an adapter that has made its fields and tags there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from activecampaign_case import FIELDS, TAGS, adapter_for
from clock import Clock

from crm.activecampaign import ActiveCampaign
from crm.sandbox.activecampaign import ActiveCampaignSandbox, serve


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[ActiveCampaignSandbox]:
    account = serve(clock)
    with account.server:
        yield account


@pytest.fixture
def adapter(sandbox: ActiveCampaignSandbox) -> ActiveCampaign:
    ready = adapter_for(sandbox)
    ready.prepare(list(FIELDS), TAGS)
    sandbox.server.journal.clear()
    return ready
