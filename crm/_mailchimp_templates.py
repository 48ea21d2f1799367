"""Mailchimp's templates ("Code your own"), and its merge tags.

Tags: https://mailchimp.com/help/all-the-merge-tags-cheat-sheet/ and …/use-conditional-merge-tag-blocks/ (read 2026-11).
The API does not hand a template's HTML back, so that somebody edited it is told by `date_edited`.
"""

from __future__ import annotations

from typing import Any

from connector.merge import Mail, Merge, Stored
from crm._mailchimp_api import Api
from crm._mailchimp_fields import configured_tag

PAGE = 1000
MERGE = Merge(
    reference=configured_tag,
    show=lambda tag: f"*|{tag}|*",
    when=lambda tag: f"*|IF:{tag}|*",
    otherwise="*|ELSE:|*",
    end="*|END:IF|*",
    unsubscribe="*|UNSUB|*",
    sender="*|LIST:COMPANY|*, *|LIST:ADDRESSLINE|*",
    known={"first_name": "FNAME"},
)


def find(api: Api, name: str) -> Stored | None:
    """The owner's own template of that name; a deleted one stays listed as inactive."""
    fields = ",".join(f"templates.{key}" for key in ("id", "name", "active", "date_edited"))
    for offset in range(0, 100 * PAGE, PAGE):
        query = {"type": "user", "count": str(PAGE), "offset": str(offset), "fields": fields}
        rows = api.request("GET", "/templates", query=query).json()["templates"]
        for row in rows:
            if row["name"] == name and row.get("active", True):
                return _stored(row)
        if len(rows) < PAGE:
            break
    return None


def save(api: Api, mail: Mail, stored: Stored | None) -> Stored:
    """Makes or overwrites it. Mailchimp makes the plain-text part itself, and templates have no subject."""
    body = {"name": mail.name, "html": mail.html}
    if stored is None:
        return _stored(api.request("POST", "/templates", json=body).json())
    return _stored(api.request("PATCH", f"/templates/{stored.id}", json=body, repeatable=True).json())


def _stored(row: dict[str, Any]) -> Stored:
    return Stored(str(row["id"]), str(row.get("date_edited") or ""))
