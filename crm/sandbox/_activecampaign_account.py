"""What a pretend ActiveCampaign account holds, and how its API v3 answers: the part that the adapter uses.

https://developers.activecampaign.com/reference. Ids are strings in answers, and numbers or strings in requests.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from connector.sandbox import Clock, Effect, Reply, Request
from crm.sandbox._activecampaign_mails import Mails

Record = dict[str, Any]
LIST, AUTOMATION = "3", "7"
KEY = "sandbox-key-0123456789abcdef"
SECOND_LIMIT = 5
USUAL, MOST = 20, 100  # records in one answer: https://developers.activecampaign.com/reference/pagination


class Account:
    """The account. Everything happens under `lock`."""

    def __init__(self, clock: Clock, *, limited: bool, related: bool, tag_trigger: str, multientry: str) -> None:
        self.effects: list[Effect] = []
        self.clock, self._limited, self._related, self.tag_trigger = clock, limited, related, tag_trigger
        self.lock = threading.RLock()
        self._last_id = 100
        self._recent: deque[float] = deque()
        self.contacts: dict[str, Record] = {}
        self.by_email: dict[str, str] = {}
        self.lists: dict[str, Record] = {LIST: {"id": LIST, "name": "Newsletter", "stringid": "newsletter"}}
        automation = {"id": AUTOMATION, "name": "Abandoned cart", "status": "1", "multientry": multientry}
        self.automations: dict[str, Record] = {AUTOMATION: automation}
        self.mails = Mails()
        self.fields: dict[str, Record] = {}
        self.tags: dict[str, Record] = {}
        self.statuses: dict[tuple[str, str], Record] = {}
        self.values: dict[tuple[str, str], Record] = {}
        self.worn: dict[str, Record] = {}
        self.runs: dict[str, Record] = {}
        self._routes = [(method, re.compile(f"/api/3{path}"), handler) for method, path, handler in self._handlers()]

    def _handlers(self) -> list[tuple[str, str, Callable[..., Reply]]]:
        return [
            ("GET", "/users/me", self._get_me),
            ("GET", "/contacts", self._get_contacts),
            ("GET", r"/contacts/(\d+)", self._get_contact),
            ("PUT", r"/contacts/(\d+)", self._put_contact),
            ("DELETE", r"/contacts/(\d+)", self._delete_contact),
            ("GET", r"/contacts/(\d+)/(contactLists|contactTags|contactAutomations|fieldValues)", self._get_related),
            ("POST", "/contact/sync", self._post_sync),
            ("POST", "/contactLists", self._post_contact_list),
            ("GET", "/lists", self._get_lists),
            ("GET", r"/lists/(\d+)", self._get_list),
            ("GET", "/fields", self._get_fields),
            ("POST", "/fields", self._post_field),
            ("POST", "/fieldRels", self._post_field_rel),
            ("GET", "/tags", self._get_tags),
            ("POST", "/tags", self._post_tag),
            ("POST", "/contactTags", self._post_contact_tag),
            ("DELETE", r"/contactTags/(\d+)", self._delete_contact_tag),
            ("GET", r"/automations/(\d+)", self._get_automation),
            ("POST", "/contactAutomations", self._post_contact_automation),
            ("DELETE", r"/contactAutomations/(\d+)", self._delete_contact_automation),
            ("GET", "/campaigns", self.mails.list_campaigns),
            ("GET", r"/campaigns/(\d+)/campaignMessages", self.mails.list_messages),
            ("GET", r"/messages/(\d+)", self.mails.get_message),
            ("PUT", r"/messages/(\d+)", self.mails.put_message),
        ]

    def answer(self, request: Request) -> Reply:
        """Written out under the lock, because other threads go on changing the records."""
        with self.lock:
            reply = self._route(request)
            return Reply(reply.status, reply.payload(), reply.headers)

    def _route(self, request: Request) -> Reply:
        if request.headers.get("api-token") != KEY:
            return _message(403, "You are not authorized to access this resource")
        if self._limited and (refusal := self._over_limit()):
            return refusal
        for method, pattern, handler in self._routes:
            if method == request.method and (match := pattern.fullmatch(request.path)):
                return handler(request, *match.groups())
        return _message(404, f"No route found for {request.method} {request.path}")

    def _over_limit(self) -> Reply | None:
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) < SECOND_LIMIT:
            self._recent.append(now)
            return None
        headers = {"Retry-After": "1", "RateLimit-Limit": str(SECOND_LIMIT), "RateLimit-Remaining": "0"}
        return Reply(429, {"message": "API rate limit exceeded"}, headers)

    def _get_me(self, _: Request) -> Reply:
        user = {"id": "1", "username": "owner", "firstName": "Pat", "lastName": "Owner", "email": "owner@shop.example"}
        return Reply(200, {"user": user})

    def _get_contacts(self, request: Request) -> Reply:
        wanted = request.param("email").casefold()
        found = [row for row in self.contacts.values() if not wanted or row["email"].casefold() == wanted]
        page, meta = _page(found, request)
        answer: Record = {"scoreValues": [], "contacts": page, "meta": meta}
        if self._related and request.param("include"):
            ids = {row["id"] for row in page}
            for kind in request.param("include").split(","):
                answer[kind] = [row for row in self._rows(kind) if row["contact"] in ids][:USUAL]
        return Reply(200, answer)

    def _rows(self, kind: str) -> list[Record]:
        tables: dict[str, dict[Any, Record]] = {
            "contactLists": self.statuses,
            "contactTags": self.worn,
            "contactAutomations": self.runs,
            "fieldValues": self.values,
        }
        return list(tables[kind].values())

    def _get_contact(self, _: Request, contact_id: str) -> Reply:
        if contact_id not in self.contacts:
            return _absent("Subscriber", contact_id)
        kinds = ("contactAutomations", "contactLists", "fieldValues")
        found = {kind: [row for row in self._rows(kind) if row["contact"] == contact_id][:USUAL] for kind in kinds}
        return Reply(200, {**found, "contact": self.contacts[contact_id]})

    def _get_related(self, request: Request, contact_id: str, kind: str) -> Reply:
        if contact_id not in self.contacts:
            return _absent("Subscriber", contact_id)
        page, _ = _page([row for row in self._rows(kind) if row["contact"] == contact_id], request)
        return Reply(200, {kind: page})

    def _post_sync(self, request: Request) -> Reply:
        body = request.json()["contact"]
        email = str(body.get("email", ""))
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            return _errors(422, "Email address is not valid", f"{email} is not valid", "email_invalid")
        contact, values, changed = self.sync(body)
        if changed and self._is_running(contact["id"]):
            self._effect(contact["id"], "refreshed")
        return Reply(201, {"fieldValues": values, "contact": contact})

    def _put_contact(self, request: Request, contact_id: str) -> Reply:
        if contact_id not in self.contacts:
            return _absent("Subscriber", contact_id)
        contact, values, _ = self.sync({"email": self.contacts[contact_id]["email"], **request.json()["contact"]})
        self._effect(contact_id, "refreshed")
        return Reply(200, {"fieldValues": values, "contact": contact})

    def sync(self, body: Record) -> tuple[Record, list[Record], bool]:
        contact_id = self.by_email.get(body["email"].casefold())
        now = self.now()
        if contact_id is None:
            contact_id = self._next_id()
            self.by_email[body["email"].casefold()] = contact_id
            blank = {"firstName": "", "lastName": "", "phone": "", "bounced_hard": "0", "cdate": now}
            self.contacts[contact_id] = {**blank, "id": contact_id, "email": body["email"]}
        contact = self.contacts[contact_id]
        names: Record = {key: body[key] for key in ("firstName", "lastName", "phone") if key in body}
        contact.update(names, udate=now)
        changed, values = False, []
        for value in body.get("fieldValues", []):
            if (field := str(value["field"])) not in self.fields:
                continue  # unknown fields are passed over in silence
            old = self.values.get((contact_id, field))
            row = {"id": old["id"] if old else self._next_id(), "contact": contact_id, "owner": contact_id}
            changed = changed or old is None or old["value"] != value["value"]
            self.values[contact_id, field] = {**row, "field": field, "value": value["value"], "udate": now}
            values.append(self.values[contact_id, field])
        return contact, values, changed

    def _delete_contact(self, _: Request, contact_id: str) -> Reply:
        if contact_id not in self.contacts:
            return _message(404, f"No result found for contact with id {contact_id}")
        for run in list(self.runs.values()):
            if run["contact"] == contact_id:
                self._end(run)
        del self.by_email[self.contacts.pop(contact_id)["email"].casefold()]
        self.statuses = {key: row for key, row in self.statuses.items() if row["contact"] != contact_id}
        self.values = {key: row for key, row in self.values.items() if row["contact"] != contact_id}
        self.worn = {key: row for key, row in self.worn.items() if row["contact"] != contact_id}
        return Reply(200, {})

    def _post_contact_list(self, request: Request) -> Reply:
        body = request.json()["contactList"]
        contact_id, list_id, status = str(body["contact"]), str(body["list"]), str(body["status"])
        if contact_id not in self.contacts or list_id not in self.lists:
            return Reply(400, {})
        row = self.set_status(contact_id, list_id, status)
        return Reply(200, {"contacts": [self.contacts[contact_id]], "contactList": {**row, "status": int(status)}})

    def set_status(self, contact_id: str, list_id: str, status: str) -> Record:
        row = self.statuses.setdefault((contact_id, list_id), {"id": self._next_id()})
        row |= {"contact": contact_id, "list": list_id, "status": status, "seriesid": "0", "sdate": self.now()}
        return row

    def _get_lists(self, request: Request) -> Reply:
        name = request.param("filters[name]")
        page, meta = _page([row for row in self.lists.values() if name.casefold() in row["name"].casefold()], request)
        return Reply(200, {"lists": page, "meta": meta})

    def _get_list(self, _: Request, list_id: str) -> Reply:
        return Reply(200, {"list": self.lists[list_id]}) if list_id in self.lists else _absent("_List", list_id)

    def _get_fields(self, request: Request) -> Reply:
        page, meta = _page(list(self.fields.values()), request)
        return Reply(200, {"fieldOptions": [], "fieldRels": [], "fields": page, "meta": meta})

    def _post_field(self, request: Request) -> Reply:
        body = request.json()["field"]
        tag = body.get("perstag") or re.sub(r"\W+", "_", body["title"]).upper()
        for row in self.fields.values():
            if row["title"].casefold() == body["title"].casefold():
                detail = f"There is already a field named '{body['title']}' -- choose another name"
                return _errors(422, "There is already a field with this title", detail, "duplicate")
            if row["perstag"].casefold() == tag.casefold():
                detail = f"There is already a personalization tag named '{tag}' -- choose another name"
                return _errors(422, "There is already a field with this personalization tag", detail, "field_invalid")
        field_id = self._next_id()
        row = {"id": field_id, "title": body["title"], "type": body["type"], "perstag": tag, "relations": []}
        self.fields[field_id] = row
        return Reply(201, {"fieldOptions": [], "fieldRels": [], "fields": [row]})

    def _post_field_rel(self, request: Request) -> Reply:
        body = request.json()["fieldRel"]
        rel_id = self._next_id()
        self.fields[str(body["field"])]["relations"].append(rel_id)
        return Reply(201, {"fieldRel": {**body, "id": rel_id, "cdate": self.now(), "links": []}})

    def _get_tags(self, request: Request) -> Reply:
        wanted = request.param("search").casefold()
        found = [row for row in self.tags.values() if wanted in row["tag"].casefold()]
        if request.param("orders[search]") == "weight":
            found.sort(key=lambda row: row["tag"].casefold() != wanted)
        page, meta = _page(found, request)
        return Reply(200, {"tags": page, "meta": meta})

    def _post_tag(self, request: Request) -> Reply:
        body = request.json()["tag"]
        same = (row for row in self.tags.values() if row["tag"].casefold() == body["tag"].casefold())
        if any(row["tagType"] == body["tagType"] for row in same):
            detail = f"Duplicate entry '{body['tagType']}-{body['tag']}' for key 'typetag'"
            return Reply(422, {"message": "Could not process request", "error": detail})
        return Reply(201, {"tag": self.make_tag(body)})

    def make_tag(self, body: Record) -> Record:
        tag_id = self._next_id()
        self.tags[tag_id] = {"id": tag_id, "cdate": self.now(), **body}
        return self.tags[tag_id]

    def _post_contact_tag(self, request: Request) -> Reply:
        body = request.json()["contactTag"]
        contact_id, tag_id = str(body["contact"]), str(body["tag"])
        if contact_id not in self.contacts or tag_id not in self.tags:
            return _errors(
                404, "Not Found", "Contact not found" if contact_id not in self.contacts else "Tag not found"
            )
        for row in self.worn.values():
            if (row["contact"], row["tag"]) == (contact_id, tag_id):
                return Reply(201, {"contactTag": row})
        row_id = self._next_id()
        self.worn[row_id] = {"id": row_id, "contact": contact_id, "tag": tag_id, "cdate": self.now()}
        if self.tag_trigger and self.tags[tag_id]["tag"].casefold() == self.tag_trigger.casefold():
            self._begin(contact_id, AUTOMATION)
        return Reply(201, {"contactTag": self.worn[row_id]})

    def _delete_contact_tag(self, _: Request, row_id: str) -> Reply:
        if row_id not in self.worn:
            return _absent("SubscriberTag", row_id)
        row = self.worn.pop(row_id)
        if self.tag_trigger and self.tags[row["tag"]]["tag"].casefold() == self.tag_trigger.casefold():
            for run in list(self.runs.values()):
                if run["contact"] == row["contact"]:
                    self._end(run)
        return Reply(200, {})

    def _get_automation(self, _: Request, automation_id: str) -> Reply:
        if automation_id not in self.automations:
            return _absent("Series", automation_id)
        return Reply(200, {"automations": [self.automations[automation_id]]})

    def _post_contact_automation(self, request: Request) -> Reply:
        body = request.json()["contactAutomation"]
        contact_id, series = str(body["contact"]), str(body["automation"])
        if contact_id not in self.contacts or (run := self._begin(contact_id, series)) is None:
            return _message(403, "Could not create SubscriberSeries")
        shown = {key: value for key, value in run.items() if key not in ("adddate", "mailed")}
        return Reply(201, {"contacts": [self.contacts[contact_id]], "contactAutomation": {**shown, "status": 1}})

    def _begin(self, contact_id: str, series: str) -> Record | None:
        automation = self.automations.get(series, {})
        entered = any((run["contact"], run["seriesid"]) == (contact_id, series) for run in self.runs.values())
        if automation.get("status") != "1" or (automation["multientry"] == "0" and entered):
            return None
        run_id, mailed = self._next_id(), self._is_mailable(contact_id)
        run: Record = {"id": run_id, "contact": contact_id, "seriesid": series, "automation": series, "status": "1"}
        run.update(adddate=self.now(), remdate=None, completed=0, mailed=mailed)
        self.runs[run_id] = run
        if run["mailed"]:
            self._effect(contact_id, "enrolled", f"automation {series}")
        return run

    def _delete_contact_automation(self, _: Request, run_id: str) -> Reply:
        if run_id not in self.runs:
            return _message(403, f"No Result found for SubscriberSeries with id {run_id}")
        self._end(self.runs[run_id])
        return Reply(200, {})

    def _end(self, run: Record) -> None:
        del self.runs[run["id"]]
        if run["status"] == "1" and run["mailed"]:
            self._effect(run["contact"], "withdrawn", f"automation {run['seriesid']}")

    def _is_mailable(self, contact_id: str) -> bool:
        subscribed = any(row["contact"] == contact_id and row["status"] == "1" for row in self.statuses.values())
        return subscribed and self.contacts[contact_id]["bounced_hard"] == "0"

    def _is_running(self, contact_id: str) -> bool:
        return any(run["contact"] == contact_id and run["status"] == "1" for run in self.runs.values())

    def _effect(self, contact_id: str, what: str, detail: str = "") -> None:
        self.effects.append(Effect(self.clock(), self.contacts[contact_id]["email"], what, detail))

    def _next_id(self) -> str:
        self._last_id += 1
        return str(self._last_id)

    def now(self) -> str:
        return self.clock().isoformat(timespec="seconds")


def _page(found: list[Record], request: Request) -> tuple[list[Record], Record]:
    start = int(request.param("offset", "0"))
    size = min(int(request.param("limit", str(USUAL))), MOST)
    return found[start : start + size], {"total": str(len(found))}


def _message(status: int, words: str) -> Reply:
    return Reply(status, {"message": words})


def _absent(kind: str, number: str) -> Reply:
    return _message(404, f"No Result found for {kind} with id {number}")


def _errors(status: int, title: str, detail: str = "", code: str = "") -> Reply:
    return Reply(status, {"errors": [{"status": status, "title": title, "detail": detail, "code": code}]})
