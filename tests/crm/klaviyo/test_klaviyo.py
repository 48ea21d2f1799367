"""Klaviyo: who is enrolled, with what, and at what cost."""

from __future__ import annotations

from typing import Any

import pytest
from klaviyo_case import adapter
from pydantic import ValidationError
from samples import JANE, Trouble, calls, effects, enrolment

from connector.errors import ConfigError
from connector.model import Outcome, Receipt
from connector.sandbox import Reply
from crm.klaviyo import Klaviyo
from crm.sandbox.klaviyo import LIST, KlaviyoSandbox

READ = "GET /api/profiles"
BULK = "POST /api/event-bulk-create-jobs"
IMPORT = "POST /api/profile-import"
SUBSCRIBE = "POST /api/profile-subscription-bulk-create-jobs"
JOIN = f"POST /api/lists/{LIST}/relationships/profiles"
LEAVE = f"DELETE /api/lists/{LIST}/relationships/profiles"


def test_one_enrolment_starts_the_flow_and_fills_the_profile(either: KlaviyoSandbox) -> None:
    receipt = adapter(either).enrol(enrolment())
    assert receipt.outcome is Outcome.ENROLLED
    assert effects(either) == [JANE]
    assert either.fields(JANE) == {"PRODUCT": "Blue mug"}
    assert either.tags(JANE) == {"abandoned-cart"}
    assert either.status(JANE) == "NEVER_SUBSCRIBED"


def test_the_event_tells_what_was_in_the_cart(sandbox: KlaviyoSandbox) -> None:
    adapter(sandbox).enrol(enrolment())
    ((email, metric, event),) = sandbox.events
    assert (email, metric) == (JANE, "Started Checkout")
    assert (event["value"], event["value_currency"]) == (49.9, "EUR")
    assert event["time"] == "2026-03-02T09:45:00+00:00"
    properties = event["properties"]
    assert properties["CheckoutURL"] == "https://shop.example/recover/abc"
    assert properties["PRODUCT"] == "Blue mug"
    assert properties["Items"][0] == {
        "ProductID": "77",
        "SKU": "MUG-B",
        "ProductName": "Blue mug",
        "Variant": "large",
        "ItemPrice": 24.95,
        "Quantity": 2,
        "RowTotal": 49.9,
    }


def test_no_phone_number_is_sent(either: KlaviyoSandbox) -> None:
    adapter(either).enrol_many([enrolment(), enrolment("joe@shop.example")])
    assert not any(b"+436641234567" in each.request.body for each in either.server.journal)


@pytest.mark.parametrize("many", [False, True])
def test_who_unsubscribed_or_is_suppressed_is_not_enrolled(either: KlaviyoSandbox, many: bool) -> None:
    either.unsubscribe("left@shop.example")
    either.suppress("bounced@shop.example", "HARD_BOUNCE")
    either.suppress("blocked@shop.example")
    klaviyo = adapter(either)
    wanted = [enrolment(f"{name}@shop.example", may_subscribe=True) for name in ("left", "bounced", "blocked")]
    answers = klaviyo.enrol_many([*wanted, enrolment()]) if many else [klaviyo.enrol(each) for each in wanted]
    details = [answer.detail for answer in answers if isinstance(answer, Receipt)]
    assert details[:3] == [
        "Klaviyo will not mail this contact: they unsubscribed",
        "Klaviyo will not mail this contact: their mailbox does not exist",
        "Klaviyo will not mail this contact: they are suppressed in the account",
    ]
    assert {answer.outcome for answer in answers[:3] if isinstance(answer, Receipt)} == {Outcome.NO_CONSENT}
    assert effects(either) == ([JANE] if many else [])
    assert either.status("left@shop.example") == "UNSUBSCRIBED"
    assert either.tags("left@shop.example") == set()


@pytest.mark.parametrize(
    "marketing",
    [
        None,
        {},
        {"consent": "UNSUBSCRIBED", "can_receive_email_marketing": True, "suppression": []},
        {"consent": "SUBSCRIBED", "can_receive_email_marketing": False, "suppression": []},
    ],
)
def test_what_klaviyo_does_not_allow_in_so_many_words_is_not_done(
    sandbox: KlaviyoSandbox, marketing: dict[str, Any] | None
) -> None:
    attributes = {"email": JANE, "subscriptions": {"email": {"marketing": marketing}}}
    profile = {"type": "profile", "id": "01", "attributes": attributes}
    sandbox.server.fault = Trouble(READ, Reply(200, {"data": [profile]}))
    assert adapter(sandbox).enrol(enrolment()).outcome is Outcome.NO_CONSENT
    assert sandbox.events == []


def test_leaving_one_list_counts_for_the_flow_of_that_list_only(
    sandbox: KlaviyoSandbox, by_list: KlaviyoSandbox
) -> None:
    sandbox.leave_list(JANE)
    by_list.leave_list(JANE)
    assert adapter(sandbox).enrol(enrolment()).outcome is Outcome.ENROLLED
    assert adapter(by_list).enrol(enrolment()).outcome is Outcome.NO_CONSENT
    assert (effects(sandbox), effects(by_list)) == ([JANE], [])


