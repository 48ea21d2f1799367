"""Mailchimp (Marketing API 3.0): audiences, merge fields, tags, flows and the native abandoned cart.

Origin: `https://{dc}.api.mailchimp.com`, where `dc` is what follows the last `-` of the API key; Basic auth, any user
name. The key's user needs the role Manager or higher. Limits: 10 requests at once for one user, whatever the key; 120 s
a call; no limit per second is published. A text field holds 255 bytes and is cut in silence beyond that.
Flows mail subscribed contacts only; the native cart e-mail goes to the others too. No call takes a contact out of a
flow, and `removed-subscribers` is never used: it bars the contact from that automation for ever.
https://mailchimp.com/developer/marketing/api/ (read 2026-11)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from connector.errors import TransientError, WinbackError
from connector.http import Http, Rate, Response
from connector.merge import Mail, Merge, Stored
from connector.model import Enrolment, Finding, Health, Identity, Outcome, Receipt, Withdrawal
from connector.registry import Cap, CrmOptions, Habits, crm
from crm import _mailchimp_templates as templates
from crm._mailchimp_api import NO_AUDIENCE, Api, BarredError, subscriber_hash
from crm._mailchimp_cart import Carts
from crm._mailchimp_fields import TEXT_BYTES, MergeFields, fitted, worth_writing
from crm._mailchimp_options import Campaign, Event, Journey, MailchimpOptions, campaign_of, origin_of

# A tag older than the lead is an earlier lead's. Generations are days apart, two clocks a few seconds.
CLOCK_DIFFERENCE = timedelta(minutes=5)

SILENT = {
    "unsubscribed": "This contact unsubscribed in Mailchimp.",
    "cleaned": "Mailchimp stopped mailing this address because its e-mail bounced.",
    "archived": "This contact is archived, and may have unsubscribed before; Mailchimp will not mail this contact.",
    "pending": "This contact has not confirmed the subscription yet, and Mailchimp mails them only after that.",
}
NOT_SUBSCRIBED = (
    "This contact is not subscribed, and Mailchimp will not mail this contact: flows reach subscribers only."
)
VANISHED = "The Mailchimp contact vanished while it was being written."


@crm
class Mailchimp:
    """One audience of one Mailchimp account."""

    name: ClassVar[str] = "mailchimp"
    title: ClassVar[str] = "Mailchimp"
    capabilities: ClassVar[frozenset[Cap]] = frozenset(
        {Cap.TAGS, Cap.FIELDS, Cap.CAMPAIGN, Cap.NATIVE_CART, Cap.DELETE, Cap.TEMPLATES}
    )
    rate: ClassVar[Rate] = Rate(per_second=10, burst=10, connections=8)
    batch: ClassVar[int] = 1
    exit_condition: ClassVar[str] = (
        'In the flow, put an If/else rule "Tag is …" with the tag from `tags:` before every e-mail, and let the No '
        "branch leave the flow: Winback takes that tag off at once when the shopper buys. Allow contacts to enter the "
        "flow again. The native abandoned-cart e-mail needs nothing: Winback deletes the cart."
    )
    repeats: ClassVar[str] = (
        "If Mailchimp's answer to starting a journey is lost, the journey may start a second time, because Mailchimp "
        "cannot be asked who is in it. Tags, events and native carts are never repeated."
    )
    habits: ClassVar[Habits] = Habits(starts="flow", field_bytes=TEXT_BYTES)
    Options: ClassVar[type[CrmOptions]] = MailchimpOptions

    def __init__(self, options: MailchimpOptions, http: Http) -> None:
        self._options = options
        key = options.api_key.get_secret_value()
        token = base64.b64encode(f"winback:{key}".encode()).decode()
        origin = origin_of(options)
        door = http.door(
            f"{origin}/3.0",
            name="Mailchimp",
            rate=options.limit(self.rate),
            account=f"{origin} {hashlib.sha256(key.encode()).hexdigest()}",
            headers={"authorization": f"Basic {token}"},
            secrets=(*options.secrets(), token),
        )
        self._api = Api(door)
        self._list = f"/lists/{options.audience}"
        self._fields = MergeFields(self._api, options.audience)
        store_id = options.store_id or f"winback-{options.audience}"
        self._carts = Carts(self._api, options.audience, store_id, options.store_currency)

    def check(self) -> Health:
        """Who answered, and what the owner should know. Raises the three errors."""
        self._api.request("GET", "/ping")
        account = self._api.request("GET", "/").json()
        audience = self._audience()
        findings = [
            *self._account_findings(account, audience),
            *self._fields.check(self._options.fields),
            *self._path_findings(),
        ]
        if self._options.native_cart:
            findings.extend(self._carts.check())
        identity = Identity(
            f"{account['account_id']}:{audience['id']}",
            f"{account.get('account_name', '')}, {audience.get('name', '')}",
        )
        return Health(identity, tuple(findings))

    def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None:  # noqa: ARG002 - made on first use
        """Creates the merge fields that are missing, and the store for native carts. Tags need no preparation."""
        self._fields.prepare(fields)
        if self._options.native_cart:
            self._carts.prepare()

    def enrol(self, enrolment: Enrolment) -> Receipt:
        """Writes the fields, then starts what is configured: cart, tags, and the journey or event last.

        All but a journey can be repeated without a second effect, so the journey comes when nothing else can fail.
        """
        try:
            return self._enrol(enrolment)
        except BarredError as barred:
            return Receipt(Outcome.NO_CONSENT, str(barred))

    def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]:
        """One after the other: Mailchimp's bulk calls change the status of existing contacts."""
        results: list[Receipt | WinbackError] = []
        for enrolment in enrolments:
            try:
                results.append(self.enrol(enrolment))
            except WinbackError as error:
                results.append(error)
        return results

    def refresh(self, enrolment: Enrolment) -> Receipt:
        """R6: merge fields and the cart of a contact that is there; starts nothing."""
        member = f"{self._list}/members/{subscriber_hash(enrolment.email)}"
        status, contact_id = self._contact(member)
        if reason := self._barred(status):
            return Receipt(Outcome.NO_CONSENT, reason, contact_id)
        try:
            self._write_fields(member, self._values(enrolment))
        except BarredError as barred:
            return Receipt(Outcome.NO_CONSENT, str(barred), contact_id)
        if self._options.native_cart:
            self._carts.refresh(enrolment)
        return Receipt(detail="The fields were brought up to date.", contact_id=contact_id)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """R7: takes our tags off and deletes the cart. A contact that is not there is success."""
        added = list(dict.fromkeys(withdrawal.add_tags))
        removed = [tag for tag in dict.fromkeys(withdrawal.tags) if tag not in added]
        try:
            if added or removed:
                member = f"{self._list}/members/{subscriber_hash(withdrawal.email)}"
                with suppress(BarredError):  # whom Mailchimp does not mail has nothing to leave
                    self._post_tags(member, _tags(removed, "inactive") + _tags(added, "active"))
        finally:  # one exit that fails must not hold up the other
            if self._options.native_cart:
                self._carts.remove(withdrawal)

    def forget(self, email: str, *, permanently: bool) -> None:
        """Archives the contact, or deletes them for ever, after which nobody can import that address again."""
        member = f"{self._list}/members/{subscriber_hash(email)}"
        if self._options.native_cart:
            self._carts.forget(email)
        if permanently:
            self._api.request("POST", f"{member}/actions/delete-permanent", allow=(404,), repeatable=True)
        elif self._contact(member)[0] not in ("", "archived"):
            # A second DELETE is refused (405): after a lost answer the contact is looked at first.
            self._api.request("DELETE", member, allow=(404,), repeatable=False)

    @classmethod
    def merge(cls, options: MailchimpOptions | None = None) -> Merge:  # noqa: ARG003 - alike in every account
        """Mailchimp's merge tags."""
        return templates.MERGE

    def find_template(self, name: str) -> Stored | None:
        """One of the account's own templates."""
        return templates.find(self._api, name)

    def save_template(self, mail: Mail, stored: Stored | None) -> Stored:
        """Makes a template, or writes over it."""
        return templates.save(self._api, mail, stored)

    def _enrol(self, enrolment: Enrolment) -> Receipt:
        campaign = campaign_of(enrolment.campaign)
        member = f"{self._list}/members/{subscriber_hash(enrolment.email)}"
        status, contact_id = self._contact(member)
        if not status:
            status, contact_id = self._create(member, enrolment)
        elif not self._barred(status):
            self._write_fields(member, self._values(enrolment))
        if reason := self._barred(status):
            return Receipt(Outcome.NO_CONSENT, reason, contact_id)
        done = []
        if self._options.native_cart:
            made = self._carts.put(enrolment)
            done.append("the cart was made" if made else "the cart was there already")
        done.append(self._put_tags(member, enrolment))
        if status == "subscribed":
            done.append(self._start(campaign, member, enrolment))
        words = "; ".join(part for part in done if part)
        return Receipt(detail=f"Mailchimp: {words or 'the fields were written'}.", contact_id=contact_id)

    def _barred(self, status: str) -> str:
        """Why no configured path mails a contact of that status (R9), or an empty text."""
        if status == "subscribed" or (status == "transactional" and self._options.native_cart):
            return ""
        return SILENT.get(status, NOT_SUBSCRIBED)

    def _contact(self, member: str) -> tuple[str, str]:
        """Status and contact id, both empty for an address that Mailchimp does not know."""
        answer = self._api.request("GET", member, query={"fields": "status,contact_id"}, allow=(404,))
        data = answer.json() if answer.status == 200 else {}
        return str(data.get("status", "")), str(data.get("contact_id", ""))

    def _create(self, member: str, enrolment: Enrolment) -> tuple[str, str]:
        status = self._status_if_new(enrolment)
        if not status:
            return "", ""
        values = self._values(enrolment)
        body = {
            "email_address": enrolment.email,
            "status_if_new": status,  # never `status`, which overwrites what the shopper chose
            "merge_fields": values,
        }
        data = self._api.request(
            "PUT", member, query={"skip_merge_validation": "true"}, json=body, missing=NO_AUDIENCE
        ).json()
        if self._fields.restore(values, data):
            self._write_fields(member, values)
        return str(data.get("status", status)), str(data.get("contact_id", ""))

    def _status_if_new(self, enrolment: Enrolment) -> str:
        """The status for a contact that is not there yet; empty where writing one would be of no use."""
        native, double_optin = self._options.native_cart, self._audience().get("double_optin")
        if not enrolment.may_subscribe:
            return "transactional" if native else ""
        if not double_optin:
            return "subscribed"
        # `pending` sends a confirmation e-mail. With a cart e-mail on its way that would be one too many.
        return "transactional" if native else "pending"

    def _values(self, enrolment: Enrolment) -> dict[str, str]:
        return worth_writing(fitted(enrolment, needs_link=not self._options.native_cart))

    def _write_fields(self, member: str, values: Mapping[str, str]) -> None:
        query, body = {"skip_merge_validation": "true"}, {"merge_fields": values}
        for _ in range(2 if values else 0):
            sent = self._api.request("PATCH", member, query=query, json=body, allow=(404,), repeatable=True)
            if not self._fields.restore(values, self._found(sent).json()):
                return

    def _found(self, answer: Response) -> Response:
        if answer.status == 404:
            raise TransientError(VANISHED)
        return answer

    def _put_tags(self, member: str, enrolment: Enrolment) -> str:
        """Puts our tags on. R5: one that an earlier lead left on is taken off first, so that its flow starts again."""
        wanted = list(dict.fromkeys(enrolment.tags))
        if not wanted:
            return ""
        if enrolment.generation > 1 or enrolment.repeated:
            active = self._active_tags(member)
            since = enrolment.lead_at - CLOCK_DIFFERENCE
            renew = [
                t for t in wanted if enrolment.generation > 1 and t.lower() in active and active[t.lower()] < since
            ]
            if renew:
                self._post_tags(member, _tags(renew, "inactive"), quietly=True)
            wanted = [tag for tag in wanted if tag in renew or tag.lower() not in active]
        if wanted:
            self._found(self._post_tags(member, _tags(wanted, "active")))
        return "the tags are on"

    def _active_tags(self, member: str) -> dict[str, datetime]:
        answer = self._api.request("GET", f"{member}/tags", query={"count": "1000"}, allow=(404,))
        return {str(tag["name"]).lower(): _moment(tag["date_added"]) for tag in self._found(answer).json()["tags"]}

    def _post_tags(self, member: str, tags: list[dict[str, str]], *, quietly: bool = False) -> Response:
        body = {"tags": tags, "is_syncing": quietly}
        return self._api.request("POST", f"{member}/tags", json=body, allow=(404,), repeatable=True)

    def _start(self, campaign: Campaign | None, member: str, enrolment: Enrolment) -> str:
        if isinstance(campaign, Journey):
            self._trigger(campaign, enrolment.email)
            return f"step {campaign.step} of journey {campaign.journey} was triggered"
        if isinstance(campaign, Event):
            self._send_event(campaign.event, member, enrolment)
            return f"the event {campaign.event} was sent"
        return ""

    def _trigger(self, campaign: Journey, email: str) -> None:
        self._api.request(
            "POST",
            f"/customer-journeys/journeys/{campaign.journey}/steps/{campaign.step}/actions/trigger",
            json={"email_address": email},
            missing=f"Mailchimp has no step {campaign.step} in a journey {campaign.journey} of this audience. "
            'Copy both numbers from the flow\'s "Customer Journeys API" starting point, and switch the flow on.',
        )

    def _send_event(self, name: str, member: str, enrolment: Enrolment) -> None:
        mark = hashlib.sha256(enrolment.key.encode()).hexdigest()[:32]
        if enrolment.repeated and mark in self._event_marks(member):
            return
        body = {"name": name, "properties": {"winback": mark, "store": enrolment.store}, "is_syncing": False}
        self._found(self._api.request("POST", f"{member}/events", json=body, allow=(404,)))

    def _event_marks(self, member: str) -> set[str]:
        answer = self._api.request("GET", f"{member}/events", query={"count": "1000"}, allow=(404,))
        events = self._found(answer).json()["events"]
        return {str((event.get("properties") or {}).get("winback")) for event in events}

    def _audience(self) -> dict[str, Any]:
        query = {"fields": "id,name,double_optin,stats.member_count"}
        data: dict[str, Any] = self._api.request("GET", self._list, query=query, missing=NO_AUDIENCE).json()
        return data

    def _account_findings(self, account: Mapping[str, Any], audience: Mapping[str, Any]) -> Iterator[Finding]:
        if account.get("role") in ("viewer", "author"):
            yield Finding(
                f"The API key's user is only {account['role']} in Mailchimp. Give them the role Manager or higher.",
                "api_key",
                "error",
            )
        count = (audience.get("stats") or {}).get("member_count", 0)
        reach = (
            "the native cart e-mail reaches the others too" if self._options.native_cart else "others are not mailed"
        )
        yield Finding(f"The audience has {count} subscribed contacts; {reach}.", "audience", "info")
        if audience.get("double_optin") and not self._options.native_cart:
            yield Finding(
                "The audience asks new contacts to confirm, so a shopper whom Mailchimp does not know yet gets that "
                "e-mail in place of the campaign.",
                "audience",
            )

    def _path_findings(self) -> Iterator[Finding]:
        options = self._options
        if options.campaign is None and not options.tags and not options.native_cart:
            yield Finding("Nothing starts an e-mail here: set a campaign, tags or native_cart.", "campaign")
        if options.campaign is not None:
            yield Finding(
                "Mailchimp's API cannot tell whether the flow exists and is on. Run `winback test` once.",
                "campaign",
                "info",
            )
            if not options.tags:
                yield Finding("Without tags the flow cannot see that a shopper bought: set tags.", "tags")
        if options.campaign is not None or options.tags:
            yield Finding(self.exit_condition, "exit", "info")


def _tags(names: Sequence[str], status: str) -> list[dict[str, str]]:
    return [{"name": name, "status": status} for name in names]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
