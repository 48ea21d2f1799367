"""ActiveCampaign addresses all by number: here names in the configuration become numbers, each looked up once."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection, Mapping
from typing import Any

from connector.errors import ConfigError, TransientError
from connector.http import Door, Response
from crm._activecampaign_pages import PAGE, each, rows
from crm._activecampaign_records import Record, is_same

log = logging.getLogger(__name__)

# The contact's own attributes, which are no custom fields, by the personalisation tags that e-mails use.
ATTRIBUTES = {"FIRSTNAME": "firstName", "LASTNAME": "lastName", "PHONE": "phone"}
ACTIVE = "1"


class Names:
    """Numbers of fields, tags and the list. The lock is held over requests, so that nothing is made twice."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._lock = threading.RLock()
        self._fields: dict[str, str] = {}
        self._homeless: set[str] = set()
        self._tags: dict[str, str] = {}
        self._list = ""

    def list_id(self, wanted: int | str | None, *, anew: bool = False) -> str:
        """The list's number, "" without a list. Raises ConfigError where there is none such.

        `anew` asks for it once more: the owner may have deleted it, or made another one of that name.
        """
        if wanted is None:
            return ""
        with self._lock:
            if anew or not self._list:
                self._list = ""
                self._list = self._find_list(str(wanted))
            return self._list

    def _find_list(self, wanted: str) -> str:
        if wanted.isdecimal():
            if self._one(f"/lists/{wanted}"):
                return wanted
        else:
            for row in each(self._door, "/lists", "lists", {"filters[name]": wanted}):
                if is_same(row["name"], wanted):
                    return str(row["id"])
        raise ConfigError(f"there is no list {wanted} in ActiveCampaign: correct `list` (Contacts → Lists shows them)")

    def automation(self, number: int) -> Record:
        """An active automation. Raises ConfigError where there is none such, or it is switched off."""
        data = self._one(f"/automations/{number}")
        # The reference shows this answer as a list, and other single records as an object.
        found = [data["automation"]] if data.get("automation") else data.get("automations", [])
        for row in found:
            if str(row["id"]) == str(number):
                if str(row.get("status")) != ACTIVE:
                    raise ConfigError(f"automation {number} is not active in ActiveCampaign: switch it on")
                return dict(row)
        raise ConfigError(f"there is no automation {number} in ActiveCampaign: correct `campaign`")

    def _one(self, path: str) -> dict[str, Any]:
        """A single record's answer, empty where there is none such."""
        answer = self._door.request("GET", path, allow=(403, 404))
        if answer.status == 404 or (answer.status == 403 and is_absent(answer)):
            return {}
        if answer.status == 403:
            raise self._door.error(answer)
        return dict(answer.json())

    def field_id(self, name: str) -> str:
        """The field's number by its title or personalisation tag, or the name of an attribute; made if missing."""
        with self._lock:
            if not self._known_field(name):
                self._read_fields()
            found = self._known_field(name) or self._make_field(name)
            if found in self._homeless:  # belongs to no list, so the account would not offer it; 0 is all lists
                body = {"fieldRel": {"field": int(found), "relid": 0}}
                self._door.request("POST", "/fieldRels", json=body, repeatable=True, allow=(409, 422))
                self._homeless.discard(found)
            return found

    def missing_fields(self, names: Mapping[str, str]) -> list[str]:
        """Those that have yet to be made."""
        with self._lock:
            self._read_fields()
            return [name for name in names if not self._known_field(name)]

    def have_fields(self, numbers: Collection[str]) -> bool:
        """Whether all of these are there still; asks anew, so that the name of one that is not leads to it no more."""
        with self._lock:
            self._read_fields()
            return set(numbers) <= set(self._fields.values())

    def _known_field(self, name: str) -> str:
        plain = _plain(name)
        return ATTRIBUTES.get(plain.upper()) or self._fields.get(plain.casefold(), "")

    def _read_fields(self) -> None:
        found = list(each(self._door, "/fields", "fields"))
        by_tag = {str(row["perstag"]).casefold(): str(row["id"]) for row in found}
        self._fields = by_tag | {str(row["title"]).casefold(): str(row["id"]) for row in found}
        self._homeless = {str(row["id"]) for row in found if row.get("relations") == []}

    def _make_field(self, name: str) -> str:
        title = _plain(name)
        # A text area: the length of a one-line field is nowhere stated, and checkout addresses are long.
        body = {"field": {"title": title, "type": "textarea", "perstag": perstag(title), "visible": True}}
        answer = self._door.request("POST", "/fields", json=body, allow=(422,))
        if answer.status == 422 and "already" not in words(answer):
            raise self._door.error(answer)
        self._read_fields()
        if not (made := self._known_field(name)):
            raise TransientError(f"ActiveCampaign does not show the new field {title} yet")
        log.info("made the field %s in ActiveCampaign; e-mails show it as %%%s%%", title, perstag(title))
        return made

    def tag_id(self, name: str, *, make: bool = True, anew: bool = False) -> str:
        """The tag's number; "" where it is missing and not to be made. `anew` asks for it once more."""
        key = name.strip().casefold()
        with self._lock:
            if anew:
                self._tags.pop(key, None)
            if key not in self._tags and (found := self._find_tag(name) or (self._make_tag(name) if make else "")):
                self._tags[key] = found
            return self._tags.get(key, "")

    def forget_tag(self, name: str) -> None:
        """Asks for it anew next time."""
        with self._lock:
            self._tags.pop(name.strip().casefold(), None)

    def _find_tag(self, name: str) -> str:
        # The search means "contains"; by weight, an exact match comes first.
        query = {"search": name.strip(), "orders[search]": "weight", "limit": str(PAGE)}
        for row in rows(self._door, "/tags", "tags", query):
            if is_same(row["tag"], name) and row.get("tagType", "contact") == "contact":
                return str(row["id"])
        return ""

    def _make_tag(self, name: str) -> str:
        body = {"tag": {"tag": name.strip(), "tagType": "contact", "description": "Put on and taken off by Winback"}}
        answer = self._door.request("POST", "/tags", json=body, allow=(409, 422, 500))
        if answer.status < 400:
            log.info("made the tag %s in ActiveCampaign", name)
            return str(answer.json()["tag"]["id"])
        # Made a moment ago by somebody else (https://github.com/verbb/formie/issues/1389).
        if "duplicate" in words(answer) and (found := self._find_tag(name)):
            return found
        raise self._door.error(answer)


def perstag(title: str) -> str:
    """The personalisation tag of a field that is made, without its % signs."""
    return re.sub(r"[^A-Z0-9]+", "_", _plain(title).upper()).strip("_") or "WINBACK"


def words(answer: Response) -> str:
    """The body in lower case: by resource, an error's sentence is under `message`, `error` or `errors`."""
    return answer.body[:4000].decode("utf-8", "replace").lower()


def is_absent(answer: Response) -> bool:
    """Whether a 403 means that there is no such record, which some resources say with 404."""
    return "no result found" in words(answer)


def _plain(name: str) -> str:
    return name.strip().strip("%")
