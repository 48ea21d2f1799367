"""ActiveCampaign's records as plain values, and what they say about R5 and R9. Pure: no network, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.model import Enrolment

# https://developers.activecampaign.com/reference/contact; other numbers mean that the contact is not on the list
# (https://help.activecampaign.com/hc/en-us/articles/360021838379).
UNCONFIRMED, SUBSCRIBED, UNSUBSCRIBED, BOUNCED = "0", "1", "2", "3"
COMPLETED = "2"
SKEW = timedelta(minutes=5)  # what ActiveCampaign's clock and ours may differ by

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Mark:
    """A tag on a contact, or a contact's run through an automation: its own address, what of, and since when."""

    path: str
    of: str
    at: datetime | None
    done: bool = False


@dataclass(frozen=True)
class Contact:
    """A contact as ActiveCampaign has it. `lists` is the status by list."""

    id: str
    made: datetime | None
    bounced: bool
    lists: Mapping[str, str]
    tags: tuple[Mark, ...]
    runs: tuple[Mark, ...]


@dataclass(frozen=True)
class Before:
    """What was there before a step's first attempt, so that later attempts know what is of their own making."""

    known: bool
    marks: frozenset[str]


def contact_from(row: Record, related: Record) -> Contact:
    """Raises KeyError where a related list is missing."""
    contact_id = str(row["id"])
    tags = tuple(
        Mark(f"/contactTags/{tag['id']}", str(tag["tag"]), _when(tag.get("cdate")))
        for tag in related["contactTags"]
        if str(tag["contact"]) == contact_id
    )
    bounced = str(row.get("bounced_hard") or "0") != "0"
    lists = statuses_from(related["contactLists"], contact_id)
    runs = runs_from(related["contactAutomations"], contact_id)
    return Contact(contact_id, _when(row.get("cdate")), bounced, lists, tags, runs)


def statuses_from(rows: Iterable[Record], contact_id: str) -> dict[str, str]:
    """The contact's status by list."""
    return {str(row["list"]): str(row["status"]) for row in rows if str(row["contact"]) == contact_id}


def runs_from(rows: Iterable[Record], contact_id: str) -> tuple[Mark, ...]:
    """The contact's runs through automations, finished ones too."""
    return tuple(
        Mark(f"/contactAutomations/{row['id']}", str(row["seriesid"]), _when(row.get("adddate")), _is_done(row))
        for row in rows
        if str(row["contact"]) == contact_id
    )


def snapshot(contact: Contact | None) -> Before:
    """What an attempt found."""
    marks = frozenset(mark.path for mark in contact.tags + contact.runs) if contact else frozenset()
    return Before(contact is not None, marks)


def is_fresh(contact: Contact, enrolment: Enrolment, before: Before | None) -> bool:
    """Whether an earlier attempt of this very step made the contact, and got no further."""
    if contact.lists or (before is not None and before.known):
        return False
    if before is not None:
        return True
    return contact.made is not None and contact.made >= enrolment.lead_at - SKEW


def is_own(mark: Mark, enrolment: Enrolment, before: Before | None) -> bool:
    """Whether an attempt of this very step made it: by what was there before, and by its date.

    What the step before it made is older than the moment at which this one was due. What is younger than that, and was
    there before the first attempt, is of a daemon that works on a copy of this database.
    """
    if before is not None and (mark.path not in before.marks or enrolment.step_at is None):
        return mark.path not in before.marks
    since = max(enrolment.lead_at, enrolment.step_at or enrolment.lead_at)
    return mark.at >= since - SKEW if mark.at else before is None


def is_left_over(mark: Mark, enrolment: Enrolment, before: Before | None) -> bool:
    """Whether an earlier lead left it behind (R5). Later steps keep what the first step of their own lead put on."""
    if enrolment.generation == 1 or (mark.at is not None and is_own(mark, enrolment, before)):
        return False
    if before is not None and enrolment.step == 0:
        return mark.path in before.marks
    return mark.at is not None and mark.at < enrolment.lead_at - SKEW


def refusal(lists: Mapping[str, str], chosen: str) -> str:
    """Why ActiveCampaign will not mail somebody with these statuses, or "". Without a chosen list, all count."""
    statuses = {lists.get(chosen, "")} if chosen else set(lists.values())
    if UNSUBSCRIBED in statuses:
        return f"they unsubscribed from {f'list {chosen}' if chosen else 'a list'}"
    if SUBSCRIBED in statuses:
        return ""
    if BOUNCED in statuses:
        return "mail to them bounced"
    if UNCONFIRMED in statuses:
        return "they have not confirmed their subscription"
    where = f"list {chosen}" if chosen else "any list"
    return f"they are not subscribed to {where}, and the status of a known contact is never changed"


def passed_over(contact: Record, answer: Record) -> set[str]:
    """The numbers of the fields whose values the answer to a write does not have. An empty value is no loss."""
    stored = {str(row.get("field")) for row in answer.get("fieldValues") or () if isinstance(row, Mapping)}
    return {value["field"] for value in contact.get("fieldValues", ()) if value["value"]} - stored


def is_same(one: str, other: str) -> bool:
    """ActiveCampaign tells neither names nor addresses apart by letter case."""
    return one.strip().casefold() == other.strip().casefold()


def _is_done(row: Record) -> bool:
    return str(row.get("status")) == COMPLETED or str(row.get("completed")) == "1"


def _when(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
