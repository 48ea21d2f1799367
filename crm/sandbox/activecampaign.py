"""A pretend ActiveCampaign account with shoppers and an owner, for `winback demo` and the tests."""

from __future__ import annotations

from typing import Any

from connector.sandbox import Clock, Server, utc_now
from crm.sandbox._activecampaign_account import AUTOMATION, KEY, LIST, Account, Record

STATUSES = {"0": "unconfirmed", "1": "active", "2": "unsubscribed", "3": "bounced"}


def serve(
    clock: Clock = utc_now,
    port: int = 0,
    *,
    limited: bool = False,
    related: bool = True,
    tag_trigger: str = "",
    multientry: str = "1",
) -> ActiveCampaignSandbox:
    """Starts an account with list 3 ("Newsletter") and automation 7.

    `limited` allows 5 requests a second, then answers 429. Without `related`, `include` is ignored. `tag_trigger` is a
    tag that starts automation 7 and must stay on for a shopper to stay in it. `multientry` "0" lets in only once.
    """
    account = Account(clock, limited=limited, related=related, tag_trigger=tag_trigger, multientry=multientry)
    return ActiveCampaignSandbox(account, Server(account.answer, clock=clock, port=port))


class ActiveCampaignSandbox:
    """The account from outside. Safe to use from many threads."""

    def __init__(self, account: Account, server: Server) -> None:
        self.server = server
        self.effects = account.effects
        self._account, self._lock = account, account.lock

    def options(self) -> dict[str, Any]:
        tag = self._account.tag_trigger
        return {
            "adapter": "activecampaign",
            "base_url": self.server.url,
            "api_key": KEY,
            "list": int(LIST),
            "requests_per_second": 500,
            **({"tags": [tag]} if tag else {"campaign": {"automation": int(AUTOMATION)}}),
        }

    def add_contact(self, email: str, status: str = "", *, bounced: bool = False, list_id: str = LIST) -> str:
        """A contact that the account has had for long; `status` is its number on the list, "" for not on it."""
        with self._lock:
            contact = self._account.sync({"email": email})[0]
            contact |= {"bounced_hard": "1" if bounced else "0", "cdate": "2020-01-01T00:00:00-06:00"}
            if status:
                self._account.set_status(contact["id"], list_id, status)
            return str(contact["id"])

    def add_history(self, email: str, count: int) -> None:
        """What a contact of many years has: so many tags and lists, and finished runs through other automations."""
        with self._lock:
            contact_id, account = self._id(email) or self.add_contact(email), self._account
            long_ago = {
                "contact": contact_id,
                "cdate": "2020-01-01T00:00:00-06:00",
                "adddate": "2020-01-01T00:00:00-06:00",
            }
            for number in range(5000, 5000 + count):
                tag = account.make_tag({"tag": f"segment {number}", "tagType": "contact"})
                account.worn[str(number)] = {**long_ago, "id": str(number), "tag": tag["id"]}
                account.set_status(contact_id, str(number), "1")
                run = {"id": str(number), "seriesid": str(number), "status": "2", "completed": 1, "mailed": False}
                account.runs[str(number)] = {**long_ago, **run, "automation": str(number)}

    def unsubscribe(self, email: str) -> None:
        with self._lock:
            contact_id = self._id(email) or self.add_contact(email)
            for list_id in {LIST, *(one for contact, one in self._account.statuses if contact == contact_id)}:
                self._account.set_status(contact_id, list_id, "2")

    def status(self, email: str) -> str:
        with self._lock:
            contact_id = self._id(email)
            if not contact_id:
                return ""
            row = self._account.statuses.get((contact_id, LIST))
            return STATUSES.get(str(row["status"]), "removed") if row else "not subscribed"

    def fields(self, email: str) -> dict[str, str]:
        with self._lock:
            contact_id = self._id(email)
            return {
                self._account.fields[field]["title"]: row["value"]
                for (contact, field), row in self._account.values.items()
                if contact == contact_id
            }

    def tags(self, email: str) -> set[str]:
        with self._lock:
            contact_id = self._id(email)
            return {
                self._account.tags[row["tag"]]["tag"]
                for row in self._account.worn.values()
                if row["contact"] == contact_id
            }

    def contact(self, email: str) -> Record | None:
        """The contact's own record."""
        with self._lock:
            contact_id = self._id(email)
            return dict(self._account.contacts[contact_id]) if contact_id else None

    def running(self, email: str) -> int:
        """How many times the contact is in automation 7 at this moment."""
        with self._lock:
            contact_id = self._id(email)
            return sum(run["contact"] == contact_id and run["status"] == "1" for run in self._account.runs.values())

    def finish(self, email: str) -> None:
        """The contact reaches the end of every automation."""
        with self._lock:
            for run in self._account.runs.values():
                if run["contact"] == self._id(email):
                    run |= {"status": "2", "completed": 1, "remdate": self._account.now()}

    def switch(self, *, active: bool) -> None:
        """The owner switches automation 7 on or off."""
        with self._lock:
            self._account.automations[AUTOMATION]["status"] = "1" if active else "2"

    def add_mail(self, name: str, html: str = "") -> None:
        """The owner adds an e-mail to automation 7."""
        with self._lock:
            self._account.mails.add(name, AUTOMATION, html)

    def mail(self, name: str) -> Record:
        """The message of an e-mail of that name; what is changed in it the owner changed."""
        return self._account.mails.message(name)

    def add_tag(self, name: str, kind: str = "contact") -> None:
        """The owner makes a tag, for contacts or for templates."""
        with self._lock:
            self._account.make_tag({"tag": name, "tagType": kind})

    def delete_tag(self, name: str) -> None:
        """The owner deletes a tag from the account."""
        with self._lock:
            gone = {tag["id"] for tag in self._account.tags.values() if tag["tag"] == name}
            self._account.tags = {key: tag for key, tag in self._account.tags.items() if key not in gone}
            self._account.worn = {key: row for key, row in self._account.worn.items() if row["tag"] not in gone}

    def add_list(self, list_id: str, name: str = "Newsletter") -> None:
        """The owner makes a list."""
        with self._lock:
            self._account.lists[list_id] = {"id": list_id, "name": name, "stringid": name.casefold()}

    def delete_list(self, list_id: str = LIST) -> None:
        """The owner deletes a list, and nobody is on it any more."""
        with self._lock:
            self._account.lists.pop(list_id)
            statuses = self._account.statuses.items()
            self._account.statuses = {key: row for key, row in statuses if row["list"] != list_id}

    def delete_field(self, title: str) -> None:
        """The owner deletes a custom field, with what all contacts have in it."""
        with self._lock:
            gone = {field["id"] for field in self._account.fields.values() if field["title"] == title}
            self._account.fields = {key: field for key, field in self._account.fields.items() if key not in gone}
            values = self._account.values.items()
            self._account.values = {key: row for key, row in values if row["field"] not in gone}

    def _id(self, email: str) -> str:
        return self._account.by_email.get(email.casefold(), "")
