"""The e-mails of ActiveCampaign's automations, and its personalisation tags.

Tags: https://help.activecampaign.com/hc/en-us/articles/220709307 (personalisation), …/220358207 (conditional content);
an e-mail with both %UNSUBSCRIBELINK% and %SENDER-INFO…% gets no footer besides (read November 2026).

The API can make a message, but the account does not offer such a one in automations, and it has no templates. So
the e-mail that the owner added to the automation is looked up by its name (as a campaign), and filled. Its own editor
shows what it had before (https://developers.activecampaign.com/reference/update-a-message), hence "custom HTML".
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from connector.errors import RejectedError
from connector.http import Door
from connector.merge import Mail, Merge, Stored
from crm._activecampaign_names import perstag
from crm._activecampaign_pages import each, rows
from crm._activecampaign_records import is_same

MERGE = Merge(
    reference=perstag,
    show=lambda tag: f"%{tag}%",
    when=lambda tag: f"%IF ${tag} != ''%",
    otherwise="%ELSE%",
    end="%/IF%",
    unsubscribe="%UNSUBSCRIBELINK%",
    sender="%SENDER-INFO-SINGLELINE%",
    known={"first_name": "FIRSTNAME"},
)
NOT_THERE = (
    "ActiveCampaign has no e-mail of that name. In the automation add the step “Send an email”, make it as custom HTML "
    "under exactly that name, and push again"
)


def find(door: Door, name: str, automation: int | None) -> Stored:
    """The e-mail of that name, in the automation first. Raises RejectedError where the owner has not added it yet."""
    filters = [{"filters[seriesid]": str(automation)}, {}] if automation is not None else [{}]
    for query in filters:
        for row in each(door, "/campaigns", "campaigns", query):
            if is_same(str(row.get("name") or ""), name):
                return _message(door, row)
    raise RejectedError(NOT_THERE)


def _message(door: Door, campaign: Any) -> Stored:
    linked = rows(door, f"/campaigns/{campaign['id']}/campaignMessages", "campaignMessages")
    ids = [str(row.get("messageid") or row.get("message") or "") for row in linked]
    if len(ids) != 1 or not ids[0]:
        raise RejectedError(f"the e-mail has {len(ids)} versions in ActiveCampaign: keep one, and push again")
    return _stored(door.request("GET", f"/messages/{ids[0]}").json()["message"])


def save(door: Door, mail: Mail, stored: Stored) -> Stored:
    """Fills it. The subject is left alone: the owner gave one when the e-mail was added."""
    body = {"message": {"html": mail.html, "text": mail.text}}
    return _stored(door.request("PUT", f"/messages/{stored.id}", json=body).json()["message"])


def _stored(message: Any) -> Stored:
    html = str(message.get("html") or "")
    seen = re.sub(r"<style.*?</style>|<title.*?</title>|<[^>]*>|&nbsp;|\s", "", html, flags=re.DOTALL)
    return Stored(str(message["id"]), hashlib.sha256(html.encode()).hexdigest()[:32], blank=not seen)
