"""People, lists and refusals of the pretend Klaviyo account."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.sandbox import Reply

Json = dict[str, Any]

MEDIA = "application/vnd.api+json"
ADDRESS = re.compile(r"[\w.%+'-]+@[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE | re.ASCII)
FILTER = re.compile(r"(any|equals)\(email,(.+)\)", re.DOTALL)
MAX_ADDRESSES = 100  # in one filter


@dataclass
class Profile:
    """A person in the account. `running` is which flows they are in."""

    id: str
    email: str
    properties: Json = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    consent: str = "NEVER_SUBSCRIBED"
    suppression: list[Json] = field(default_factory=list)
    list_suppressions: list[Json] = field(default_factory=list)
    running: set[str] = field(default_factory=set)

    def mailable(self, list_id: str = "") -> bool:
        """Whether a flow (of that list) would mail them."""
        barred = any(each["list_id"] == list_id for each in self.list_suppressions)
        return not (self.suppression or barred or self.consent == "UNSUBSCRIBED")

    def show(self, wanted: Collection[str], subscriptions: bool) -> Json:
        """The profile as JSON:API resource, with the fields that were asked for."""
        attributes: Json = {"email": self.email, "properties": dict(self.properties), **self.names}
        if wanted:
            attributes = {name: value for name, value in attributes.items() if name in wanted}
        if subscriptions:
            marketing = {
                "can_receive_email_marketing": not self.suppression,
                "consent": self.consent,
                "suppression": self.suppression,
                "list_suppressions": self.list_suppressions,
            }
            attributes["subscriptions"] = {"email": {"marketing": marketing}}
        links = {"self": f"https://a.klaviyo.com/api/profiles/{self.id}/"}
        return {"type": "profile", "id": self.id, "attributes": attributes, "links": links}


@dataclass
class List:
    """A list with its members by profile id."""

    name: str
    double_opt_in: bool = False
    members: set[str] = field(default_factory=set)


class RefusedError(Exception):
    """A request that Klaviyo answers with an error."""

    def __init__(self, status: int, code: str, detail: str, pointers: Iterable[str] = ("/data",)) -> None:
        error = {"id": "e1", "status": status, "code": code, "title": "Invalid input.", "detail": detail}
        errors = [{**error, "source": {"pointer": each}, "links": {}, "meta": {}} for each in pointers]
        self.reply = Reply(status, {"errors": errors}, {"Content-Type": MEDIA})


def addresses(expression: str) -> list[str]:
    """The addresses that a filter asks for, in lower case."""
    match = FILTER.fullmatch(expression)
    try:
        value = json.loads(match[2]) if match else None
    except ValueError:
        value = None
    emails = value if isinstance(value, list) else [value]
    if value is None or len(emails) > MAX_ADDRESSES:
        raise RefusedError(400, "invalid", "Invalid filter.", ("/filter",))
    return [str(each).lower() for each in emails]


def require_addresses(emails: Sequence[str], place: str) -> None:
    """Refuses the request if one of these is no address; `place` is where, with {} for its index."""
    if bad := [index for index, email in enumerate(emails) if not ADDRESS.fullmatch(email)]:
        raise RefusedError(400, "invalid", "Invalid email address", (place.format(index) for index in bad))


def mark(email: str, event: Json) -> tuple[str, str, str]:
    """What an event is recorded once for: profile, metric and `unique_id`, else its second."""
    unique = event.get("unique_id") or str(event.get("time", ""))[:19]
    return email.lower(), event["metric"]["data"]["attributes"]["name"], unique


def write(profile: Profile, attributes: Json, meta: Json | None) -> None:
    """Updates a profile as the profile and event calls do."""
    profile.names |= {name: attributes[name] for name in ("first_name", "last_name") if name in attributes}
    profile.properties |= attributes.get("properties") or {}
    patch = (meta or {}).get("patch_properties", {})
    for name, values in patch.get("append", {}).items():
        profile.properties[name] = [*profile.properties.get(name, ()), *values]
    for name, values in patch.get("unappend", {}).items():
        profile.properties[name] = [each for each in profile.properties.get(name, ()) if each not in values]
    for name in patch.get("unset", ()):
        profile.properties.pop(name, None)
