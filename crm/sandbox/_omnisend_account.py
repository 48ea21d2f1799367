"""Contacts, automations and refusals of the pretend Omnisend account."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector.sandbox import Reply

Json = dict[str, Any]

ADDRESS = re.compile(r"[\w.%+'-]+@[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE | re.ASCII)
PROPERTY = re.compile(r"[A-Za-z0-9_]{1,128}")
STATUSES = ("subscribed", "nonSubscribed", "unsubscribed")
PLAIN = ("firstName", "lastName", "country", "countryCode", "city", "address", "postalCode", "state")
LENGTHS = {"firstName": 50, "lastName": 50, "phone": 15}  # in the contact of an event
OWN_EVENTS = {"started checkout": "", "placed order": "v2"}  # with their versions
NEEDED = ("abandonedCheckoutURL", "cartID", "currency", "value")  # by started checkout, to start anything
PROBLEMS = "https://problems.omnisend.com/problem"


@dataclass
class Automation:
    """A workflow. `frequency` is the hours that must lie between two entries of a contact; None for no limit."""

    event: str
    exits: tuple[str, ...] = ()
    name: str = "Abandoned checkout"
    enabled: bool = True
    frequency: float | None = None
    once: bool = False
    entered: dict[str, datetime] = field(default_factory=dict)  # by contact id

    def admits(self, contact: Contact, now: datetime) -> bool:
        """Whether the contact may enter. A workflow on an event of the owner's mails the unsubscribed, too."""
        if not self.enabled or (contact.status == "unsubscribed" and self.event in OWN_EVENTS):
            return False
        last = self.entered.get(contact.id)
        if last is None:
            return True
        hours = (now - last).total_seconds() / 3600
        return not self.once and (self.frequency is None or hours >= self.frequency)

    def show(self) -> Json:
        """As the preview of the automations API has it."""
        limiter: Json | None = {"mode": "once"} if self.once else None
        if self.frequency is not None:
            limiter = {"mode": "interval", "duration": {"amount": int(self.frequency), "units": "h"}}
        return {
            "id": "68f0c0de0000000000000001",
            "name": self.name,
            "isEnabled": self.enabled,
            "trigger": {"condition": {"event": self.event, "origin": "api"}},
            "exitConditions": [{"event": event, "origin": "api"} for event in self.exits],
            "settings": {"frequencyLimiter": limiter},
        }


@dataclass
class Contact:
    """A person in the account."""

    id: str
    email: str
    status: str = "nonSubscribed"
    changed: str = ""  # when the status did
    plain: dict[str, str] = field(default_factory=dict)
    properties: Json = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)

    def show(self) -> Json:
        """The contact as the API answers."""
        channel: Json = {"status": self.status}
        if self.changed:
            channel["statusChangedAt"] = self.changed
        return {
            "id": self.id,
            "email": self.email,
            "status": self.status,
            **self.plain,
            "customProperties": dict(self.properties),
            "tags": list(self.tags),
            "identifiers": [{"type": "email", "id": self.email, "channels": {"email": channel}}],
        }

    def write(self, body: Mapping[str, Any]) -> None:
        """Names and properties. The tags given become the contact's tags: the harsher of the two readings."""
        self.plain |= {name: body[name] for name in PLAIN if name in body}
        self.properties |= body.get("customProperties") or {}
        if "tags" in body:
            self.tags = list(dict.fromkeys(body["tags"]))

    def consent(self, status: str, changed: str, now: str) -> None:
        """A status that is older than the one known changes nothing."""
        if not self.changed or (changed or now) >= self.changed:
            self.status, self.changed = status, changed or now

    def untag(self, tags: Iterable[str]) -> None:
        """Takes tags off, in whatever letter case."""
        gone = {tag.casefold() for tag in tags}
        self.tags = [tag for tag in self.tags if tag.casefold() not in gone]

    def tag(self, tags: Iterable[str]) -> None:
        """Puts tags on."""
        there = {tag.casefold() for tag in self.tags}
        self.tags += [tag for tag in tags if tag.casefold() not in there]


class RefusedError(Exception):
    """A request that Omnisend answers with a problem document."""

    def __init__(self, status: int, detail: str, *errors: tuple[str, str], **more: Any) -> None:
        body: Json = {"type": PROBLEMS, "title": "Problem", "status": status, "detail": detail, **more}
        if errors:
            body["errors"] = [{"field": name, "code": "invalid", "message": words} for name, words in errors]
        self.reply = Reply(status, body, {"Content-Type": "application/problem+json"})


def require(body: Any, *, allowed: Iterable[str]) -> Json:
    """The body, if it is an object with these keys only."""
    if not isinstance(body, dict):
        raise RefusedError(400, "The request body is invalid.")
    if odd := sorted(set(body).difference(allowed)):
        raise RefusedError(400, "The request body is invalid.", (odd[0], "Unknown field."))
    return body


def require_address(value: Any, where: str) -> str:
    """The address, if it is one."""
    if not isinstance(value, str) or not ADDRESS.fullmatch(value):
        raise RefusedError(400, "The request contains invalid fields.", (where, "Must be a valid email address."))
    return value


def require_contact_values(body: Mapping[str, Any], where: str = "", lengths: Mapping[str, int] | None = None) -> None:
    """Refuses properties with odd names or without a value, too many tags, and names that are too long."""
    for name, value in (body.get("customProperties") or {}).items():
        if not PROPERTY.fullmatch(name) or value is None:
            words = "Must be letters, digits and underscores, with a value."
            raise RefusedError(400, "The request contains invalid fields.", (f"{where}customProperties.{name}", words))
    tags = body.get("tags", [])
    if len(tags) > 100 or not all(isinstance(tag, str) and tag for tag in tags):
        raise RefusedError(400, "The request contains invalid fields.", (f"{where}tags", "At most 100 tags."))
    for name, most in (lengths or {}).items():
        if len(body.get(name, "")) > most:
            raise RefusedError(400, "The request contains invalid fields.", (f"{where}{name}", f"Longer than {most}."))
