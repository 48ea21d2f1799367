"""A pretend Klaviyo account, as strict as the API reference of revision 2026-07-15 (read November 2026).

Where the reference leaves room, it takes the harsher reading: a bulk request with one known `unique_id`, or with one
address that is none, is refused as a whole; subscribing lifts suppressions; an event makes a profile.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from connector.sandbox import Clock, Effect, Reply, Request, Server, utc_now
from crm.sandbox._klaviyo_state import (
    MEDIA,
    Json,
    List,
    Profile,
    RefusedError,
    addresses,
    mark,
    require_addresses,
    write,
)
from crm.sandbox._klaviyo_templates import Templates

Route = Callable[..., Reply]

API_KEY = "pk_0123456789abcdef0123456789abcdef01"
TAGS, KEY = "winback_tags", "winback_key"
LIST = "XyZ1"
ENDING = ("Placed Order", "Checkout Withdrawn")  # what the sample flow's filters look for
MAX_EVENTS, MAX_BYTES, MAX_MEMBERS = 1000, 5_000_000, 1000


class KlaviyoSandbox:
    """The account. `flows` holds what starts one: names of metrics and ids of lists.

    With `by_list`, its sample flow starts when somebody joins the list, else with an event. With `deferred`, what is
    answered by 202 waits for `work_off()`. With `limits`, the vendor's limits hold. `lacking` are scopes that the key
    has not got.
    """

    def __init__(
        self,
        clock: Clock = utc_now,
        port: int = 0,
        *,
        by_list: bool = False,
        deferred: bool = False,
        limits: bool = False,
        lacking: Collection[str] = (),
        keep_journal: bool = True,
    ) -> None:
        self.clock = clock
        self.effects: list[Effect] = []
        self.lists = {LIST: List("Abandoned carts" if by_list else "Newsletter")}
        self.flows = {LIST if by_list else "Started Checkout"}
        self.metrics = ["Opened Email", "Started Checkout", *ENDING]
        self.templates = Templates()
        self.events: list[tuple[str, str, Json]] = []  # address, metric, attributes
        self.confirmations: list[str] = []  # addresses that got a double opt-in e-mail
        self.lacking, self.deferred, self.limits = set(lacking), deferred, limits
        self._by_list = by_list
        self._profiles: dict[str, Profile] = {}
        self._ids: dict[str, Profile] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self._waiting: list[Callable[[], None]] = []
        self._calls: dict[str, list[datetime]] = {}
        self._made = 0
        self._lock = threading.RLock()
        self.server = Server(self._handle, clock=clock, port=port, keep_journal=keep_journal)

    def options(self) -> dict[str, Any]:
        """The keys of a CRM in a client's file, but for `id`."""
        keys: dict[str, Any] = {"adapter": "klaviyo", "base_url": self.server.url, "api_key": API_KEY, "list": LIST}
        return keys if self._by_list else {**keys, "campaign": {"metric": "Started Checkout"}}

    def unsubscribe(self, email: str) -> None:
        """The contact unsubscribes from all marketing."""
        self.suppress(email, "UNSUBSCRIBE")
        self._profile(email).consent = "UNSUBSCRIBED"

    def suppress(self, email: str, reason: str = "USER_SUPPRESSED") -> None:
        """Klaviyo or the owner stops all e-mail to the contact."""
        self._profile(email).suppression.append({"reason": reason, "timestamp": self.clock().isoformat()})

    def leave_list(self, email: str, list_id: str = LIST) -> None:
        """The contact unsubscribes from one list."""
        entry = {"list_id": list_id, "reason": "UNSUBSCRIBE", "timestamp": self.clock().isoformat()}
        self._profile(email).list_suppressions.append(entry)

    def status(self, email: str) -> str:
        """SUBSCRIBED, NEVER_SUBSCRIBED or UNSUBSCRIBED; "" where there is no such profile."""
        profile = self._profiles.get(email.lower())
        return profile.consent if profile else ""

    def fields(self, email: str) -> dict[str, str]:
        """The profile's custom properties but for those that the adapter keeps for itself."""
        profile = self._profiles.get(email.lower())
        properties = profile.properties if profile else {}
        return {name: str(value) for name, value in properties.items() if name not in (TAGS, KEY)}

    def tags(self, email: str) -> set[str]:
        """What `winback_tags` holds."""
        profile = self._profiles.get(email.lower())
        return set(profile.properties.get(TAGS, ())) if profile else set()

    def members(self, list_id: str = LIST) -> set[str]:
        """The addresses on a list."""
        return {self._ids[each].email for each in self.lists[list_id].members}

    def work_off(self) -> None:
        """Does what `deferred` held back."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for task in waiting:
                task()

    def _handle(self, request: Request) -> Reply:
        try:
            with self._lock:
                self._admit(request)
                for method, pattern, scope, route in ROUTES:
                    match = re.fullmatch(pattern, request.path)
                    if match and method == request.method:
                        self._check(request, f"{method} {pattern}", scope)
                        reply: Reply = route(self, request, *match.groups())
                        return Reply(reply.status, reply.body, {"Content-Type": MEDIA})
                raise RefusedError(404, "not_found", f"The path {request.path} could not be found.")
        except RefusedError as refused:
            return refused.reply

    def _admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Klaviyo-API-Key {API_KEY}":
            raise RefusedError(401, "not_authenticated", "Incorrect authentication credentials.")
        if not re.fullmatch(r"20\d\d-\d\d-\d\d", request.headers.get("revision", "")):
            raise RefusedError(400, "invalid", "The revision header is missing or invalid.", ("/revision",))
        if request.body and request.headers.get("content-type") != MEDIA:
            raise RefusedError(415, "unsupported_media_type", f"Use the content type {MEDIA}.")

    def _check(self, request: Request, call: str, scope: str) -> None:
        if self.lacking.intersection(scope.split()):
            raise RefusedError(403, "permission_denied", "You do not have permission to perform this action.")
        if not self.limits:
            return
        burst, steady = LIMITS.get(request.path, (10, 150) if "/relationships/" in request.path else (75, 750))
        now = self.clock()
        calls = [at for at in self._calls.get(call, ()) if (now - at).total_seconds() < 60]
        if sum((now - at).total_seconds() < 1 for at in calls) >= burst or len(calls) >= steady:
            refused = RefusedError(429, "throttled", "Request was throttled. Expected available in 1 second.")
            refused.reply = Reply(429, refused.reply.body, {"Retry-After": "1"})
            raise refused
        self._calls[call] = [*calls, now]

    def _later(self, task: Callable[[], None]) -> Reply:
        self._waiting.append(task)
        if not self.deferred:
            self.work_off()
        return Reply(202)

    def _profile(self, email: str) -> Profile:
        with self._lock:
            profile = self._profiles.get(email.lower())
            if profile is None:
                self._made += 1
                profile = Profile(f"01KPROFILE{self._made:016d}", email.lower())
                self._profiles[profile.email] = self._ids[profile.id] = profile
            return profile

    def _feel(self, profile: Profile, what: str, detail: str = "") -> None:
        self.effects.append(Effect(self.clock(), profile.email, what, detail))

    def _start(self, profile: Profile, flow: str, list_id: str = "") -> None:
        if flow in self.flows and profile.mailable(list_id):
            profile.running.add(flow)
            self._feel(profile, "enrolled", flow)

    def _end(self, profile: Profile, why: str, flows: Collection[str]) -> None:
        if ended := profile.running.intersection(flows):
            profile.running -= ended
            self._feel(profile, "withdrawn", why)

    def _accounts(self, _: Request) -> Reply:
        attributes = {"contact_information": {"organization_name": "Acme"}}
        links = {"self": "https://a.klaviyo.com/api/accounts/AbC123/"}
        return Reply(200, {"data": [{"type": "account", "id": "AbC123", "attributes": attributes, "links": links}]})

    def _metrics(self, request: Request) -> Reply:
        half = (len(self.metrics) + 1) // 2  # in two pages, so that somebody has to turn them
        second = request.param("page[cursor]") == "two"
        names = self.metrics[half:] if second else self.metrics[:half]
        url = "https://a.klaviyo.com/api/metrics/"
        data = [
            {"type": "metric", "id": name, "attributes": {"name": name}, "links": {"self": f"{url}{number}/"}}
            for number, name in enumerate(names)
        ]
        next_page = None if second else f"{url}?page%5Bcursor%5D=two"
        return Reply(200, {"data": data, "links": {"self": url, "next": next_page}})

    def _one_list(self, _: Request, list_id: str) -> Reply:
        found = self._list(list_id)
        links = {"self": f"https://a.klaviyo.com/api/lists/{list_id}/"}
        data = {"type": "list", "id": list_id, "attributes": {"name": found.name}, "links": links}
        return Reply(200, {"data": data})

    def _list(self, list_id: str) -> List:
        if list_id not in self.lists:
            raise RefusedError(404, "not_found", f"A list with id {list_id} does not exist.")
        return self.lists[list_id]

    def _profiles_read(self, request: Request) -> Reply:
        wanted = {name for name in request.param("fields[profile]").split(",") if name}
        subscriptions = "subscriptions" in request.param("additional-fields[profile]")
        size = int(request.param("page[size]", "20"))
        found: Iterable[Profile] = self._profiles.values()
        if expression := request.param("filter"):
            emails = addresses(expression)
            found = (self._profiles[each] for each in dict.fromkeys(emails) if each in self._profiles)
        data = [profile.show(wanted, subscriptions) for profile in list(found)[:size]]
        return Reply(200, {"data": data, "links": {"self": "https://a.klaviyo.com/api/profiles/", "next": None}})

    def _import(self, request: Request) -> Reply:
        data = request.json()["data"]
        email = data["attributes"].get("email", "")
        require_addresses([email], "/data/attributes/email")
        known = email.lower() in self._profiles
        profile = self._profile(email)
        before = dict(profile.properties)
        write(profile, data["attributes"], data.get("meta"))
        if known and before != profile.properties and KEY not in data["attributes"].get("properties", {}):
            self._feel(profile, "refreshed")
        return Reply(200 if known else 201, {"data": profile.show((), False)})

    def _patch(self, request: Request, profile_id: str) -> Reply:
        if profile_id not in self._ids:
            raise RefusedError(404, "not_found", "A profile with that id does not exist.")
        data = request.json()["data"]
        write(self._ids[profile_id], data["attributes"], data.get("meta"))
        return Reply(200, {"data": self._ids[profile_id].show((), False)})

    def _event(self, request: Request) -> Reply:
        event = request.json()["data"]["attributes"]
        attributes = event["profile"]["data"]["attributes"]
        require_addresses([attributes.get("email", "")], "/data/attributes/profile/data/attributes/email")
        return self._later(lambda: self._record(attributes, attributes.get("meta"), event))

    def _events_bulk(self, request: Request) -> Reply:
        if len(request.body) > MAX_BYTES:
            raise RefusedError(413, "payload_too_large", "The payload is larger than 5MB.")
        items = request.json()["data"]["attributes"]["events-bulk-create"]["data"]
        if sum(len(item["attributes"]["events"]["data"]) for item in items) > MAX_EVENTS:
            raise RefusedError(400, "invalid", "More than 1000 events.", ("/data/attributes/events-bulk-create/data",))
        place = "/data/attributes/events-bulk-create/data/{}/attributes"
        people = [item["attributes"]["profile"]["data"] for item in items]
        emails = [person["attributes"].get("email", "") for person in people]
        require_addresses(emails, place + "/profile/data/attributes/email")
        self._require_new(items, emails, place + "/events/data/0/attributes/unique_id")
        return self._later(lambda: self._record_many(items, people))

    def _require_new(self, items: Sequence[Json], emails: Sequence[str], place: str) -> None:
        seen, known = set(self._seen), []
        for index, (item, email) in enumerate(zip(items, emails, strict=True)):
            for event in item["attributes"]["events"]["data"]:
                this = mark(email, event["attributes"])
                known += [index] if this in seen else []
                seen.add(this)
        if known:
            raise RefusedError(400, "invalid", "Duplicate unique_id.", (place.format(index) for index in known))

    def _record_many(self, items: Sequence[Json], people: Sequence[Json]) -> None:
        for item, person in zip(items, people, strict=True):
            backfill = item["attributes"].get("backfill", False)
            for event in item["attributes"]["events"]["data"]:
                attributes = {"backfill": backfill, **event["attributes"]}
                self._record(person["attributes"], person.get("meta"), attributes)

    def _record(self, person: Json, meta: Json | None, event: Json) -> None:
        profile = self._profile(person["email"])
        write(profile, person, meta)
        this = mark(profile.email, event)
        if this in self._seen:
            return
        self._seen.add(this)
        metric = this[1]
        if metric not in self.metrics:
            self.metrics.append(metric)
        self.events.append((profile.email, metric, event))
        if metric in ENDING:
            self._end(profile, metric, tuple(profile.running))
        elif not event.get("backfill"):
            self._start(profile, metric)

    def _subscribe(self, request: Request) -> Reply:
        data = request.json()["data"]
        attributes = data["attributes"]
        people = [each["attributes"] for each in attributes["profiles"]["data"]]
        if len(people) > MAX_MEMBERS:
            raise RefusedError(400, "invalid", "More than 1000 profiles.")
        place = "/data/attributes/profiles/data/{}/attributes/email"
        require_addresses([each.get("email", "") for each in people], place)
        list_id = data.get("relationships", {}).get("list", {}).get("data", {}).get("id", "")
        if list_id:
            self._list(list_id)
        quiet = bool(attributes.get("historical_import"))
        return self._later(lambda: self._subscribe_all([each["email"] for each in people], list_id, quiet))

    def _subscribe_all(self, emails: Iterable[str], list_id: str, quiet: bool) -> None:
        for email in emails:
            profile = self._profile(email)
            if list_id and self.lists[list_id].double_opt_in and not quiet:
                self.confirmations.append(profile.email)
                continue
            profile.consent = "SUBSCRIBED"
            lasting = ("HARD_BOUNCE", "INVALID_EMAIL")
            profile.suppression = [each for each in profile.suppression if each["reason"] in lasting]
            if list_id:
                self._add(profile, list_id, quiet)

    def _add(self, profile: Profile, list_id: str, quiet: bool = False) -> None:
        members = self.lists[list_id].members
        if profile.id not in members:
            members.add(profile.id)
            if not quiet:
                self._start(profile, list_id, list_id)

    def _relate(self, request: Request, list_id: str) -> Reply:
        found = self._list(list_id)
        ids = [each["id"] for each in request.json()["data"]]
        if len(ids) > MAX_MEMBERS:
            raise RefusedError(400, "invalid", "More than 1000 profiles.")
        if unknown := [index for index, each in enumerate(ids) if each not in self._ids]:
            raise RefusedError(404, "not_found", "No such profile.", (f"/data/{index}/id" for index in unknown))
        for profile in (self._ids[each] for each in ids):
            if request.method == "POST":
                self._add(profile, list_id)
            elif profile.id in found.members:
                found.members.discard(profile.id)
                self._end(profile, list_id, (list_id,))
        return Reply(204)

    def _erase(self, request: Request) -> Reply:
        email = request.json()["data"]["attributes"]["profile"]["data"]["attributes"]["email"]
        return self._later(lambda: self.delete(email))

    def delete(self, email: str) -> None:
        """Somebody deletes the profile."""
        with self._lock:
            profile = self._profiles.pop(email.lower(), None)
            if profile:
                del self._ids[profile.id]
                for each in self.lists.values():
                    each.members.discard(profile.id)


LIMITS = {
    "/api/accounts": (1, 15),
    "/api/metrics": (10, 150),
    "/api/events": (350, 3500),
    "/api/event-bulk-create-jobs": (10, 150),
}
RELATIONS = r"/api/lists/(\w+)/relationships/profiles"
ROUTES: tuple[tuple[str, str, str, Route], ...] = (
    ("GET", "/api/accounts", "accounts:read", KlaviyoSandbox._accounts),
    ("GET", "/api/metrics", "metrics:read", KlaviyoSandbox._metrics),
    ("GET", "/api/profiles", "profiles:read", KlaviyoSandbox._profiles_read),
    ("POST", "/api/profile-import", "profiles:write", KlaviyoSandbox._import),
    ("PATCH", r"/api/profiles/(\w+)", "profiles:write", KlaviyoSandbox._patch),
    ("POST", "/api/events", "events:write", KlaviyoSandbox._event),
    ("POST", "/api/event-bulk-create-jobs", "events:write", KlaviyoSandbox._events_bulk),
    ("POST", "/api/profile-subscription-bulk-create-jobs", "subscriptions:write", KlaviyoSandbox._subscribe),
    ("GET", r"/api/lists/(\w+)", "lists:read", KlaviyoSandbox._one_list),
    ("POST", RELATIONS, "lists:write", KlaviyoSandbox._relate),
    ("DELETE", RELATIONS, "lists:write", KlaviyoSandbox._relate),
    ("POST", "/api/data-privacy-deletion-jobs", "data-privacy:write", KlaviyoSandbox._erase),
    ("GET", "/api/templates", "templates:read", lambda sandbox, request: sandbox.templates.read(request)),
    ("POST", "/api/templates", "templates:write", lambda sandbox, request: sandbox.templates.create(request)),
    ("PATCH", r"/api/templates/(\w+)", "templates:write", lambda sandbox, *sent: sandbox.templates.update(*sent)),
)


def serve(clock: Clock = utc_now, port: int = 0, **options: Any) -> KlaviyoSandbox:
    """Starts a sandbox; see KlaviyoSandbox for the options."""
    return KlaviyoSandbox(clock, port, **options)
