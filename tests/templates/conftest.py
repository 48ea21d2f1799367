"""A store owner with a CRM of each kind that takes templates; and lets the tests here find what they share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))

from cli_case import Owner
from templates_case import FIELDS


@pytest.fixture
def owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Owner]:
    """Alone in an empty folder, with the CRMs `mc`, `kl` and `ac`."""
    made = Owner(tmp_path, capsys)
    accounts = {"mc": made.mailchimp, "kl": made.klaviyo, "ac": made.activecampaign}
    made.write(crms=[{"id": name, **account.options(), "fields": FIELDS} for name, account in accounts.items()])
    yield made
    made.close()
