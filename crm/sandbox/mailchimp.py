"""A pretend Mailchimp account: one audience, its flows, and the e-commerce API, with Mailchimp's own habits.

Kept as documented: text cut at 255 bytes, `pending` and compliance states, ten rows unless `count` is given, problem
documents, products before carts. Not documented, and so a guess: a journey trigger answers 400 for a contact that is
not subscribed and 404 for an unknown step; it starts again for a contact who is in the journey.
https://mailchimp.com/developer/marketing/api/ (read 2026-11)
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field

from connector.sandbox import Clock, Effect, Reply, Request, Server, utc_now
from crm.sandbox._mailchimp_store import Commerce
from crm.sandbox._mailchimp_templates import Templates
from crm.sandbox._mailchimp_wire import (
    Body,
    RefusedError,
    Route,
    bad,
    body_of,
    invalid,
    member_id,
    not_found,
    page,
    password,
    problem,
    route,
)

AUDIENCE, ACCOUNT, KEY = "1a2b3c4d5e", "8d3a3db4d97663a9074efcc16", "0123456789abcdef0123456789abcdef-us1"
JOURNEY, STEP, EVENT, FLOW_TAG = 12, 34, "checkout_abandoned", "abandoned-cart"
PATHS = ("journey", "tag", "event", "native_cart")
MOST_FIELDS = 30


@dataclass
class Member:
    """A contact. `tags` holds when each was put on."""

    email: str
    status: str
    merge_fields: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    events: list[Body] = field(default_factory=list)


def _shown(member: Member) -> Body:
    tags = [{"id": n, "name": tag} for n, tag in enumerate(member.tags)][:50]
    row = {"id": member_id(member.email), "email_address": member.email, "contact_id": member_id("c" + member.email)}
    return row | {"status": member.status, "merge_fields": member.merge_fields, "tags": tags}


class MailchimpSandbox:
    """The account. `path` is how its owner starts the campaign: journey, tag, event or native_cart."""

    def __init__(
        self,
        clock: Clock,
        port: int,
        *,
        path: str = "journey",
        double_optin: bool = False,
        strict_example: bool = False,
        max_connections: int | None = None,
        role: str = "manager",
    ) -> None:
        if path not in PATHS:
            raise ValueError(f"path is one of {', '.join(PATHS)}")
        self.path, self.double_optin, self.role = path, double_optin, role
        self.strict_example, self.max_connections = strict_example, max_connections
        self.members: dict[str, Member] = {}
        self.forgotten: set[str] = set()
        self.merge_fields: dict[str, str] = {"FNAME": "text", "LNAME": "text", "ADDRESS": "address", "PHONE": "phone"}
        self.commerce = Commerce(self._customer, self._cart_changed)
        self.templates = Templates(clock)
        self.effects: list[Effect] = []
        self.flow_tags = {FLOW_TAG} if path == "tag" else set()
        self._clock, self._lock, self._busy = clock, threading.RLock(), 0
        self._routes = [*self._audience_routes(), *self.commerce.routes(), *self.templates.routes()]
        self.server = Server(self._answer, clock=clock, port=port)

    def options(self) -> Body:
        """The keys of a CRM in a client's file, but for `id`."""
        campaign = {"journey": {"journey": JOURNEY, "step": STEP}, "event": {"event": EVENT}}.get(self.path)
        return {
            "adapter": "mailchimp",
            "api_key": KEY,
            "base_url": self.server.url,
            "audience": AUDIENCE,
            "tags": [FLOW_TAG],
            "fields": {"MEMBERSHIP": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}"},
            **({"campaign": campaign} if campaign else {}),
            **({"native_cart": True} if self.path == "native_cart" else {}),
        }

    def add(self, email: str, status: str = "subscribed") -> None:
        """A contact who is there already."""
        with self._lock:
            self.members[member_id(email)] = Member(email, status)

    def unsubscribe(self, email: str) -> None:
        """The contact clicks the unsubscribe link."""
        with self._lock:
            self.members.setdefault(member_id(email), Member(email, "")).status = "unsubscribed"

    def status(self, email: str) -> str:
        """subscribed, unsubscribed, cleaned, pending, transactional, archived, or "" for nobody."""
        with self._lock:
            member = self.members.get(member_id(email))
            return member.status if member else ""

    def fields(self, email: str) -> dict[str, str]:
        """The contact's merge fields."""
        with self._lock:
            member = self.members.get(member_id(email))
            return dict(member.merge_fields) if member else {}

    def delete_field(self, tag: str) -> None:
        """The owner deletes a merge field, with what all contacts have in it."""
        with self._lock:
            del self.merge_fields[tag]
            for member in self.members.values():
                member.merge_fields.pop(tag, None)

    def tags(self, email: str) -> set[str]:
        """The contact's tags."""
        with self._lock:
            member = self.members.get(member_id(email))
            return set(member.tags) if member else set()

    def carts(self, email: str) -> list[Body]:
        """The native carts of that address."""
        with self._lock:
            return [
                cart
                for shop in self.commerce.shops.values()
                for cart in shop.carts.values()
                if cart["customer"]["id"] == member_id(email)
            ]

    def _answer(self, request: Request) -> Reply:
        with self._lock:
            self._busy += 1
            too_many = self.max_connections is not None and self._busy > self.max_connections
        try:
            return Reply(429) if too_many else self._guarded(request)
        finally:
            with self._lock:
                self._busy -= 1

    def _guarded(self, request: Request) -> Reply:
        if password(request.headers.get("authorization", "")) != KEY:
            return problem(401, "API Key Invalid", "Your API key may be invalid, or you've used the wrong datacenter.")
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == request.method:
                try:
                    with self._lock:
                        return handler(request, *match.groups())
                except RefusedError as refused:
                    return refused.reply
        return not_found().reply

    def _audience_routes(self) -> list[Route]:
        member = "/lists/*/members/*"
        return [
            route("GET", "/ping", lambda _: Reply(200, {"health_status": "Everything's Chimpy!"})),
            route("GET", "/", self._root),
            route("GET", "/lists/*", self._get_audience),
            route("GET", "/lists/*/merge-fields", self._list_merge_fields),
            route("POST", "/lists/*/merge-fields", self._add_merge_field),
            route("GET", member, lambda _, audience, name: Reply(200, _shown(self._member(audience, name)))),
            route("PUT", member, self._put_member),
            route("PATCH", member, self._patch_member),
            route("DELETE", member, self._archive_member),
            route("POST", f"{member}/actions/delete-permanent", self._delete_member),
            route("GET", f"{member}/tags", self._list_tags),
            route("POST", f"{member}/tags", self._set_tags),
            route("GET", f"{member}/events", self._list_events),
            route("POST", f"{member}/events", self._add_event),
            route("POST", "/customer-journeys/journeys/*/steps/*/actions/trigger", self._trigger),
        ]

    def _root(self, _: Request) -> Reply:
        return Reply(200, {"account_id": ACCOUNT, "account_name": "Acme Ltd", "role": self.role})

    def _get_audience(self, _: Request, list_id: str) -> Reply:
        self._audience(list_id)
        subscribed = sum(member.status == "subscribed" for member in self.members.values())
        row = {"id": AUDIENCE, "name": "Customers", "double_optin": self.double_optin}
        return Reply(200, row | {"stats": {"member_count": subscribed}})

    def _list_merge_fields(self, request: Request, list_id: str) -> Reply:
        self._audience(list_id)
        rows = [{"tag": tag, "name": tag.title(), "type": kind} for tag, kind in self.merge_fields.items()]
        return Reply(200, {"merge_fields": page(request, rows), "total_items": len(rows)})

    def _add_merge_field(self, request: Request, list_id: str) -> Reply:
        self._audience(list_id)
        body = body_of(request, "name", "type")
        tag = str(body.get("tag", "")).upper()
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,9}", tag):
            raise invalid("tag")
        if tag in self.merge_fields:
            raise bad(f'A Merge Field with the tag "{tag}" already exists for this list.')
        if len(self.merge_fields) >= MOST_FIELDS:
            raise bad("You have reached the maximum number of merge fields for this list.")
        self.merge_fields[tag] = body["type"]
        return Reply(200, {"merge_id": len(self.merge_fields), **body})

    def _put_member(self, request: Request, list_id: str, name: str) -> Reply:
        self._audience(list_id)
        body = body_of(request, "email_address", "status_if_new")
        email = body["email_address"]
        if self.strict_example and email.lower().endswith("@example.com"):
            raise bad(f"{email} looks fake or invalid, please enter a real email address.", "Invalid Resource")
        if name in self.forgotten:
            raise bad(f"{email} was permanently deleted and cannot be re-imported.", "Forgotten Email Not Subscribed")
        known = self.members.get(name)
        if known is None or known.status == "archived":
            known = self.members[name] = Member(email, body["status_if_new"])
        elif "status" in body:
            self._change_status(known, body["status"])
        self._write(known, body)
        return Reply(200, _shown(known))

    def _patch_member(self, request: Request, list_id: str, name: str) -> Reply:
        member = self._member(list_id, name)
        body = body_of(request)
        if "status" in body:
            self._change_status(member, body["status"])
        self._write(member, body)
        return Reply(200, _shown(member))

    def _archive_member(self, _: Request, list_id: str, name: str) -> Reply:
        member = self._member(list_id, name)
        if member.status == "archived":
            raise RefusedError(405, "Method Not Allowed", "This list member cannot be removed.")
        member.status = "archived"
        return Reply(204)

    def _delete_member(self, _: Request, list_id: str, name: str) -> Reply:
        self._member(list_id, name)
        del self.members[name]
        self.forgotten.add(name)
        return Reply(204)

    def _list_tags(self, request: Request, list_id: str, name: str) -> Reply:
        member = self._member(list_id, name)
        rows = [{"id": n, "name": tag, "date_added": at} for n, (tag, at) in enumerate(member.tags.items())]
        return Reply(200, {"tags": page(request, rows), "total_items": len(rows)})

    def _set_tags(self, request: Request, list_id: str, name: str) -> Reply:
        member = self._member(list_id, name)
        body = body_of(request, "tags")
        before = set(member.tags)
        for tag in body["tags"]:
            if tag["status"] == "active":
                member.tags.setdefault(tag["name"], self._now())
            else:
                member.tags.pop(tag["name"], None)
        if body.get("is_syncing"):
            return Reply(204)
        for tag in sorted((set(member.tags) - before) & self.flow_tags):
            self._start(member, f"tag {tag}")
        for tag in sorted(before - set(member.tags)):
            self._effect(member.email, "withdrawn", f"tag {tag}")
        return Reply(204)

    def _list_events(self, request: Request, list_id: str, name: str) -> Reply:
        events = self._member(list_id, name).events
        return Reply(200, {"events": page(request, events[::-1]), "total_items": len(events)})

    def _add_event(self, request: Request, list_id: str, name: str) -> Reply:
        member = self._member(list_id, name)
        body = body_of(request, "name")
        if not 2 <= len(body["name"]) <= 30:
            raise invalid("name")
        row = {"name": body["name"], "occurred_at": self._now(), "properties": body.get("properties", {})}
        member.events.append(row)
        if self.path == "event" and body["name"] == EVENT and not body.get("is_syncing"):
            self._start(member, f"event {EVENT}")
        return Reply(204)

    def _trigger(self, request: Request, journey: str, step: str) -> Reply:
        if (int(journey), int(step)) != (JOURNEY, STEP):
            raise not_found()
        member = self.members.get(member_id(body_of(request, "email_address")["email_address"]))
        if member is None or member.status != "subscribed":
            raise bad("The contact is not subscribed to this audience.")
        self._start(member, f"journey {journey} step {step}")
        return Reply(204)

    def _customer(self, customer: Body) -> None:
        """A customer is a contact too: an opt-in subscribes, and its absence never unsubscribes."""
        email = customer.get("email_address")
        if not email:
            return
        member = self.members.setdefault(member_id(email), Member(email, "transactional"))
        if customer.get("opt_in_status") and member.status == "transactional":
            member.status = "subscribed"

    def _cart_changed(self, cart: Body, what: str) -> None:
        """Cart e-mails go to non-subscribers as well."""
        member = self.members.get(cart["customer"]["id"])
        if member and (what != "enrolled" or member.status in ("subscribed", "transactional")):
            self._effect(member.email, what, f"cart {cart['id']}")

    def _audience(self, list_id: str) -> None:
        if list_id != AUDIENCE:
            raise not_found()

    def _member(self, list_id: str, name: str) -> Member:
        self._audience(list_id)
        if name not in self.members:
            raise not_found()
        return self.members[name]

    def _change_status(self, member: Member, status: str) -> None:
        if member.status in ("unsubscribed", "cleaned") and status == "subscribed":
            raise bad(
                f"{member.email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot "
                "be subscribed.",
                "Member In Compliance State",
            )
        member.status = status

    def _write(self, member: Member, body: Body) -> None:
        values = {tag.upper(): str(value) for tag, value in body.get("merge_fields", {}).items()}
        if self.merge_fields.get("ADDRESS") == "address" and values.get("ADDRESS"):
            rows = [{"field": "ADDRESS", "message": "Please enter a complete address"}]
            raise bad("Your merge fields were invalid.", "Invalid Resource", rows)
        before = dict(member.merge_fields)
        for tag in values.keys() & self.merge_fields.keys():
            member.merge_fields[tag] = values[tag].encode()[:255].decode(errors="ignore")
        started = any(effect.email == member.email and effect.what == "enrolled" for effect in self.effects)
        if started and member.merge_fields != before:
            self._effect(member.email, "refreshed", "fields")

    def _start(self, member: Member, detail: str) -> None:
        if member.status == "subscribed":
            self._effect(member.email, "enrolled", detail)

    def _effect(self, email: str, what: str, detail: str) -> None:
        self.effects.append(Effect(self._clock(), email, what, detail))

    def _now(self) -> str:
        return self._clock().isoformat(timespec="seconds")


def serve(
    clock: Clock = utc_now,
    port: int = 0,
    *,
    path: str = "journey",
    double_optin: bool = False,
    strict_example: bool = False,
    max_connections: int | None = None,
    role: str = "manager",
) -> MailchimpSandbox:
    """Starts a pretend account on loopback.

    `path` is how the owner starts the campaign; `strict_example` refuses @example.com as the real one does;
    `max_connections` is answered with a bare 429 beyond that (the real limit is 10).
    """
    return MailchimpSandbox(
        clock,
        port,
        path=path,
        double_optin=double_optin,
        strict_example=strict_example,
        max_connections=max_connections,
        role=role,
    )
