"""Klaviyo's templates, and its template tags.

Tags: https://help.klaviyo.com/hc/en-us/articles/115005078267 (unsubscribe) and
https://developers.klaviyo.com/en/docs/use-conditionals-in-messages (read November 2026). Values are read from the
profile and not from the event: the profile is in flows of a metric and of a list alike, and has what a shopper put into
the cart since the flow began.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from connector.errors import ConfigError
from connector.http import Door, Response
from connector.merge import Mail, Merge, Stored

PATH = "/api/templates"


def merge(*, by_metric: bool) -> Merge:
    """The tags; an event brings the link back even where no field holds it."""
    event = {"checkout_url": "event.CheckoutURL"} if by_metric else {}
    return Merge(
        reference=_lookup,
        show=lambda value: "{{ " + value + " }}",
        when=lambda value: "{% if " + value + " %}",
        otherwise="{% else %}",
        end="{% endif %}",
        unsubscribe="{% unsubscribe_link %}",
        sender="{{ organization.name }}, {{ organization.full_address }}",
        known={"first_name": "first_name", **event},
    )


def _lookup(field: str) -> str:
    if "'" in field:
        raise ConfigError(f"Klaviyo's templates cannot name the property {field}: rename it without the apostrophe")
    return f"person|lookup:'{field}'"


def find(door: Door, name: str) -> Stored | None:
    """The template of that name."""
    query = {"filter": f"equals(name,{json.dumps(name, ensure_ascii=False)})", "fields[template]": "name,html"}
    rows = _answer(door.request("GET", PATH, query=query, allow={403}), "templates:read")["data"]
    return _stored(rows[0]) if rows else None


def save(door: Door, mail: Mail, stored: Stored | None) -> Stored:
    """Makes it as custom HTML, or writes over it."""
    attributes = {"name": mail.name, "html": mail.html, "text": mail.text}
    if stored is None:
        data: dict[str, Any] = {"type": "template", "attributes": {**attributes, "editor_type": "CODE"}}
        answer = door.request("POST", PATH, json={"data": data}, allow={403})
    else:
        data = {"type": "template", "id": stored.id, "attributes": attributes}
        answer = door.request("PATCH", f"{PATH}/{stored.id}", json={"data": data}, allow={403}, repeatable=True)
    return _stored(_answer(answer, "templates:write")["data"])


def _answer(response: Response, scope: str) -> Any:
    if response.status == 403:
        raise ConfigError(f"The Klaviyo key may not do this. Make a private key that has the scope {scope}")
    return response.json()


def _stored(row: Any) -> Stored:
    html = str(row["attributes"].get("html") or "")
    return Stored(str(row["id"]), hashlib.sha256(html.encode()).hexdigest()[:32])
