"""Klaviyo: profiles, events, lists. API revision 2026-07-15 (https://developers.klaviyo.com, read November 2026).

Enrolment   An event (`campaign: {metric: Started Checkout}`, the default) starts every live flow of that metric, or
            joining a list does (`campaign: {list: XyZ1}`; also `list: XyZ1` with no campaign at all). Bulk events
            start flows and write profiles just as single ones do, unless they say `backfill`.
Exactly once  An event carries the enrolment's key as `unique_id`; Klaviyo records it once per profile and metric. The
            bulk call refuses the whole request when it has one already, so attempts after a lost answer, and events
            that the bulk call refused, go to the single call, which just ignores them. A list is left before it is
            joined anew (R5); the profile property `winback_key` says whether that was done for this very key, and
            whether the profile was new then.
            A 202 means that Klaviyo took the event, not that it has worked it off.
Consent     Flows mail everyone but suppressed and unsubscribed profiles, "never subscribed" ones included
            (https://help.klaviyo.com/hc/en-us/articles/1260805003210), so those are asked for first. Who unsubscribed
            from one single list is passed over by a flow of that list only. Only a profile that did not exist is
            subscribed, to `list`: for an existing one the call would lift a suppression.
Tags        Klaviyo's tags are for flows and lists, not for people: ours are the array property `winback_tags`.
Exit        The API takes nobody out of a flow. A flow filter does, on the events that `withdraw` sends; a flow of a
            list passes over who has left it. With a metric, `list` only gets subscribers and nobody is taken off it.
            Klaviyo keeps metrics apart by origin: its own shop integration's `Placed Order` is another one than ours.
Erasure     For ever (a data privacy job) or, as there is no archive, only of what Winback put there.
Scopes      accounts:read events:write lists:read lists:write metrics:read profiles:read profiles:write
            subscriptions:write; data-privacy:write for `forget --permanently`, templates:read and templates:write
            for `templates push`.
Cost        For 100 enrolments (a round) by metric: 1 read of profiles, 1 bulk request. By list: one more for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import Http, Rate
from connector.merge import Mail, Merge, Stored
from connector.model import Enrolment, Finding, Health, Identity, Outcome, Receipt, Withdrawal
from connector.registry import Cap, CrmOptions, Habits, Strict, crm
from crm import _klaviyo_payloads as payloads
from crm import _klaviyo_templates as templates
from crm._klaviyo_api import MOST, PAGE, PROFILES, Api, Contact

T = TypeVar("T")

DEFAULT_METRIC = "Started Checkout"
TAKES_IN = timedelta(hours=1)  # a great deal longer than Klaviyo's queue usually is
QUEUED = timedelta(days=1)  # how long an event at most lies in Klaviyo's queue, where it makes no profile yet
NEW, KEPT = "+new", 6  # marks a profile that its enrolment made; keys that a profile remembers
REFUSALS = 3  # of bulk requests, before the rest of a batch goes one by one


class Campaign(Strict):
    """What starts the flow: an event of this metric, joining this list, or both."""

    metric: str | None = Field(None, min_length=1, max_length=127, examples=[DEFAULT_METRIC])
    list: str | None = Field(None, min_length=1, description="The id of a list with a flow for those who join it.")

    @model_validator(mode="after")
    def _not_empty(self) -> Campaign:
        if not (self.metric or self.list):
            raise ValueError(f"give a metric, such as {DEFAULT_METRIC}, or the id of a list")
        return self


class KlaviyoOptions(CrmOptions):
    """The keys of a Klaviyo account."""

    adapter: Literal["klaviyo"]
    api_key: SecretStr = Field(description="A private key, pk_….")
    list: str | None = Field(
        None,
        min_length=1,
        description="The id of the list for new subscribers. Without a campaign, joining it is the campaign.",
    )
    campaign: Campaign | None = None

    def default_campaign(self) -> Campaign:
        """What a step starts that has no campaign of its own."""
        if self.campaign:
            return self.campaign
        return Campaign(list=self.list) if self.list else Campaign(metric=DEFAULT_METRIC)


@dataclass(slots=True)
class Job:
    """One enrolment on its way. It is done as soon as there is an answer."""

    enrolment: Enrolment
    metric: str = ""
    list_id: str = ""
    contact: Contact | None = None
    contact_id: str = ""
    note: str = ""
    answer: Receipt | WinbackError | None = None

    @property
    def is_new(self) -> bool:
        """Whether there was no profile before this enrolment, of which this may be a later attempt."""
        return self.contact is None or f"{self.enrolment.key}{NEW}" in self.contact.keys

    @property
    def mark(self) -> str:
        """This enrolment's key, as the profile's `winback_key` holds it from now on."""
        return f"{self.enrolment.key}{NEW}" if self.is_new else self.enrolment.key

    @property
    def has_joined(self) -> bool:
        """Whether an earlier attempt of this very enrolment has begun to put the profile on the list."""
        return self.contact is not None and self.mark in self.contact.keys

    @property
    def marks(self) -> str:
        """`winback_key`: a few, for a sequence whose steps join the same list, asked again after a lost database."""
        before = self.contact.keys if self.contact else ()
        return ",".join((*[key for key in before if key != self.mark][1 - KEPT :], self.mark))


@crm
class Klaviyo:
    """The adapter; safe to use from many threads."""

    name: ClassVar[str] = "klaviyo"
    title: ClassVar[str] = "Klaviyo"
    capabilities: ClassVar[frozenset[Cap]] = frozenset(
        {Cap.TAGS, Cap.FIELDS, Cap.CAMPAIGN, Cap.MAILS_NON_SUBSCRIBERS, Cap.EXACTLY_ONCE, Cap.DELETE, Cap.BULK}
        | {Cap.TEMPLATES}
    )
    rate: ClassVar[Rate] = PROFILES
    batch: ClassVar[int] = payloads.MAX_EVENTS
    exit_condition: ClassVar[str] = (
        f"In every flow that Winback starts, add the flow filter “{payloads.ORDERED} zero times since starting this "
        f"flow”, with the {payloads.ORDERED} that comes from the API, and one more for {payloads.WITHDRAWN} as soon as "
        "Klaviyo lists that metric. In a flow of a list, also allow re-entry."
    )
    repeats: ClassVar[str] = ""
    habits: ClassVar[Habits] = Habits(starts="flow", always=True, takes_in=TAKES_IN)
    Options: ClassVar[type[CrmOptions]] = KlaviyoOptions

    def __init__(self, options: KlaviyoOptions, http: Http) -> None:
        self._options = options
        self._api = Api(options, options.api_key.get_secret_value(), http)
        self._fields = frozenset(options.fields)

    def check(self) -> Health:
        """Asks for the account, a profile, the list and the metric."""
        query = {"fields[account]": "contact_information.organization_name"}
        account = self._api.read("/api/accounts", "accounts:read", query)["data"][0]
        self._api.read("/api/profiles", "profiles:read", {"page[size]": "1", "fields[profile]": "email"})
        campaign = self._options.default_campaign()
        findings = [Finding(self.exit_condition, "flow filter", "info")]
        for list_id in sorted({each for each in (self._options.list, campaign.list) if each}):
            findings += self._check_list(list_id)
        if campaign.metric and not self._api.has_metric(campaign.metric):
            words = f"Klaviyo has no metric {campaign.metric} yet: `winback test` makes it, then build the flow on it."
            findings.append(Finding(words, "campaign", "info"))
        organization = (account["attributes"].get("contact_information") or {}).get("organization_name") or ""
        return Health(Identity(account["id"], organization), tuple(findings))

    def _check_list(self, list_id: str) -> Iterator[Finding]:
        if not self._api.has_list(list_id):
            words = f"Klaviyo has no list {list_id}. Take its id from the list's address in Klaviyo."
            yield Finding(words, "list", "error")

    def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None:  # noqa: ARG002 - all are in one property
        """Nothing to create: profile properties are free-form. But these are what `forget` takes back."""
        self._fields = self._fields.union(fields)

    def enrol(self, enrolment: Enrolment) -> Receipt:
        """Starts the flow for one shopper."""
        answer = self.enrol_many([enrolment])[0]
        if isinstance(answer, WinbackError):
            raise answer
        return answer

    def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]:
        """Starts the flow for many. Whoever drops out at one stage is left alone by those that follow."""
        jobs = [Job(enrolment) for enrolment in enrolments]
        # A list is joined last, so that the flow finds the fields filled and the marker tells of an earlier attempt.
        stages = (self._choose, self._ask_consent, self._prepare_for_list, self._subscribe, self._join, self._track)
        for stage in stages:
            if still := [job for job in jobs if job.answer is None]:
                stage(still)
        return [job.answer or Receipt(detail=job.note, contact_id=job.contact_id) for job in jobs]

    def _choose(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            try:
                campaign = self._campaign(job.enrolment.campaign)
                job.metric, job.list_id = campaign.metric or "", campaign.list or ""
            except ConfigError as error:
                job.answer = error

    def _campaign(self, value: Any) -> Campaign:
        if value is None or isinstance(value, Campaign):
            return value or self._options.default_campaign()
        try:
            return Campaign.model_validate(value)
        except ValidationError as error:
            raise ConfigError(f"A campaign for Klaviyo is wrong: {error.errors()[0]['msg']}") from None

    def _ask_consent(self, jobs: Sequence[Job]) -> None:
        for part in _parts(jobs, PAGE):
            _together(part, self._ask_for)

    def _ask_for(self, jobs: Sequence[Job]) -> None:
        with_keys = any(job.list_id for job in jobs)
        contacts = self._api.contacts((job.enrolment.email for job in jobs), with_keys=with_keys)
        for job in jobs:
            _judge(job, contacts.get(job.enrolment.email.lower()))

    def _prepare_for_list(self, jobs: Sequence[Job]) -> None:
        """Takes known profiles off the list that they are to join anew, and writes each one: joining needs an id."""
        for list_id, part in _by_list(jobs):
            leaving = [job for job in part if job.contact and not job.has_joined]
            _together(leaving, partial(self._relate, self._api.leave, list_id))
        for job in jobs:
            if job.list_id and job.answer is None:
                try:
                    key = {payloads.KEY: job.marks}
                    job.contact_id = self._api.write(payloads.profile(job.enrolment, key))
                except WinbackError as error:
                    job.answer = error

    def _subscribe(self, jobs: Sequence[Job]) -> None:
        new = [job for job in jobs if job.is_new and job.enrolment.may_subscribe]
        for part in _parts(new if self._options.list else [], MOST):
            _together(part, self._subscribe_part)

    def _subscribe_part(self, jobs: Sequence[Job]) -> None:
        refused = self._api.subscribe([job.enrolment.email for job in jobs], self._options.list)
        for index in refused:
            jobs[index].note = "Klaviyo did not accept this contact as a subscriber"
        rest = [job for index, job in enumerate(jobs) if index not in refused]
        if refused and rest:
            self._subscribe_part(rest)

    def _join(self, jobs: Sequence[Job]) -> None:
        for list_id, part in _by_list(jobs):
            _together(part, partial(self._relate, self._api.join, list_id))

    @staticmethod
    def _relate(call: Callable[[str, Sequence[str]], None], list_id: str, jobs: Sequence[Job]) -> None:
        call(list_id, [job.contact_id for job in jobs])

    def _track(self, jobs: Sequence[Job]) -> None:
        tracked = [job for job in jobs if job.metric]
        fresh = [job for job in tracked if not job.enrolment.repeated]
        alone = [job for job in tracked if job.enrolment.repeated or len(fresh) == 1]
        if len(fresh) > 1:
            encoded = ((job, payloads.bulk_item(job.enrolment, job.metric)) for job in fresh)
            for part in payloads.by_size(encoded):
                alone += self._track_part(part)
        for job in alone:
            self._track_one(job)

    def _track_part(self, part: Sequence[tuple[Job, bytes]]) -> list[Job]:
        """Returns those that Klaviyo did not take in bulk."""
        left_out: list[Job] = []
        for _ in range(REFUSALS):
            try:
                refused = self._api.track_many([item for _, item in part])
            except RejectedError:  # for another reason than its items: alone, each hears its own
                break
            except WinbackError as error:
                _fail((job for job, _ in part), error)
                return left_out
            left_out += [job for index, (job, _) in enumerate(part) if index in refused]
            part = [item for index, item in enumerate(part) if index not in refused]
            if not (refused and part):
                return left_out
        return left_out + [job for job, _ in part]

    def _track_one(self, job: Job) -> None:
        event, profile = payloads.started(job.enrolment, job.metric), payloads.profile(job.enrolment)
        try:
            self._api.track(payloads.single_event(event, profile))
        except WinbackError as error:
            job.answer = error

    def refresh(self, enrolment: Enrolment) -> Receipt:
        """R6: writes the profile's properties; no event, no list, no tag."""
        return Receipt(contact_id=self._api.write(payloads.profile(enrolment, tags=False)))

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """R7: off our lists, our tags off, and the event that the flow filters look for.

        Raises TransientError while the event that is to make the profile may still be in Klaviyo's queue.
        """
        campaigns = [self._options.default_campaign(), *(self._campaign(each) for each in withdrawal.campaigns)]
        contact = self._api.contact(withdrawal.email)
        if contact is None:
            if any(campaign.metric for campaign in campaigns):  # joining a list makes the profile at once
                _wait_for_new(withdrawal)
            return
        for list_id in sorted({campaign.list for campaign in campaigns if campaign.list}):
            self._api.leave_for_good(list_id, contact.id)
        tags = payloads.retag(withdrawal)
        if withdrawal.reason != "expired":  # after 90 days no flow is left to be ended
            profile = {"type": "profile", "attributes": {"email": withdrawal.email}, **tags}
            self._api.track(payloads.single_event(payloads.left(withdrawal), profile))
        elif tags:
            self._api.patch(contact.id, {"type": "profile", "attributes": {}, **tags})

    def forget(self, email: str, *, permanently: bool) -> None:
        """Erases the profile for ever, or else takes back what Winback put there: properties, names, tags, list."""
        contact = self._api.contact(email)
        if contact is None:
            return
        if permanently:
            self._api.erase(email)
            return
        if list_id := self._options.default_campaign().list:
            self._api.leave_for_good(list_id, contact.id)
        self._api.patch(contact.id, payloads.emptied(self._fields))

    @classmethod
    def merge(cls, options: KlaviyoOptions | None = None) -> Merge:
        """Klaviyo's template tags, for the flow that the account's campaign starts."""
        campaign = options.default_campaign() if options else Campaign(metric=DEFAULT_METRIC)
        return templates.merge(by_metric=bool(campaign.metric and not campaign.list))

    def find_template(self, name: str) -> Stored | None:
        """The template of that name."""
        return templates.find(self._api.door, name)

    def save_template(self, mail: Mail, stored: Stored | None) -> Stored:
        """Makes a template, or writes over it."""
        return templates.save(self._api.door, mail, stored)


