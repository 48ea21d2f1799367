"""A pretend Omnisend account, as strict as the API reference of version 2026-03-15 (read November 2026).

Where the reference leaves room, it takes the harsher reading: an event that starts automations is never recognised as
a repetition; one with an `eventTime` is history and starts nothing; tags written to a contact replace those it had;
an automation on an event of the owner's mails unsubscribed contacts.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from connector.sandbox import Clock, Effect, Reply, Request, Server, utc_now
from crm.sandbox._omnisend_account import (
    LENGTHS,
    NEEDED,
    OWN_EVENTS,
    PLAIN,
    STATUSES,
    Automation,
    Contact,
    Json,
    RefusedError,
    require,
    require_address,
    require_contact_values,
)

Route = Callable[..., Reply]

API_KEY = "omni_0123456789abcdef0123456789abcdef-KEY"
VERSION = "2026-03-15"
MARK = "winback_event"
EVENT = "started checkout"
ENDING = ("placed order", "checkout withdrawn")  # the sample automation's exit conditions
FIELDS = {"PRODUCT": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}"}
CONTACT_KEYS = ("identifiers", "customProperties", "tags", "birthdate", "createdAt", "gender", *PLAIN)
EVENT_KEYS = ("contact", "eventID", "eventName", "eventTime", "eventVersion", "origin", "properties")
BRAND = {
    "brandID": "65f0c0de0000000000000001",
    "connected": True,
    "currency": "EUR",
    "name": "Acme",
    "platform": "api",
    "timezone": "Europe/Vienna",
    "version": "",
    "website": "https://acme.example",
}


class OmnisendSandbox:
    """The account. `automations` are its workflows; the sample one starts with `event`.

    With `deferred`, what is answered by 202 waits for `work_off()`. With `limits`, the vendor's limits hold.
    `lacking` are scopes that the key has not got. `platform` is the shop system that the brand is connected to.
    """

    def __init__(
        self,
        clock: Clock = utc_now,
        port: int = 0,
        *,
        event: str = EVENT,
        deferred: bool = False,
        limits: bool = False,
        lacking: Collection[str] = (),
        platform: str = "api",
        keep_journal: bool = True,
    ) -> None:
        self.clock = clock
        self.effects: list[Effect] = []
        self.automations = [Automation(event, ENDING)]
        self.events: list[Json] = []
        self.brand = {**BRAND, "platform": platform}
        self.lacking, self.deferred, self.limits = set(lacking), deferred, limits
        self._event = event
        self._contacts: dict[str, Contact] = {}  # by address in lower case
        self._running: set[tuple[str, int]] = set()  # contact id, place of the automation
        self._history: set[tuple[str, str]] = set()
        self._waiting: list[Callable[[], None]] = []
        self._calls: dict[str, list[datetime]] = {}
        self._made = 0
        self._lock = threading.RLock()
        self.server = Server(self._handle, clock=clock, port=port, keep_journal=keep_journal)

    def options(self) -> dict[str, Any]:
        """The keys of a CRM in a client's file, but for `id`."""
        keys = {"adapter": "omnisend", "base_url": self.server.url, "api_key": API_KEY}
        return {**keys, "campaign": {"event": self._event}, "fields": FIELDS}

    def unsubscribe(self, email: str) -> None:
        """The contact unsubscribes."""
        with self._lock:
            self._contact(email).consent("unsubscribed", "", self._now())

    def delete(self, email: str) -> None:
        """Somebody deletes the contact by hand."""
        with self._lock:
            self._contacts.pop(email.lower(), None)

    def status(self, email: str) -> str:
        """subscribed, nonSubscribed or unsubscribed; "" where there is no such contact."""
        contact = self._contacts.get(email.lower())
        return contact.status if contact else ""

    def fields(self, email: str) -> dict[str, str]:
        """The contact's custom properties that hold anything, but for the one that the adapter keeps for itself."""
        contact = self._contacts.get(email.lower())
        properties = contact.properties if contact else {}
        return {name: str(value) for name, value in properties.items() if name != MARK and value != ""}

    def tags(self, email: str) -> set[str]:
        """The contact's tags."""
        contact = self._contacts.get(email.lower())
        return set(contact.tags) if contact else set()

    def work_off(self) -> None:
        """Does what `deferred` held back."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                task()

    def _now(self) -> str:
        return self.clock().isoformat(timespec="milliseconds")

    def _handle(self, request: Request) -> Reply:
        try:
            with self._lock:
                self._admit(request)
                for method, pattern, scope, route in ROUTES:
                    match = re.fullmatch(f"/api{pattern}", request.path)
                    if match and method == request.method:
                        self._check(f"{method} {pattern}", scope, 60 if pattern.endswith("/tags") else 400)
                        reply: Reply = route(self, request, *match.groups())
                        return reply
                raise RefusedError(404, "The resource was not found.")
        except RefusedError as refused:
            return refused.reply

    def _admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Omnisend-API-Key {API_KEY}":
            raise RefusedError(401, "Authentication is missing or invalid.")
        version = request.headers.get("omnisend-version", "")
        if not re.fullmatch(r"20\d\d-\d\d-\d\d", version):
            raise RefusedError(400, "The header Omnisend-Version is missing or invalid.")
        if version < VERSION:
            raise RefusedError(410, "This API version has been retired.")
        if request.body and not request.headers.get("content-type", "").startswith("application/json"):
            raise RefusedError(400, "The request body is not JSON.")

    def _check(self, call: str, scope: str, a_minute: int) -> None:
        if scope in self.lacking:
            raise RefusedError(403, "Insufficient permissions for this operation.")
        if not self.limits:
            return
        now = self.clock()
        calls = [at for at in self._calls.get(call, ()) if (now - at).total_seconds() < 60]
        if len(calls) >= a_minute:
            wait = 60 - int((now - calls[0]).total_seconds())
            raise RefusedError(429, "Rate limit exceeded.", retryAfter=wait)
        self._calls[call] = [*calls, now]

    def _later(self, task: Callable[[], None]) -> Reply:
        self._waiting.append(task)
        if not self.deferred:
            self.work_off()
        return Reply(202)

    def _contact(self, email: str) -> Contact:
        contact = self._contacts.get(email.lower())
        if contact is None:
            self._made += 1
            contact = Contact(f"67447b7d5c1c{self._made:012x}", email.lower())
            self._contacts[contact.email] = contact
        return contact

    def _feel(self, contact: Contact, what: str, detail: str = "") -> None:
        self.effects.append(Effect(self.clock(), contact.email, what, detail))

    def _show_brand(self, _: Request) -> Reply:
        return Reply(200, self.brand)

    def _list(self, request: Request) -> Reply:
        limit = request.param("limit", "100")
        if not limit.isdecimal() or not 1 <= int(limit) <= 250:
            raise RefusedError(400, "The request contains invalid fields.", ("limit", "1 to 250."))
        found = list(self._contacts.values())
        if email := request.param("email"):
            found = [each for each in found if each.email == email.lower()]
        paging = {"cursors": {"after": None, "before": None}, "hasMore": False, "limit": int(limit)}
        return Reply(200, {"contacts": [each.show() for each in found[: int(limit)]], "paging": paging})

    def _upsert(self, request: Request) -> Reply:
        body = require(request.json(), allowed=CONTACT_KEYS)
        require_contact_values(body)
        identifiers = [each for each in body.get("identifiers") or () if each.get("type") == "email"]
        if not identifiers:
            raise RefusedError(400, "The request contains invalid fields.", ("identifiers", "Required."))
        email = require_address(identifiers[0].get("id"), "identifiers.0.id")
        channel = (identifiers[0].get("channels") or {}).get("email") or {"status": "nonSubscribed"}
        if channel.get("status") not in STATUSES:
            raise RefusedError(400, "The request contains invalid fields.", ("identifiers.0.channels.email", "Status."))
        known = email.lower() in self._contacts
        contact = self._contact(email)
        contact.consent(channel["status"], channel.get("statusChangedAt", ""), self._now())
        contact.write(body)
        if identifiers[0].get("sendWelcomeMessage", True) and channel["status"] == "subscribed" and not known:
            self._feel(contact, "welcomed")
        return Reply(200 if known else 201, contact.show())

    def _patch(self, request: Request, contact_id: str) -> Reply:
        body = require(request.json(), allowed=CONTACT_KEYS)
        require_contact_values(body)
        contact = next((each for each in self._contacts.values() if each.id == contact_id), None)
        if contact is None:
            raise RefusedError(404, "Contact not found.")
        for identifier in body.get("identifiers") or ():
            for channel in (identifier.get("channels") or {}).values():
                contact.consent(channel["status"], channel.get("statusChangedAt", ""), self._now())
        before = dict(contact.properties)
        contact.write(body)
        if before != contact.properties and any(contact.id == each for each, _ in self._running):
            self._feel(contact, "refreshed")
        return Reply(200, contact.show())

    def _retag(self, request: Request) -> Reply:
        body = require(request.json(), allowed=("contactIDs", "emails", "phones", "segmentID", "tags"))
        emails, tags = body.get("emails") or [], body.get("tags") or []
        if not 1 <= len(tags) <= 100 or not 1 <= len(emails) <= 250:
            raise RefusedError(400, "The request contains invalid fields.", ("tags", "1 to 100, of 1 to 250 contacts."))
        off = request.method == "DELETE"

        def task() -> None:
            for contact in (self._contacts[email.lower()] for email in emails if email.lower() in self._contacts):
                (contact.untag if off else contact.tag)(tags)

        return self._later(task)

    def _send(self, request: Request) -> Reply:
        event = require(request.json(), allowed=EVENT_KEYS)
        person = event.get("contact") or {}
        require_address(person.get("email"), "contact.email")
        require_contact_values(person, "contact.", LENGTHS)
        name = event.get("eventName")
        if not isinstance(name, str) or not name:
            raise RefusedError(400, "The request contains invalid fields.", ("eventName", "Required."))
        if event.get("origin") != "api":
            raise RefusedError(400, "The request contains invalid fields.", ("origin", "Must be api."))
        if event.get("eventVersion", "") != OWN_EVENTS.get(name, ""):
            raise RefusedError(400, "The request contains invalid fields.", ("eventVersion", "Not of this event."))
        try:
            uuid.UUID(event.get("eventID") or str(uuid.uuid4()))
        except ValueError:
            raise RefusedError(400, "The request contains invalid fields.", ("eventID", "Must be a UUID.")) from None
        return self._later(lambda: self._record(event, person))

    def _record(self, event: Json, person: Json) -> None:
        if "eventTime" in event:
            key = (event.get("eventID", ""), event["eventTime"])
            if key in self._history:
                return
            self._history.add(key)
        contact = self._contact(person["email"])
        tags = [*contact.tags, *person.get("tags", ())]
        contact.write({**person, "tags": tags})
        self.events.append(event)
        if "eventTime" not in event:
            self._trigger(contact, event["eventName"], event.get("properties") or {})

    def _trigger(self, contact: Contact, name: str, properties: Json) -> None:
        for place, automation in enumerate(self.automations):
            here = (contact.id, place)
            if name in automation.exits and here in self._running:
                self._running.discard(here)
                self._feel(contact, "withdrawn", name)
            complete = name != EVENT or all(properties.get(needed) is not None for needed in NEEDED)
            if name == automation.event and complete and automation.admits(contact, self.clock()):
                automation.entered[contact.id] = self.clock()
                self._running.add(here)
                self._feel(contact, "enrolled", name)

    def _automations(self, request: Request) -> Reply:
        wanted = {"true": (True,), "false": (False,)}.get(request.param("isEnabled"), (True, False))
        return Reply(200, {"automations": [each.show() for each in self.automations if each.enabled in wanted]})


ROUTES: tuple[tuple[str, str, str, Route], ...] = (
    ("GET", "/brands/current", "brands.read", OmnisendSandbox._show_brand),
    ("GET", "/automations", "automations.read", OmnisendSandbox._automations),
    ("GET", "/contacts", "contacts.read", OmnisendSandbox._list),
    ("POST", "/contacts", "contacts.write", OmnisendSandbox._upsert),
    ("POST", "/contacts/tags", "contacts.write", OmnisendSandbox._retag),
    ("DELETE", "/contacts/tags", "contacts.write", OmnisendSandbox._retag),
    ("PATCH", r"/contacts/([0-9a-f]{24})", "contacts.write", OmnisendSandbox._patch),
    ("POST", "/events", "events.write", OmnisendSandbox._send),
)


def serve(clock: Clock = utc_now, port: int = 0, **options: Any) -> OmnisendSandbox:
    """Starts a sandbox; see OmnisendSandbox for the options."""
    return OmnisendSandbox(clock, port, **options)
