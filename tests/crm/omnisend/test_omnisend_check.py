"""Omnisend: what `check` finds, and whom it names."""

from __future__ import annotations

from typing import Any

import pytest
from omnisend_case import account, adapter
from samples import Trouble, calls

from connector.errors import ConfigError, TransientError
from connector.model import Identity
from connector.sandbox import Reply
from crm.omnisend import Omnisend
from crm.sandbox._omnisend_account import Automation
from crm.sandbox.omnisend import ENDING, OmnisendSandbox

AUTOMATIONS = "GET /api/automations"


def findings(sandbox: OmnisendSandbox, **changes: Any) -> list[tuple[str, str, str]]:
    found = adapter(sandbox, **changes).check().findings
    return [(finding.level, finding.subject, finding.message) for finding in found]


def test_check_names_the_brand_and_sends_nothing() -> None:
    with account() as sandbox:
        sandbox.automations[0].frequency = 1.0
        health = adapter(sandbox).check()
        assert health.identity == Identity("65f0c0de0000000000000001", "Acme")
        assert health.findings == (), "all is set as it should be"
        assert calls(sandbox) == ["GET /api/brands/current", "GET /api/contacts", AUTOMATIONS]


@pytest.mark.parametrize("lacking", ["brands.read", "contacts.read"])
def test_a_permission_that_is_needed_is_named(lacking: str) -> None:
    with account(lacking={lacking}) as sandbox, pytest.raises(ConfigError, match=f"permission {lacking}"):
        adapter(sandbox).check()


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_where_the_automations_are_not_shown_the_owner_is_told_what_to_set(status: int) -> None:
    with account() as sandbox:
        sandbox.server.fault = Trouble(AUTOMATIONS, Reply(status, {"detail": "No."}))
        assert findings(sandbox) == [("info", "exit condition", Omnisend.exit_condition)]


@pytest.mark.parametrize("body", [{}, {"automations": None}])
def test_an_answer_of_another_shape_counts_as_not_shown(body: dict[str, Any]) -> None:
    with account() as sandbox:
        sandbox.server.fault = Trouble(AUTOMATIONS, Reply(200, body))
        assert [level for level, _, _ in findings(sandbox)] == ["info"]


def test_trouble_on_the_way_is_not_taken_for_an_answer() -> None:
    with account() as sandbox:
        sandbox.server.fault = Trouble(AUTOMATIONS)
        with pytest.raises(TransientError):
            adapter(sandbox).check()


def test_no_automation_that_starts_with_the_event_is_a_warning() -> None:
    with account() as sandbox:
        sandbox.automations[0].enabled = False
        sandbox.automations.append(Automation("checkout left", ENDING))
        (first, second) = findings(sandbox)
        assert first[:2] == ("warning", "campaign")
        assert "starts with the event started checkout" in first[2]
        assert second[0] == "info"
        assert findings(sandbox, campaign={"event": "checkout left"})[0][:2] == ("info", "frequency")


@pytest.mark.parametrize(
    ("exits", "send_orders", "lacks"),
    [
        ((), True, "placed order and checkout withdrawn"),
        (("placed order",), True, "checkout withdrawn"),
        (("checkout withdrawn",), True, "placed order"),
        (("placed order",), False, "checkout withdrawn"),
        (("checkout withdrawn",), False, ""),
        (("order canceled", *ENDING), True, ""),
    ],
)
def test_an_exit_condition_that_is_missing_is_a_warning(exits: tuple[str, ...], send_orders: bool, lacks: str) -> None:
    with account() as sandbox:
        sandbox.automations = [Automation("started checkout", exits, "Come back", frequency=1.0)]
        said = [(level, words) for level, _, words in findings(sandbox, send_orders=send_orders)]
        words = f"The automation Come back lacks the exit condition {lacks}: buyers stay in it."
        assert said == ([("warning", words)] if lacks else [])


@pytest.mark.parametrize(
    ("automation", "level", "words"),
    [
        (Automation("started checkout", ENDING, once=True), "warning", "lets each contact in once for ever"),
        (Automation("started checkout", ENDING), "info", "to 1 hour"),
    ],
)
def test_a_frequency_that_does_harm_is_a_warning(automation: Automation, level: str, words: str) -> None:
    with account() as sandbox:
        sandbox.automations = [automation]
        ((found, subject, message),) = findings(sandbox)
        assert (found, subject) == (level, "frequency")
        assert words in message


@pytest.mark.parametrize(
    ("platform", "connected", "send_orders", "warned"),
    [
        ("shopify", True, True, True),
        ("WooCommerce", True, True, True),
        ("shopify", True, False, False),
        ("shopify", False, True, False),
        ("api", True, True, False),
    ],
)
def test_orders_that_would_count_twice_are_a_warning(
    platform: str, connected: bool, send_orders: bool, warned: bool
) -> None:
    with account(platform=platform) as sandbox:
        sandbox.automations[0].frequency = 1.0
        sandbox.brand["connected"] = connected
        found = adapter(sandbox, send_orders=send_orders).check().findings
        assert [finding.subject for finding in found] == (["send_orders"] if warned else [])
        assert all(platform in finding.message for finding in found)