def test_only_a_new_profile_that_may_be_is_subscribed(sandbox: KlaviyoSandbox) -> None:
    klaviyo = adapter(sandbox)
    klaviyo.enrol(enrolment("old@shop.example"))
    klaviyo.enrol_many(
        [
            enrolment("old@shop.example", "again", may_subscribe=True),
            enrolment("new@shop.example", may_subscribe=True),
            enrolment("shy@shop.example"),
        ]
    )
    states = {name: sandbox.status(f"{name}@shop.example") for name in ("old", "new", "shy")}
    assert states == {"old": "NEVER_SUBSCRIBED", "new": "SUBSCRIBED", "shy": "NEVER_SUBSCRIBED"}
    assert sandbox.members() == {"new@shop.example"}


def test_nobody_is_subscribed_without_a_list(sandbox: KlaviyoSandbox) -> None:
    adapter(sandbox, list=None).enrol(enrolment(may_subscribe=True))
    assert SUBSCRIBE not in calls(sandbox)
    assert sandbox.status(JANE) == "NEVER_SUBSCRIBED"


def test_double_opt_in_is_left_to_klaviyo(sandbox: KlaviyoSandbox) -> None:
    sandbox.lists[LIST].double_opt_in = True
    adapter(sandbox).enrol(enrolment(may_subscribe=True))
    assert sandbox.confirmations == [JANE]
    assert effects(sandbox) == [JANE]


def test_five_hundred_enrolments_cost_six_requests(sandbox: KlaviyoSandbox) -> None:
    answers = adapter(sandbox).enrol_many([enrolment(f"s{number}@shop.example") for number in range(500)])
    assert all(isinstance(answer, Receipt) for answer in answers)
    assert calls(sandbox) == [READ] * 5 + [BULK]
    assert len(set(effects(sandbox))) == 500


def test_by_list_a_batch_costs_one_request_more_for_each(by_list: KlaviyoSandbox) -> None:
    klaviyo = adapter(by_list)
    klaviyo.enrol(enrolment("known@shop.example"))
    by_list.server.journal.clear()
    names = ["known", *(f"s{number}" for number in range(29))]
    klaviyo.enrol_many([enrolment(f"{name}@shop.example", f"k/{name}") for name in names])
    assert calls(by_list) == [READ, LEAVE, *[IMPORT] * 30, JOIN]
    assert len(effects(by_list)) == 31


def test_a_batch_is_split_where_it_grows_too_large(sandbox: KlaviyoSandbox) -> None:
    # A field is sent twice, with the event and with the profile: 1.2 MB for each of these.
    batch = [enrolment(f"s{number}@shop.example", fields={"PRODUCT": "é" * 300_000}) for number in range(5)]
    adapter(sandbox).enrol_many(batch)
    sizes = [len(each.request.body) for each in sandbox.server.journal if each.request.method == "POST"]
    assert len(sizes) == 2
    assert max(sizes) < 5_000_000
    assert len(effects(sandbox)) == 5


def test_more_than_a_thousand_are_split(sandbox: KlaviyoSandbox) -> None:
    adapter(sandbox).enrol_many([enrolment(f"s{number}@shop.example") for number in range(1001)])
    assert calls(sandbox).count(BULK) == 2
    assert len(effects(sandbox)) == 1001


def test_a_step_has_its_own_campaign(sandbox: KlaviyoSandbox) -> None:
    sandbox.flows.add("Last Call")
    klaviyo = adapter(sandbox)
    klaviyo.enrol(enrolment(campaign={"metric": "Last Call"}))
    assert [effect.detail for effect in sandbox.effects] == ["Last Call"]
    with pytest.raises(ConfigError, match="campaign for Klaviyo is wrong"):
        klaviyo.enrol(enrolment(campaign={"journey": 7}))


def test_joining_an_unknown_list_is_for_the_owner(by_list: KlaviyoSandbox) -> None:
    with pytest.raises(ConfigError, match="no list Gone1"):
        adapter(by_list).enrol(enrolment(campaign={"list": "Gone1"}))


def test_a_refresh_changes_fields_and_starts_nothing(either: KlaviyoSandbox) -> None:
    klaviyo = adapter(either)
    klaviyo.enrol(enrolment())
    klaviyo.refresh(enrolment(fields={"PRODUCT": "Red mug"}))
    assert either.fields(JANE) == {"PRODUCT": "Red mug"}
    assert either.tags(JANE) == {"abandoned-cart"}
    assert "meta" not in either.server.journal[-1].request.json()["data"]
    assert [effect.what for effect in either.effects] == ["enrolled", "refreshed"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"campaign": {}}, "give a metric"),
        ({"campaign": {"metrik": "x"}}, "metrik"),
        ({"campaign": {"metric": ""}}, "at least 1"),
        ({"api_key": None}, "api_key"),
    ],
)
def test_wrong_options_are_refused(sandbox: KlaviyoSandbox, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        adapter(sandbox, **changes)


def test_the_campaign_follows_from_what_is_given(sandbox: KlaviyoSandbox) -> None:
    def campaign(**keys: Any) -> tuple[str | None, str | None]:
        options = Klaviyo.Options.model_validate({"id": "m", "adapter": "klaviyo", "api_key": "k", **keys})
        chosen = options.default_campaign()  # type: ignore[attr-defined]
        return chosen.metric, chosen.list

    assert campaign() == ("Started Checkout", None)
    assert campaign(list="L1") == (None, "L1")
    assert campaign(list="L1", campaign={"metric": "M"}) == ("M", None)
