"""How Klaviyo's API is spoken to: JSON:API, revision 2026-07-15, limits counted for each account and call.

https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling (read November 2026). At once/a minute: profiles
and lists 75/750, events 350/3500, bulk events and list membership 10/150, metrics 10/150, accounts 1/15.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from connector.errors import ConfigError, TransientError
from connector.http import Door, Http, Rate, Response
from connector.registry import CrmOptions
from crm._klaviyo_payloads import BULK_HEAD, BULK_TAIL, KEY, Json

ORIGIN = "https://a.klaviyo.com"
REVISION = "2026-07-15"
MEDIA = "application/vnd.api+json"
PAGE = 100  # profiles in one answer
MOST_PAGES = 100  # of the metrics; an account has some dozens
MOST = 1000  # profiles in one call on a list or on subscriptions
# A burst and a minute's refill together stay under the steady limit.
PROFILES = Rate(per_second=11, burst=70)
EVENTS = Rate(per_second=52, burst=300)
BULK = Rate(per_second=2.3, burst=8)
MARKETING = tuple(
    f"subscriptions.email.marketing.{name}"
    for name in ("can_receive_email_marketing", "consent", "suppression", "list_suppressions")
)
UNSUBSCRIBED = "they unsubscribed"
SUPPRESSED = {
    "HARD_BOUNCE": "their mailbox does not exist",
    "INVALID_EMAIL": "their address is invalid",
    "SPAM_COMPLAINT": "they reported e-mails as spam",
    "UNSUBSCRIBE": UNSUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class Contact:
    """A profile as Klaviyo has it. `keys` are those of the last enrolments that put it on a list, the newest last."""

    id: str
    marketing: Mapping[str, Any]
    keys: tuple[str, ...] = ()

    def refusal(self, list_id: str | None = None) -> str:
        """Why no flow mails this profile, or "". What Klaviyo does not say counts as a refusal."""
        for suppression in self.marketing.get("suppression") or ():
            return SUPPRESSED.get(suppression.get("reason", ""), "they are suppressed in the account")
        if self.marketing.get("consent") == "UNSUBSCRIBED":
            return UNSUBSCRIBED
        if self.marketing.get("can_receive_email_marketing") is not True:
            return "they are suppressed in the account"
        if list_id and any(each.get("list_id") == list_id for each in self.marketing.get("list_suppressions") or ()):
            return "they unsubscribed from the list"
        return ""


class Api:
    """The calls that the adapter makes. Each raises the three errors; what repeats harmlessly is repeated at once."""

    def __init__(self, options: CrmOptions, api_key: str, http: Http) -> None:
        auth = {"authorization": f"Klaviyo-API-Key {api_key}"}
        self._headers = {**auth, "revision": REVISION, "accept": MEDIA, "content-type": MEDIA}
        account = hashlib.sha256(api_key.encode()).hexdigest()[:16]

        def door(tier: str, rate: Rate) -> Door:
            return http.door(
                options.base_url or ORIGIN,
                name="Klaviyo",
                rate=rate,
                account=f"klaviyo {account} {tier}",
                headers=self._headers,
                secrets=options.secrets(),
            )

        self.door = door("profiles", options.limit(PROFILES))
        self._events = door("events", options.limit(EVENTS, beside=PROFILES))
        self._bulk = door("bulk", options.limit(BULK, beside=PROFILES))

    def read(self, path: str, scope: str, query: Mapping[str, str], allow: Iterable[int] = ()) -> Any:
        """What `check` asks for; None where it does not exist and `allow` has 404."""
        response = self.door.request("GET", path, query=query, allow={403, *allow})
        if response.status == 403:
            raise ConfigError(f"The Klaviyo key may not read {path}. Make a private key that has the scope {scope}")
        return None if response.status == 404 else response.json()

    def has_list(self, list_id: str) -> bool:
        """Whether there is such a list."""
        return self.read(f"/api/lists/{list_id}", "lists:read", {"fields[list]": "name"}, {404}) is not None

    def has_metric(self, name: str) -> bool:
        """Whether an event of this name ever came in."""
        query = {"fields[metric]": "name"}
        for _ in range(MOST_PAGES):
            page = self.read("/api/metrics", "metrics:read", query)
            if any(each["attributes"]["name"] == name for each in page["data"]):
                return True
            next_page = (page.get("links") or {}).get("next") or ""
            cursor = re.search(r"[?&]page(?:\[|%5B)cursor(?:\]|%5D)=([^&]+)", next_page)
            if not cursor:
                break
            query["page[cursor]"] = unquote(cursor[1])
        return False

    def contacts(self, emails: Iterable[str], *, with_keys: bool = False) -> dict[str, Contact]:
        """The profiles that exist, by address in lower case; 100 addresses at most."""
        values = json.dumps(sorted(set(emails)), separators=(",", ":"), ensure_ascii=False)
        query = {
            "filter": f"any(email,{values})",
            "additional-fields[profile]": "subscriptions",
            "fields[profile]": ",".join(("email", *MARKETING, *(("properties",) if with_keys else ()))),
            "page[size]": str(PAGE),
        }
        found = {}
        for each in self.door.request("GET", "/api/profiles", query=query).json()["data"]:
            attributes = each["attributes"]
            marketing = ((attributes.get("subscriptions") or {}).get("email") or {}).get("marketing") or {}
            keys = tuple(str((attributes.get("properties") or {}).get(KEY, "")).split(","))
            found[str(attributes.get("email") or "").lower()] = Contact(each["id"], marketing, keys)
        return found

    def contact(self, email: str) -> Contact | None:
        """One profile, or None."""
        return self.contacts([email]).get(email.lower())

    def write(self, profile: Json) -> str:
        """Creates or updates a profile at once, and returns its id."""
        path = "/api/profile-import"
        response = self.door.request("POST", path, json={"data": profile}, allow={409}, repeatable=True)
        if response.status != 409:
            return str(response.json()["data"]["id"])
        twin = next((str(error["meta"].get("duplicate_profile_id") or "") for error in _errors(response, "meta")), "")
        if not twin:
            raise self.door.error(response)
        rest = {name: value for name, value in profile["attributes"].items() if name != "email"}
        self.patch(twin, {**profile, "attributes": rest})
        return twin

    def patch(self, profile_id: str, profile: Json) -> None:
        """Updates a profile; one that is gone is success."""
        data = {"data": {**profile, "id": profile_id}}
        self.door.request("PATCH", f"/api/profiles/{profile_id}", json=data, allow={404}, repeatable=True)

    def subscribe(self, emails: Sequence[str], list_id: str | None) -> set[int]:
        """Subscribes profiles that do not exist yet. Returns which ones Klaviyo refused, and then did none.

        Raises ConfigError where there is no such list.
        """
        consent = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
        profiles = [{"type": "profile", "attributes": {"email": each, "subscriptions": consent}} for each in emails]
        data = {
            "type": "profile-subscription-bulk-create-job",
            "attributes": {"custom_source": "Checkout", "profiles": {"data": profiles}},
            "relationships": {"list": {"data": {"type": "list", "id": list_id}}},
        }
        path = "/api/profile-subscription-bulk-create-jobs"
        response = self.door.request("POST", path, json={"data": data}, allow={400, 404})
        if list_id and (response.status == 404 or any("/relationships/list" in each for each in _pointers(response))):
            self._require_list(list_id)
        if response.status == 404:
            raise self.door.error(response)
        return _refused(response, len(emails))

    def join(self, list_id: str, profile_ids: Sequence[str]) -> None:
        """Puts profiles on a list. Raises ConfigError where there is no such list.

        Where one of the profiles is gone Klaviyo adds none: RejectedError for many, TransientError for that one alone.
        """
        response = self._relate("POST", list_id, profile_ids)
        if response.status != 404:
            return
        self._require_list(list_id)
        if len(profile_ids) > 1:
            raise self.door.error(response)
        raise TransientError("Klaviyo lost this profile between two requests", alone=True)

    def leave(self, list_id: str, profile_ids: Sequence[str]) -> None:
        """Takes profiles off a list; who is not on it is success. Raises ConfigError where there is no such list.

        Where one of many is gone Klaviyo takes none off: RejectedError. That one alone is success.
        """
        response = self._relate("DELETE", list_id, profile_ids)
        if response.status != 404:
            return
        self._require_list(list_id)
        if len(profile_ids) > 1:
            raise self.door.error(response)

    def leave_for_good(self, list_id: str, profile_id: str) -> None:
        """Takes one profile off a list; also success where the profile or the list is gone."""
        self._relate("DELETE", list_id, [profile_id])

    def _require_list(self, list_id: str) -> None:
        if not self.has_list(list_id):
            raise ConfigError(f"Klaviyo has no list {list_id}. Take its id from the list's address in Klaviyo")

    def _relate(self, method: str, list_id: str, profile_ids: Sequence[str]) -> Response:
        data = {"data": [{"type": "profile", "id": each} for each in profile_ids]}
        path = f"/api/lists/{list_id}/relationships/profiles"
        return self._bulk.request(method, path, json=data, allow={404}, repeatable=True)

    def track(self, body: Json) -> None:
        """Sends one event. Klaviyo ignores one whose `unique_id` it has, so that it may be sent again."""
        self._events.request("POST", "/api/events", json=body, repeatable=True)

    def track_many(self, items: Sequence[bytes]) -> set[int]:
        """Sends encoded events. Returns which ones Klaviyo refused, and then did none."""
        url = f"{self._bulk.base_url}/api/event-bulk-create-jobs"
        body = BULK_HEAD + b",".join(items) + BULK_TAIL
        sent = self._bulk.send("POST", url, headers=self._headers, body=body, allow={400, 413}, repeatable=True)
        return _refused(sent, len(items))

    def erase(self, email: str) -> None:
        """Deletes a profile for ever, as data protection law wants it."""
        profile = {"data": {"type": "profile", "attributes": {"email": email}}}
        data = {"type": "data-privacy-deletion-job", "attributes": {"profile": profile}}
        self.door.request("POST", "/api/data-privacy-deletion-jobs", json={"data": data}, allow={404}, repeatable=True)


def _refused(response: Response, count: int) -> set[int]:
    """Which items the errors point at (`/data/attributes/…/data/3/…` is the fourth); all, where they do not say."""
    if response.status < 400:
        return set()
    found = (re.match(r"/data/attributes/[a-z-]+/data/(\d+)", pointer) for pointer in _pointers(response))
    return {index for match in found if match and (index := int(match[1])) < count} or set(range(count))


def _pointers(response: Response) -> list[str]:
    """Which parts of the request the errors point at."""
    return [str(error["source"].get("pointer") or "") for error in _errors(response, "source")]


def _errors(response: Response, part: str) -> list[Json]:
    """The errors that have this part. A proxy's answer may look like anything."""
    try:
        body = response.json()
    except TransientError:
        return []
    errors = body.get("errors") if isinstance(body, dict) else None
    found = errors if isinstance(errors, list) else []
    return [error for error in found if isinstance(error, dict) and isinstance(error.get(part), dict)]
