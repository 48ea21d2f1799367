"""Omnisend: contacts, tags and events. API version 2026-03-15 (https://api-docs.omnisend.com, read November 2026).

Enrolment   An event starts every enabled automation that has it as its trigger. `campaign: {event: started checkout}`
            (the default) is Omnisend's own event, which its ready-made Abandoned Checkout automation waits for; any
            other name makes an event of the owner's. The contact is written before, so that the automation finds its
            properties and tags, and a value that Omnisend refuses is seen: an event is only ever "accepted".
            Each new lead sends a new event, so that R5 needs no tag to be taken off and put on.
Exactly once  Omnisend leaves out repeated events among historical ones only. So the event itself writes its id to the
            contact's property `winback_event`, beside those before it, and each attempt looks there first. An
            event that is still in Omnisend's queue then is sent twice; the automation's own Frequency setting keeps
            the second one out.
Consent     Abandoned Checkout mails non-subscribed contacts too, and never unsubscribed ones
            (https://support.omnisend.com/en/articles/1840233). An automation on an event of the owner's mails
            unsubscribed ones by default (https://support.omnisend.com/en/articles/10485250). So they are asked for
            first. Only a contact that does not exist yet is given a status, dated at its consent.
Exit        An exit condition, on the events that `withdraw` sends: `placed order`, and `checkout withdrawn` where
            nobody bought or the shop's own Omnisend app reports the orders (`send_orders: false`).
Erasure     The API deletes no contact: what Winback put there is taken off, and for ever is for the owner to do.
Scopes      brands.read contacts.read contacts.write events.write; automations.read for a closer `check`.
Cost        3 requests for each enrolment: ask, write, start. 400 a minute make 130 enrolments a minute. There is a
            batch call, but its results come later and one by one, so that nobody would know who is enrolled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import Http, Rate
from connector.merge import Merge
from connector.model import Enrolment, Finding, Health, Identity, Outcome, Receipt, Withdrawal
from connector.registry import Cap, CrmOptions, Habits, Strict, crm
from crm import _omnisend_payloads as payloads
from crm._omnisend_api import CALLS, Api, Contact
from crm._omnisend_merge import MERGE

MOST_TAGS = 100  # in one request
TAKES_IN = timedelta(hours=1)  # events and tags: a great deal longer than Omnisend's queue usually is
OWN_SHOP = ("", "api", "custom")  # platforms of brands whose orders nobody but us reports
CANNOT_DELETE = (
    "Omnisend's API cannot delete a contact. What Winback put there is gone; delete the contact itself in Omnisend "
    "under Audience, then run `winback deliveries retry`."
)


class Campaign(Strict):
    """What starts the automation."""

    event: str = Field(
        min_length=1,
        max_length=100,
        description="Omnisend's own started checkout, or a name of your own.",
        examples=[payloads.STARTED],
    )

    @field_validator("event")
    @classmethod
    def _starts_something(cls, event: str) -> str:
        name = event.strip()
        folded = name.casefold()
        if folded == payloads.STARTED and name != payloads.STARTED:
            raise ValueError(f"Omnisend's own event is written {payloads.STARTED}, in small letters")
        if folded in payloads.RECOMMENDED or folded == payloads.WITHDRAWN:
            raise ValueError(f"{name} means something else: use {payloads.STARTED}, or a name of your own")
        return name


DEFAULT = Campaign(event=payloads.STARTED)


class OmnisendOptions(CrmOptions):
    """The keys of an Omnisend account."""

    adapter: Literal["omnisend"]
    api_key: SecretStr = Field(description="An API key from Store settings → API keys.")
    campaign: Campaign | None = Field(None, description="What starts the automation. Default: started checkout.")
    send_orders: bool = Field(
        True,
        description="Tell Omnisend of purchases by its own placed order event. Say false where your shop's Omnisend "
        "app does so already, or revenue counts twice.",
    )

    @field_validator("fields")
    @classmethod
    def _property_names(cls, fields: dict[str, str]) -> dict[str, str]:
        for problem in _bad_names(fields):
            raise ValueError(problem)
        return fields


@crm
class Omnisend:
    """The adapter; safe to use from many threads."""

    name: ClassVar[str] = "omnisend"
    title: ClassVar[str] = "Omnisend"
    capabilities: ClassVar[frozenset[Cap]] = frozenset({Cap.TAGS, Cap.FIELDS, Cap.CAMPAIGN, Cap.MAILS_NON_SUBSCRIBERS})
    rate: ClassVar[Rate] = CALLS
    batch: ClassVar[int] = 1
    exit_condition: ClassVar[str] = (
        "In every automation that Winback starts, set the exit conditions “Placed order” (from the API) and, as soon "
        f"as Omnisend lists it, “{payloads.WITHDRAWN}”, and set Frequency to 1 hour. If it starts with an event of "
        "your own, also set Email in its Workflow Channel Settings to “Subscribed and Non-Subscribed”: otherwise "
        "Omnisend mails who unsubscribed, too."
    )
    repeats: ClassVar[str] = (
        "If the answer to an event is lost and Omnisend has not worked it off when Winback asks, the event is sent "
        "again. With Frequency set to 1 hour the automation still starts once."
    )
    habits: ClassVar[Habits] = Habits(starts="automation", always=True, takes_in=TAKES_IN)
    Options: ClassVar[type[CrmOptions]] = OmnisendOptions

    def __init__(self, options: OmnisendOptions, http: Http) -> None:
        self._options = options
        self._api = Api(options, options.api_key.get_secret_value(), http)
        self._fields, self._tags = frozenset(options.fields), frozenset(options.tags)

    def check(self) -> Health:
        """Asks for the brand, a contact and, where the key may see them, the automations."""
        brand = self._api.brand()
        self._api.may_read_contacts()
        platform = str(brand.get("platform") or "")
        findings = list(self._check_automations())
        if self._options.send_orders and brand.get("connected") and platform.lower() not in OWN_SHOP:
            words = (
                f"Omnisend is connected to {platform}, which reports orders by itself: set send_orders: false, or "
                f"revenue counts twice. Buyers then leave by the exit condition {payloads.WITHDRAWN}."
            )
            findings.append(Finding(words, "send_orders"))
        return Health(Identity(str(brand["brandID"]), str(brand.get("name") or "")), tuple(findings))

    def _check_automations(self) -> Iterator[Finding]:
        event = (self._options.campaign or DEFAULT).event
        automations = self._api.automations()
        if automations is None:
            yield Finding(self.exit_condition, "exit condition", "info")
            return
        ours = [each for each in automations if _condition(each).get("event") == event]
        if not ours:
            yield Finding(f"No enabled automation in Omnisend starts with the event {event}: make one.", "campaign")
            yield Finding(self.exit_condition, "exit condition", "info")
        for automation in ours:
            yield from self._check_automation(automation)

    def _check_automation(self, automation: payloads.Json) -> Iterator[Finding]:
        name = str(automation.get("name") or "")
        ends = {str(each.get("event")) for each in automation.get("exitConditions") or ()}
        wanted = (payloads.ORDERED, payloads.WITHDRAWN) if self._options.send_orders else (payloads.WITHDRAWN,)
        if missing := [each for each in wanted if each not in ends]:
            lacks = " and ".join(missing)
            yield Finding(
                f"The automation {name} lacks the exit condition {lacks}: buyers stay in it.", "exit condition"
            )
        limiter = (automation.get("settings") or {}).get("frequencyLimiter") or {}
        if limiter.get("mode") == "once":
            words = f"The automation {name} lets each contact in once for ever: set its Frequency to 1 hour."
            yield Finding(words, "frequency")
        elif not limiter:
            words = (
                f"Set the Frequency of the automation {name} to 1 hour, so that a lost answer never starts it twice."
            )
            yield Finding(words, "frequency", "info")

    def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None:
        """Nothing to create: contact properties are free-form. Raises ConfigError for a name that cannot be one."""
        for problem in _bad_names(fields):
            raise ConfigError(problem)
        self._fields, self._tags = self._fields.union(fields), self._tags.union(tags)

    def enrol(self, enrolment: Enrolment) -> Receipt:
        """Writes the contact, then starts the automation."""
        campaign = self._campaign(enrolment.campaign)
        contact = self._api.contact(enrolment.email)
        event = payloads.started(enrolment, campaign.event, contact.marks if contact else ())
        if contact and event["eventID"] in contact.marks:
            return Receipt(detail="Omnisend already had this event", contact_id=contact.id)
        if contact is None:
            contact = self._api.create(payloads.new_contact(enrolment), enrolment.email)
        elif not contact.refusal:
            self._change(contact, enrolment)
        if contact.refusal:
            words = f"Omnisend will not mail this contact: {contact.refusal}"
            return Receipt(Outcome.NO_CONSENT, words, contact.id)
        self._api.send(event)
        return Receipt(contact_id=contact.id)

    def _change(self, contact: Contact, enrolment: Enrolment) -> None:
        # Written with those that are there: Omnisend does not say whether a contact's tags are added to or replaced.
        tags = _with(contact.tags, enrolment.tags)
        if len(tags) > MOST_TAGS:
            self._api.tag(enrolment.email, enrolment.tags)
            tags = []
        if not self._api.update(contact.id, payloads.changes(enrolment, tags)):
            raise TransientError("Omnisend lost this contact between two requests")

    def _campaign(self, value: Any) -> Campaign:
        if value is None or isinstance(value, Campaign):
            return value or self._options.campaign or DEFAULT
        try:
            return Campaign.model_validate(value)
        except ValidationError as error:
            raise ConfigError(f"A campaign for Omnisend is wrong: {error.errors()[0]['msg']}") from None

    def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]:
        """One after the other."""
        return [self._enrol_or_say(enrolment) for enrolment in enrolments]

    def _enrol_or_say(self, enrolment: Enrolment) -> Receipt | WinbackError:
        try:
            return self.enrol(enrolment)
        except WinbackError as error:
            return error

    def refresh(self, enrolment: Enrolment) -> Receipt:
        """R6: writes the contact's properties; no event, no tag, and no contact that is not there."""
        contact = self._api.contact(enrolment.email)
        if contact is None or not self._api.update(contact.id, payloads.changes(enrolment)):
            return Receipt(detail="Omnisend has no such contact any more")
        return Receipt(contact_id=contact.id)

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """R7: the event that the exit conditions look for, our tags off, the others on."""
        contact = self._api.contact(withdrawal.email)
        if contact is None:
            return
        if withdrawal.reason != "expired":  # after 90 days no automation is left to be ended
            event = payloads.left(withdrawal, contact.marks, orders=self._options.send_orders)
            if event["eventID"] not in contact.marks:
                self._api.send(event)
        if ours := _among(contact.tags, withdrawal.tags):
            self._api.tag(withdrawal.email, ours, off=True)
        if withdrawal.add_tags:
            self._api.tag(withdrawal.email, withdrawal.add_tags)

    @classmethod
    def merge(cls, options: OmnisendOptions | None = None) -> Merge:  # noqa: ARG003 - alike in every account
        """Omnisend's personalization tags."""
        return MERGE

    def forget(self, email: str, *, permanently: bool) -> None:
        """Takes back what Winback put there. Raises RejectedError where that is not enough: see Erasure above."""
        contact = self._api.contact(email)
        if contact is None:
            return
        if ours := _among(contact.tags, self._tags):
            self._api.tag(email, ours, off=True)
        empty = dict.fromkeys([*sorted(self._fields), payloads.MARK], "")
        still_there = self._api.update(contact.id, {"customProperties": empty})
        # Whoever wrote the name. By itself: should Omnisend want one, the rest is gone and `deliveries` tells of it.
        still_there = still_there and self._api.update(contact.id, payloads.NAMELESS)
        if permanently and still_there:
            raise RejectedError(CANNOT_DELETE)


def _bad_names(fields: Iterable[str]) -> Iterator[str]:
    for name in fields:
        if not payloads.NAME.fullmatch(name):
            yield f"{name!r} cannot be a property in Omnisend: use letters without accents, digits and _"
        elif name == payloads.MARK:
            yield f"Winback keeps {name} for itself"


def _condition(automation: payloads.Json) -> payloads.Json:
    found: payloads.Json = (automation.get("trigger") or {}).get("condition") or {}
    return found


def _with(tags: Sequence[str], ours: Sequence[str]) -> list[str]:
    """All of them, or none if ours are there already. Omnisend tells no letter case apart in tags."""
    there = {tag.casefold() for tag in tags}
    new = [tag for tag in ours if tag.casefold() not in there]
    return [*tags, *new] if new else []


def _among(tags: Sequence[str], ours: Iterable[str]) -> list[str]:
    wanted = {tag.casefold() for tag in ours}
    return [tag for tag in tags if tag.casefold() in wanted]