def _judge(job: Job, contact: Contact | None) -> None:
    if contact is None:
        return
    job.contact, job.contact_id = contact, contact.id
    if why := contact.refusal(job.list_id):
        job.answer = Receipt(Outcome.NO_CONSENT, f"Klaviyo will not mail this contact: {why}", contact.id)


def _wait_for_new(withdrawal: Withdrawal) -> None:
    if withdrawal.tried_at and withdrawal.at - withdrawal.tried_at < QUEUED and withdrawal.reason != "expired":
        words = "Klaviyo has not made this new contact yet, who is taken out as soon as it has"
        raise TransientError(words, alone=True)


def _together(jobs: Sequence[Job], send: Callable[[Sequence[Job]], None]) -> None:
    """One request for many. What is refused for one of them is halved until that one is alone with its refusal."""
    if not jobs:
        return
    try:
        send(jobs)
    except RejectedError as error:
        middle = len(jobs) // 2
        if not middle:
            _fail(jobs, error)
            return
        _together(jobs[:middle], send)
        _together(jobs[middle:], send)
    except WinbackError as error:
        _fail(jobs, error)


def _fail(jobs: Iterable[Job], error: WinbackError) -> None:
    for job in jobs:
        job.answer = error


def _by_list(jobs: Sequence[Job]) -> Iterator[tuple[str, Sequence[Job]]]:
    for list_id in sorted({job.list_id for job in jobs if job.list_id}):
        for part in _parts([job for job in jobs if job.list_id == list_id], MOST):
            yield list_id, part


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
