"""How Omnisend's API is spoken to: version 2026-03-15, 400 requests a minute for each brand, 60 of them for tags.

Errors are problem documents (RFC 9457). The time to wait after a 429 is in its body.
https://api-docs.omnisend.com (read November 2026).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.errors import ConfigError, TransientError, WinbackError
from connector.http import Http, Query, Rate, Response
from connector.registry import CrmOptions
from crm._omnisend_payloads import MARK, Json

ORIGIN = "https://api.omnisend.com"
VERSION = "2026-03-15"
# A burst and a minute's refill together stay under the limit.
CALLS = Rate(per_second=5.5, burst=60)
TAGS = Rate(per_second=0.8, burst=10, connections=1)
MAILED = ("subscribed", "nonSubscribed")
LONGEST_WAIT = 86400.0  # seconds; whatever Omnisend says


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as Omnisend has it. `marks` are the ids of our last events that were worked off, the newest last."""

    id: str
    status: str
    tags: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def refusal(self) -> str:
        """Why no automation mails this contact, or "". What Omnisend does not say counts as a refusal."""
        if self.status in MAILED:
            return ""
        return "they unsubscribed" if self.status == "unsubscribed" else "it does not say whether they want e-mail"


class Api:
    """The calls that the adapter makes. Each raises the three errors."""

    def __init__(self, options: CrmOptions, api_key: str, http: Http) -> None:
        account = hashlib.sha256(api_key.encode()).hexdigest()[:16]
        headers = {"authorization": f"Omnisend-API-Key {api_key}", "omnisend-version": VERSION}
        self.door, self._tags = (
            http.door(
                options.base_url or ORIGIN,
                name="Omnisend",
                rate=rate,
                account=f"omnisend {account} {tier}",
                headers=headers,
                secrets=options.secrets(),
            )
            for tier, rate in (("calls", options.limit(CALLS)), ("tags", options.limit(TAGS, beside=CALLS)))
        )

    def brand(self) -> Json:
        """The account behind the key: `brandID`, `name`, `website`, `platform`, `connected`."""
        found: Json = self._call("GET", "/brands/current", "brands.read").json()
        return found

    def may_read_contacts(self) -> None:
        """Raises ConfigError if not."""
        self._call("GET", "/contacts", "contacts.read", query={"limit": "1"})

    def automations(self) -> list[Json] | None:
        """The enabled automations, or None where the key or Omnisend does not show them."""
        # A preview (2026-11): whatever it says but yes, the adapter does without it.
        query, unavailable = {"isEnabled": "true", "limit": "250"}, (400, 403, 404, 410)
        response = self._call("GET", "/automations", "automations.read", query=query, allow=unavailable)
        if response.status in unavailable:
            return None
        found = response.json().get("automations")
        return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else None

    def contact(self, email: str) -> Contact | None:
        """One contact, or None."""
        query = {"email": email, "limit": "1"}
        found = self._call("GET", "/contacts", "contacts.read", query=query).json().get("contacts") or ()
        return _contact(found[0], email) if found else None

    def create(self, body: Json, email: str) -> Contact:
        """Makes a contact, or updates one that came to be meanwhile."""
        answer = self._call("POST", "/contacts", "contacts.write", json=body, repeatable=True)
        return _contact(answer.json(), email)

    def update(self, contact_id: str, body: Json) -> bool:
        """Changes a contact; False if it is gone."""
        path = f"/contacts/{contact_id}"
        sent = self._call("PATCH", path, "contacts.write", json=body, allow=(404,), repeatable=True)
        return sent.status != 404

    def tag(self, email: str, tags: Sequence[str], *, off: bool = False) -> None:
        """Puts tags on or takes them off; who is not there is success."""
        body, method = {"emails": [email], "tags": list(tags)}, "DELETE" if off else "POST"
        self._call(method, "/contacts/tags", "contacts.write", json=body, repeatable=True)

    def send(self, event: Json) -> None:
        """Sends an event. Two of them start an automation twice, so that a lost answer is never repeated at once."""
        self._call("POST", "/events", "events.write", json=event)

    def _call(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        json: Any = None,
        query: Query = (),
        allow: Collection[int] = (),
        repeatable: bool | None = None,
    ) -> Response:
        door = self._tags if path == "/contacts/tags" else self.door
        handled = (400, 403, 410, 429, *allow)
        response = door.request(method, f"/api{path}", json=json, query=query, allow=handled, repeatable=repeatable)
        if response.status < 300 or response.status in allow:
            return response
        raise self._refusal(response, scope)

    def _refusal(self, response: Response, scope: str) -> WinbackError:
        problem = _problem(response)
        error = self.door.error(response)
        if response.status == 429:
            return TransientError(str(error), _seconds(problem.get("retryAfter"), response.retry_after))
        if response.status == 410:
            return ConfigError(f"Omnisend has retired version {VERSION} of its API. Update Winback")
        if response.status == 403:
            return ConfigError(f"{error}: make an API key in Omnisend that has the permission {scope}")
        errors = problem.get("errors")
        rows = [row for row in errors if isinstance(row, Mapping)] if isinstance(errors, list) else []
        words = "; ".join(f"{row.get('field') or 'a value'}: {row.get('message', '')}" for row in rows)
        if not words:
            return error
        return self.door.refusal(response, f"Omnisend did not accept these values: {self.door.redact(words)}")


def _contact(found: Any, email: str) -> Contact:
    channels = (
        (each.get("channels") or {}).get("email") or {}
        for each in found.get("identifiers") or ()
        if each.get("type") == "email" and str(each.get("id", "")).lower() == email.lower()
    )
    status = next((channel["status"] for channel in channels if channel.get("status")), found.get("status"))
    mark = str((found.get("customProperties") or {}).get(MARK) or "")
    marks = tuple(mark.split(",")) if mark else ()
    return Contact(str(found["id"]), str(status or ""), tuple(found.get("tags") or ()), marks)


def _problem(response: Response) -> Mapping[str, Any]:
    """The problem document, or nothing: a proxy's answer may look like anything."""
    try:
        data = response.json()
    except TransientError:
        return {}
    return data if isinstance(data, Mapping) else {}


def _seconds(said: Any, header: float | None) -> float | None:
    if isinstance(said, (int, float)) and not isinstance(said, bool):
        return max(0.0, min(float(said), LONGEST_WAIT))
    return header
