"""Mailchimp: audience fields that the owner deletes there while the daemon goes on."""

from __future__ import annotations

import pytest
from mailchimp_case import EMAIL, URL, Make

from connector.errors import ConfigError
from connector.model import Outcome
from connector.sandbox import Reply, Request


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("path", ["journey", "native_cart"])
def test_a_deleted_field_is_made_anew_and_filled(make: Make, path: str, known: bool) -> None:
    at = make(path)
    if known:
        at.sandbox.add(EMAIL)
    at.sandbox.delete_field("CHECKOUT")

    assert at.crm.enrol(at.enrolment()).outcome is Outcome.ENROLLED

    assert at.sandbox.fields(EMAIL) == {"MEMBERSHIP": "Gold", "CHECKOUT": URL}
    assert (len(at.sent("POST", "/merge-fields")), at.count()) == (1, 1)


def test_a_field_deleted_before_a_refresh_is_made_anew_and_filled(make: Make) -> None:
    at = make()
    at.crm.enrol(at.enrolment())
    at.sandbox.delete_field("MEMBERSHIP")
    at.crm.refresh(at.enrolment(fields={"MEMBERSHIP": "Silver", "CHECKOUT": URL}))
    assert at.sandbox.fields(EMAIL) == {"MEMBERSHIP": "Silver", "CHECKOUT": URL}


def test_fields_that_are_there_are_neither_asked_for_nor_written_twice(make: Make) -> None:
    at = make()
    at.sandbox.add(EMAIL)
    at.crm.enrol(at.enrolment(fields={"MEMBERSHIP": "Gold", "CHECKOUT": "", "EMAIL": EMAIL}))
    assert (len(at.sent("PATCH")), len(at.sent("GET", "/merge-fields"))) == (1, 0)


def test_an_answer_without_values_is_believed_where_the_fields_are_there(make: Make) -> None:
    at = make()
    at.sandbox.add(EMAIL)
    handler = at.sandbox.server.handler
    at.sandbox.server.handler = lambda request: _without_values(request, handler(request))
    assert at.crm.enrol(at.enrolment()).outcome is Outcome.ENROLLED
    assert (len(at.sent("PATCH")), len(at.sent("GET", "/merge-fields"))) == (1, 1)


def _without_values(request: Request, reply: Reply) -> Reply:
    return Reply(reply.status, {}) if request.method == "PATCH" else reply


def test_a_deleted_field_for_which_there_is_no_room_any_more_is_the_owners(make: Make) -> None:
    at = make()
    at.sandbox.delete_field("CHECKOUT")
    at.crm.prepare([f"FIELD{n}" for n in range(25)], [])
    with pytest.raises(ConfigError, match="30 fields"):
        at.crm.enrol(at.enrolment())
    assert at.count() == 0
