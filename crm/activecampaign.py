"""ActiveCampaign: API v3 under the account's own URL (Settings → Developer), header `Api-Token`.

Scope: contacts, lists, custom fields, tags, automations. Limit: 5 requests a second for each account, over all its keys
(https://developers.activecampaign.com/reference/rate-limits); 429 brings `Retry-After`. A bad key is answered with 403.
A step costs 4 requests for a known contact and 5 for a new one, with one tag and an automation.
Automations mail only contacts who are subscribed ("active") to some list; those who are unconfirmed, unsubscribed or on
no list are passed over (https://help.activecampaign.com/hc/en-us/articles/9384583447580, …/360021831499).
Documentation read: November 2026.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import Http, Rate, Response
from connector.merge import Mail, Merge, Stored
from connector.model import Enrolment, Finding, Health, Identity, Outcome, Receipt, Withdrawal
from connector.registry import Cap, CrmOptions, Habits, Strict, Url, crm
from crm import _activecampaign_templates as templates
from crm._activecampaign_names import ATTRIBUTES, Names, is_absent, perstag, words
from crm._activecampaign_pages import each, is_whole, related
from crm._activecampaign_records import (
    SUBSCRIBED,
    Before,
    Contact,
    contact_from,
    is_fresh,
    is_left_over,
    is_own,
    is_same,
    passed_over,
    refusal,
    runs_from,
    snapshot,
    statuses_from,
)

# Related records in the same answer. The reference shows it for single contacts only, so `_find` makes do without.
RELATED = ("contactLists", "contactTags", "contactAutomations")
INCLUDE = {"include": ",".join(RELATED)}
REMEMBERED = 10_000  # attempts that got no answer; more than an outage brings


class Campaign(Strict):
    """The automation to put the shopper into. It needs no trigger of its own."""

    automation: int = Field(description="The number in the automation's address: …/series/7.")


class ActiveCampaignOptions(CrmOptions):
    """The keys of an ActiveCampaign account."""

    adapter: Literal["activecampaign"]
    base_url: Url = Field(description="The account's URL from Settings → Developer.")
    api_key: SecretStr = Field(description="The key beside it.")
    list: int | str | None = Field(
        None,
        description="Number or name of the list whose subscription decides who is mailed, and which new contacts join. "
        "Without it, being subscribed to any list counts, and nobody new is subscribed.",
    )
    campaign: Campaign | None = None


@crm
class ActiveCampaign:
    """The adapter; safe to use from many threads."""

    name: ClassVar[str] = "activecampaign"
    title: ClassVar[str] = "ActiveCampaign"
    capabilities: ClassVar[frozenset[Cap]] = frozenset(
        {Cap.TAGS, Cap.FIELDS, Cap.CAMPAIGN, Cap.EXIT, Cap.EXACTLY_ONCE, Cap.DELETE, Cap.TEMPLATES}
    )
    rate: ClassVar[Rate] = Rate(per_second=5, burst=5, connections=4)
    batch: ClassVar[int] = 1
    exit_condition: ClassVar[str] = (
        "With campaign: {automation: N} there is nothing to set: buyers are taken out of that automation at once. "
        "Where a tag starts the automation instead, end it with a Goal on the condition “Tag does not exist” and that "
        "tag, to be jumped to whenever the condition is met: buyers lose the tag and skip the remaining e-mails."
    )
    repeats: ClassVar[str] = ""
    habits: ClassVar[Habits] = Habits(starts="automation")
    Options: ClassVar[type[CrmOptions]] = ActiveCampaignOptions

    def __init__(self, options: ActiveCampaignOptions, http: Http) -> None:
        self.options = options
        account = options.base_url.removesuffix("/api/3")
        self._host = urlsplit(account).netloc.lower()
        self._door = http.door(
            account + "/api/3",
            name=self.title,
            rate=options.limit(self.rate),
            headers={"Api-Token": options.api_key.get_secret_value()},
            secrets=options.secrets(),
        )
        self._names = Names(self._door)
        self._before: dict[str, Before] = {}
        self._lock = threading.Lock()

    def check(self) -> Health:
        answer = self._door.request("GET", "/users/me", allow=(401, 403, 404), pages=True)
        if answer.status == 404 or (answer.status == 200 and "user" not in answer.json()):
            raise ConfigError(f"{self._host} is no ActiveCampaign account: copy the URL from Settings → Developer")
        if answer.status != 200:
            where = "copy URL and key anew from Settings → Developer"
            raise ConfigError(f"ActiveCampaign refuses the key (HTTP {answer.status}): {where}")
        findings = [*self._check_list(), *self._check_campaign(), *self._check_fields()]
        return Health(Identity(self._host, self._host), tuple(findings))

    def _check_list(self) -> list[Finding]:
        if self.options.list is None:
            then = "only contacts already subscribed to some list are mailed, and nobody new joins one"
            return [Finding(f"no list is set: {then}", "list")]
        try:
            self._names.list_id(self.options.list)
        except ConfigError as error:
            return [Finding(str(error), "list", "error")]
        return []

    def _check_campaign(self) -> list[Finding]:
        found = [Finding(self.exit_condition, "exit condition", "info")]
        if self.options.campaign is None:
            return found
        number = self.options.campaign.automation
        try:
            automation = self._names.automation(number)
        except ConfigError as error:
            return [*found, Finding(str(error), "campaign", "error")]
        if str(automation.get("multientry", "1")) == "0":
            then = "set it to “any number of times”, or a shopper who comes back later is not mailed again"
            found.append(Finding(f"automation {number} takes a contact only once: {then}", "campaign"))
        if self.options.tags:
            twice = "must not also start on one of the tags, or shoppers go through it twice"
            found.append(Finding(f"automation {number} {twice}", "campaign", "info"))
        return found

    def _check_fields(self) -> list[Finding]:
        return [
            Finding(f"the field {name} will be made; e-mails show it as %{perstag(name)}%", "fields", "info")
            for name in self._names.missing_fields(self.options.fields)
        ]

    def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None:
        for name in fields:
            self._names.field_id(name)
        for name in tags:
            self._names.tag_id(name)

    def enrol(self, enrolment: Enrolment) -> Receipt:
        chosen = self._names.list_id(self.options.list)
        contact = self._find(enrolment.email)
        before = self._remember(enrolment, contact)
        known = None if contact is None or is_fresh(contact, enrolment, before) else contact
        if known and chosen not in known.lists:
            # Nobody is on a list that was deleted, which is no refusal of the shopper's but the owner's to mend.
            chosen = self._names.list_id(self.options.list, anew=True)
        contact_id, refused = "", self._refuse(enrolment, known, chosen)
        if not refused:
            contact_id, refused = self._write(enrolment, "" if known else chosen)
        if refused:
            self._forget_attempt(enrolment)
            return self._not_mailed(enrolment, contact, refused)
        self._put_tags(enrolment, contact_id, contact, before)
        self._start(enrolment, contact_id, contact, before)
        self._forget_attempt(enrolment)
        return Receipt(Outcome.ENROLLED, contact_id=contact_id)

    def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]:
        answers: list[Receipt | WinbackError] = []
        for enrolment in enrolments:
            try:
                answers.append(self.enrol(enrolment))
            except WinbackError as error:
                answers.append(error)
        return answers

    def refresh(self, enrolment: Enrolment) -> Receipt:
        row, _ = self._row(enrolment.email)
        if row is None:
            raise RejectedError("the contact is no longer in ActiveCampaign, so there is nothing to refresh")
        if self._values(enrolment):
            # Not `contact/sync`: that would make a contact who was deleted meanwhile.
            self._store(enrolment, "PUT", f"/contacts/{row['id']}")
        return Receipt(contact_id=str(row["id"]))

    def withdraw(self, withdrawal: Withdrawal) -> None:
        contact = self._find(withdrawal.email)
        if contact is None:
            return
        series = {_series(campaign) for campaign in withdrawal.campaigns if campaign is not None}
        for run in contact.runs:
            if run.of in series and not run.done:
                self._delete(run.path)
        self._take_tags(contact, withdrawal.tags)
        worn = {mark.of for mark in contact.tags}
        for name in withdrawal.add_tags:
            if self._names.tag_id(name) not in worn:
                self._add_tag(contact.id, name)

    def forget(self, email: str, *, permanently: bool) -> None:  # noqa: ARG002 (there is one way to delete)
        row, _ = self._row(email)
        if row is not None:
            self._delete(f"/contacts/{row['id']}")

    @classmethod
    def merge(cls, options: ActiveCampaignOptions | None = None) -> Merge:  # noqa: ARG003 - alike in every account
        """ActiveCampaign's personalisation tags."""
        return templates.MERGE

    def find_template(self, name: str) -> Stored | None:
        """The e-mail of that name which the owner added to an automation."""
        campaign = self.options.campaign
        return templates.find(self._door, name, campaign.automation if campaign else None)

    def save_template(self, mail: Mail, stored: Stored | None) -> Stored:
        """Fills that e-mail."""
        if stored is None:
            raise RejectedError(templates.NOT_THERE)
        return templates.save(self._door, mail, stored)

    def _row(self, email: str, query: Mapping[str, str] | None = None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        answer = related(self._door, "/contacts", {"email": email, **(query or {})}, "contacts")
        return next((row for row in answer["contacts"] if is_same(row["email"], email)), None), answer

    def _find(self, email: str) -> Contact | None:
        row, found = self._row(email, INCLUDE)
        if row is None:
            return None
        path = f"/contacts/{row['id']}"
        if "contactLists" not in found or "contactAutomations" not in found:
            found |= related(self._door, path, None, "contactLists", "contactAutomations")
        for kind in RELATED:
            if not is_whole(found.get(kind)):
                found[kind] = list(each(self._door, f"{path}/{kind}", kind))
        return contact_from(row, found)

    def _remember(self, enrolment: Enrolment, contact: Contact | None) -> Before | None:
        """What was there before this step's first attempt; None where another process made that attempt."""
        with self._lock:
            if not enrolment.repeated and enrolment.key not in self._before:
                self._before[enrolment.key] = snapshot(contact)
                if len(self._before) > REMEMBERED:
                    del self._before[next(iter(self._before))]
            return self._before.get(enrolment.key)

    def _forget_attempt(self, enrolment: Enrolment) -> None:
        with self._lock:
            self._before.pop(enrolment.key, None)

    def _refuse(self, enrolment: Enrolment, known: Contact | None, chosen: str) -> str:
        if known:
            return "mail to them bounced" if known.bounced else refusal(known.lists, chosen)
        if not enrolment.may_subscribe:
            return "they are new there and did not opt in"
        return "" if chosen else "they are new there, and no `list` is set that they could join"

    def _not_mailed(self, enrolment: Enrolment, contact: Contact | None, refused: str) -> Receipt:
        if contact and contact.tags:
            self._take_tags(contact, enrolment.tags)
        detail = f"ActiveCampaign will not mail this contact: {refused}."
        return Receipt(Outcome.NO_CONSENT, detail, contact.id if contact else "")

    def _write(self, enrolment: Enrolment, join: str) -> tuple[str, str]:
        """The contact's id, and why ActiveCampaign will not mail it after all."""
        row = self._store(enrolment, "POST", "/contact/sync", email=enrolment.email)["contact"]
        contact_id = str(row["id"])
        if not join:
            return contact_id, ""
        # Only a contact made just now has certainly no status: one that had been deleted may come back with its own.
        if not row.get("cdate") or row["cdate"] != row.get("udate"):
            found = each(self._door, f"/contacts/{contact_id}/contactLists", "contactLists")
            if lists := statuses_from(found, contact_id):
                return contact_id, refusal(lists, join)
        entry = {"list": int(join), "contact": int(contact_id), "status": int(SUBSCRIBED)}
        answer = self._door.request("POST", "/contactLists", json={"contactList": entry}, allow=(400, 404, 422))
        if answer.status >= 400:
            raise self._not_joined(answer, join)
        return contact_id, refusal({join: str(answer.json()["contactList"]["status"])}, join)

    def _not_joined(self, answer: Response, join: str) -> WinbackError:
        """A missing list is refused without a word. Raises ConfigError for it."""
        if self._names.list_id(self.options.list, anew=True) != join:
            return TransientError(
                f"the list {self.options.list} was made anew in ActiveCampaign; joining that one next"
            )
        return self._door.error(answer)

    def _store(self, enrolment: Enrolment, method: str, path: str, **own: str) -> dict[str, Any]:
        """Writes the values, and returns the answer. A field that was deleted meanwhile is made anew.

        ActiveCampaign passes over a number that it does not know, and answers with the values that it stored.
        """
        for _ in range(2):
            contact = own | self._values(enrolment)
            answer = dict(self._door.request(method, path, json={"contact": contact}, repeatable=True).json())
            lost = passed_over(contact, answer)
            if not lost or self._names.have_fields(lost):
                return answer
        raise TransientError("ActiveCampaign has not stored what is in the fields that were made anew; trying again")

    def _values(self, enrolment: Enrolment) -> dict[str, Any]:
        found = {self._names.field_id(name): value for name, value in enrolment.fields.items()}
        custom = [{"field": key, "value": value} for key, value in found.items() if key not in ATTRIBUTES.values()]
        # An empty name is what the shopper did not type: no reason to blank what the account knows.
        own = {key: value for key, value in found.items() if key in ATTRIBUTES.values() and value}
        return own | ({"fieldValues": custom} if custom else {})

    def _put_tags(self, enrolment: Enrolment, contact_id: str, contact: Contact | None, before: Before | None) -> None:
        worn = {mark.of: mark for mark in contact.tags} if contact else {}
        for name in enrolment.tags:
            mark = worn.get(self._names.tag_id(name))
            if mark and is_left_over(mark, enrolment, before):
                self._delete(mark.path)
                mark = None
            if mark is None:
                self._add_tag(contact_id, name)

    def _add_tag(self, contact_id: str, name: str) -> None:
        body = {"contactTag": {"contact": int(contact_id), "tag": int(self._names.tag_id(name))}}
        # Putting a tag on twice changes nothing.
        answer = self._door.request("POST", "/contactTags", json=body, repeatable=True, allow=(404, 422))
        if answer.status >= 400:
            self._names.forget_tag(name)
            raise TransientError(f"the tag {name} or the contact was deleted in ActiveCampaign; trying anew")

    def _take_tags(self, contact: Contact, names: Sequence[str]) -> None:
        worn, ours = {mark.of for mark in contact.tags}, set()
        for name in names:
            tag = self._names.tag_id(name, make=False)
            if tag and worn and tag not in worn:  # one that was deleted and made anew has another number
                tag = self._names.tag_id(name, make=False, anew=True)
            ours.add(tag)
        for mark in contact.tags:
            if mark.of in ours:
                self._delete(mark.path)

    def _start(self, enrolment: Enrolment, contact_id: str, contact: Contact | None, before: Before | None) -> None:
        if enrolment.campaign is None:
            return
        series = _series(enrolment.campaign)
        runs = [run for run in contact.runs if run.of == series] if contact else []
        if any(is_own(run, enrolment, before) for run in runs):
            return
        for run in runs:
            if not run.done and is_left_over(run, enrolment, before):
                self._delete(run.path)
        body = {"contactAutomation": {"contact": int(contact_id), "automation": int(series)}}
        answer = self._door.request("POST", "/contactAutomations", json=body, allow=(403, 422))
        if answer.status >= 400:
            self._explain(answer, contact_id, series)

    def _explain(self, answer: Response, contact_id: str, series: str) -> None:
        """Why nobody was added: automation missing or off (the owner's), in it already (fine), or let in only once."""
        if "subscriberseries" not in words(answer):
            raise self._door.error(answer)
        self._names.automation(int(series))
        found = each(self._door, f"/contacts/{contact_id}/contactAutomations", "contactAutomations")
        if any(run.of == series and not run.done for run in runs_from(found, contact_id)):
            return
        then = "let a contact enter it “any number of times”"
        said = f"automation {series} of ActiveCampaign does not take this contact again: {then}"
        raise self._door.refusal(answer, said)

    def _delete(self, path: str) -> None:
        """Gone already is fine."""
        answer = self._door.request("DELETE", path, allow=(403, 404))
        if answer.status == 403 and not is_absent(answer):
            raise self._door.error(answer)


def _series(campaign: Any) -> str:
    try:
        return str(Campaign.model_validate(campaign).automation)
    except ValueError:
        raise ConfigError("campaign must be {automation: N}, with the number of an automation") from None
