"""What every CRM must do. Each test runs for each registered one, against its own sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

import pytest
from clock import START
from conformance_case import JANE, Account, checkout, doors_of, is_sentence
from pydantic import SecretStr

from connector.errors import ConfigError, RejectedError, WinbackError
from connector.http import Door, Http, Rate
from connector.model import Customer, Enrolment, LineItem, Money, Order, Outcome, Receipt
from connector.registry import CRMS, Cap, CrmOptions
from connector.sandbox import Fault, Reply

BOB = "bob@example.com"
LONG_URL = "https://shop.example/checkouts/c1/recover?key=" + "k" * 1954
HALF_A_LETTER = "\ud83e"  # what is left of a pictogram that a shop cut in two


def next_lead(account: Account) -> Enrolment:
    """Jane's next lead, eight days later."""
    account.clock.set(START + timedelta(days=8, minutes=1))
    return account.enrolment(generation=2)


@pytest.mark.parametrize("name", sorted(CRMS))
def test_the_class_says_what_it_is(name: str) -> None:
    cls = CRMS[name]
    assert cls.name == name
    assert cls.__module__ == f"crm.{name}"
    assert cls.title
    assert isinstance(cls.capabilities, frozenset)
    assert cls.capabilities <= set(Cap)
    assert isinstance(cls.rate, Rate)
    assert issubclass(cls.Options, CrmOptions)
    kind = cls.Options.model_fields["adapter"].annotation
    assert (get_origin(kind), get_args(kind)) == (Literal, (name,))
    is_sentence(cls.exit_condition)


@pytest.mark.parametrize("name", sorted(CRMS))
def test_what_is_declared_goes_together(name: str) -> None:
    cls = CRMS[name]
    assert (cls.batch > 1) == (Cap.BULK in cls.capabilities)
    if Cap.EXACTLY_ONCE in cls.capabilities:
        assert cls.repeats == "", "what happens exactly once is never repeated"
    else:
        is_sentence(cls.repeats)


@pytest.mark.parametrize("name", sorted(CRMS))
def test_what_sounds_secret_is_kept_as_a_secret(name: str) -> None:
    for key, about in CRMS[name].Options.model_fields.items():
        if key.endswith(("_key", "_token", "_secret", "password")):
            assert SecretStr in (about.annotation, *get_args(about.annotation)), key


class Paced(Http):
    """Remembers at which pace each door was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.paces: list[Rate] = []

    def door(self, base_url: str, *, rate: Rate = Rate(), **about: Any) -> Door:
        self.paces.append(rate)
        return super().door(base_url, rate=rate, **about)


def paces(account: Account, per_second: float | None) -> list[Rate]:
    http, keys = Paced(), {"id": "mail", **account.sandbox.options(), "requests_per_second": per_second}
    CRMS[account.name](CRMS[account.name].Options.model_validate(keys), http)
    return http.paces


@pytest.mark.parametrize("share", [0.99, 0.7, 0.05])
def test_an_account_that_is_asked_less_is_asked_less_by_every_call(account: Account, share: float) -> None:
    usual = CRMS[account.name].rate
    assert usual.per_second
    for before, after in zip(paces(account, None), paces(account, usual.per_second * share), strict=True):
        assert before.per_second
        assert after.per_second == min(before.per_second, usual.per_second * share)
        assert after.burst <= before.burst


def test_an_account_that_takes_more_takes_more_of_every_call_in_proportion(account: Account) -> None:
    usual = CRMS[account.name].rate
    assert usual.per_second
    for before, after in zip(paces(account, None), paces(account, usual.per_second * 2), strict=True):
        assert before.per_second
        assert after.per_second == pytest.approx(before.per_second * 2)


def test_check_names_the_same_account_every_time(account: Account) -> None:
    first, later = account.crm.check(), account.adapter().check()
    assert first.identity.id
    assert first.identity == later.identity
    assert not [finding for finding in first.findings if finding.level == "error"]
    assert all(finding.message for finding in first.findings)
    assert not account.sandbox.effects


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_for_the_owner_to_mend(account: Account, status: int) -> None:
    words = {"message": "No.", "title": "No.", "detail": "No."}
    refused = Fault(Reply(status, words))
    account.sandbox.server.fault = lambda _: refused
    calls: list[Callable[[], object]] = [account.crm.check, lambda: account.crm.enrol(account.enrolment())]
    for call in calls:
        with pytest.raises(ConfigError) as caught:
            call()
        is_sentence(caught.value, account.options.secrets())
    account.sandbox.server.fault = None
    for call in calls:
        assert call(), "and all is well again, with the same adapter"


def test_no_secret_is_shown(account: Account) -> None:
    account.crm.check()
    secrets, doors = account.options.secrets(), list(doors_of(account.crm))
    shown = [repr(account.options), str(account.options), repr(account.crm), *(repr(door) for door in doors)]
    assert secrets
    assert doors
    assert not [text for text in shown for secret in secrets if secret in text]


def test_preparing_twice_is_harmless(account: Account) -> None:
    account.crm.prepare([*account.fields, *account.fields], account.tags)
    account.prepared()
    account.crm.prepare([], [])
    assert not account.sandbox.effects
    assert account.crm.enrol(account.enrolment()).outcome is Outcome.ENROLLED
    assert account.sandbox.fields(JANE).items() >= account.fields.items()


def test_a_shopper_who_opted_in_is_enrolled_once(account: Account) -> None:
    receipt = account.prepared().crm.enrol(account.enrolment())
    assert receipt.outcome is Outcome.ENROLLED
    assert account.count() == 1
    assert account.sandbox.fields(JANE).items() >= account.fields.items()
    assert account.sandbox.tags(JANE) >= set(account.tags)
    assert account.sandbox.status(JANE)


def test_the_capabilities_show(account: Account) -> None:
    """What is not declared is not done; what is, the other tests hold it to."""
    asked = account.enrolment(fields=account.fields or {"PRODUCT": "x"}, tags=account.tags or ("abandoned-cart",))
    account.prepared().crm.enrol(asked)
    assert account.can(Cap.FIELDS) == (account.sandbox.fields(JANE).items() >= asked.fields.items())
    assert account.can(Cap.TAGS) == (account.sandbox.tags(JANE) >= set(asked.tags))


@pytest.mark.parametrize("restarted", [False, True], ids=["same process", "after a restart"])
def test_the_same_step_again_has_no_second_effect(account: Account, restarted: bool) -> None:
    first = account.prepared().enrolment()
    account.crm.enrol(first)
    crm = account.adapter() if restarted else account.crm
    for minutes in (1, 60):
        again = replace(first, repeated=True, at=first.at + timedelta(minutes=minutes))
        account.clock.set(again.at)
        assert crm.enrol(again).outcome is Outcome.ENROLLED
    if account.can(Cap.EXACTLY_ONCE):
        assert account.count() == 1
    else:
        assert account.count() <= 3
        assert account.crm.repeats


def test_a_refresh_changes_the_fields_and_triggers_nothing(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment())
    newer = {name: f"newer {name}" for name in account.fields}
    account.crm.refresh(account.enrolment(fields=newer, key="refresh"))
    account.crm.refresh(account.enrolment(fields=newer, key="refresh", repeated=True))
    assert account.sandbox.fields(JANE).items() >= newer.items()
    assert (account.count("enrolled"), account.count("withdrawn")) == (1, 0)
    assert account.sandbox.tags(JANE) >= set(account.tags)


def test_a_refresh_brings_nobody_back(account: Account) -> None:
    account.prepared()
    try:
        account.crm.refresh(account.enrolment())
    except RejectedError as error:
        is_sentence(error, account.options.secrets())
    assert not account.count()
    assert not account.sandbox.tags(JANE)


@pytest.mark.parametrize("withdrawn", [False, True], ids=["still in it", "withdrawn before"])
def test_the_next_lead_triggers_anew(account: Account, withdrawn: bool) -> None:
    account.prepared().crm.enrol(account.enrolment())
    if withdrawn:
        account.crm.withdraw(account.withdrawal())
    second = next_lead(account)
    assert account.crm.enrol(second).outcome is Outcome.ENROLLED
    assert account.count() == 2
    assert account.sandbox.tags(JANE) >= set(account.tags)
    account.adapter().enrol(replace(second, repeated=True, at=second.at + timedelta(minutes=2)))
    assert account.count() == 2 or not account.can(Cap.EXACTLY_ONCE)


def bought(email: str = JANE) -> Order:
    total = Money(Decimal("49.00"), "EUR")
    return Order("o1", "paid", True, START, START, Customer(email), total, placed_at=START)


@pytest.mark.parametrize("reason", ["bought", "expired", "superseded", "deleted"])
def test_a_withdrawal_takes_the_tags_and_ends_the_mails(account: Account, reason: str) -> None:
    account.prepared().crm.enrol(account.enrolment())
    account.clock.advance(timedelta(hours=1))
    out = account.withdrawal(reason=reason, order=bought() if reason == "bought" else None)
    account.crm.withdraw(out)
    assert not account.sandbox.tags(JANE) & set(account.tags)
    ended = account.count("withdrawn")
    assert ended or reason == "expired", "after 90 days there may be nothing left to end"
    account.adapter().withdraw(out)
    assert account.count("withdrawn") == ended, "twice is harmless"
    assert account.count() == 1


def test_an_exit_needs_no_tags(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment(tags=()))
    account.crm.withdraw(account.withdrawal(tags=()))
    if account.can(Cap.EXIT):
        assert account.count("withdrawn") == 1


def test_a_buyer_gets_other_tags(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment())
    account.crm.withdraw(account.withdrawal(add_tags=("customer",), order=bought()))
    assert account.sandbox.tags(JANE) == ({"customer"} if account.can(Cap.TAGS) else set())
    assert account.count() == 1


def test_nobody_is_there_to_be_withdrawn_or_forgotten(account: Account) -> None:
    account.prepared()
    account.crm.withdraw(account.withdrawal(order=bought()))
    for permanently in (False, True):
        account.crm.forget(JANE, permanently=permanently)
    assert account.sandbox.status(JANE) == "", "and nobody was made"
    assert not account.sandbox.effects


def test_a_forgotten_contact_is_gone(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment())
    account.crm.enrol(account.enrolment(BOB))
    account.crm.forget(JANE, permanently=False)
    account.crm.forget(JANE, permanently=False)
    forget_for_ever(account)
    if account.can(Cap.DELETE):
        assert (account.sandbox.status(JANE), account.sandbox.fields(JANE)) == ("", {})
    forget_for_ever(account)
    assert account.sandbox.fields(BOB).items() >= account.fields.items(), "nobody else is"


def test_a_forgotten_contact_keeps_nothing_of_ours(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment())
    account.crm.withdraw(account.withdrawal(add_tags=("customer",), order=bought()))
    crm = account.adapter()
    crm.prepare([*account.fields], [*account.tags, "customer"])
    crm.forget(JANE, permanently=False)
    if account.sandbox.status(JANE) != "archived":  # with all that it holds
        assert (account.sandbox.fields(JANE), account.sandbox.tags(JANE)) == ({}, set())


def forget_for_ever(account: Account) -> None:
    """What an API cannot delete it may refuse, in words for the owner."""
    try:
        account.crm.forget(JANE, permanently=True)
    except RejectedError as error:
        assert not account.can(Cap.DELETE)
        is_sentence(error, account.options.secrets())


def everything(account: Account, email: str) -> list[Callable[[], object]]:
    """Every call that writes to a contact, with all that could tempt an adapter to subscribe them."""
    crm, first, bob = account.crm, account.enrolment(email), account.enrolment(BOB)
    second, third = account.enrolment(email, generation=2), account.enrolment(email, generation=3)
    return [
        lambda: crm.enrol(first),
        lambda: crm.enrol(replace(first, repeated=True)),
        lambda: crm.enrol(second),
        lambda: crm.enrol_many([first, bob])[0],
        lambda: crm.enrol_many([replace(second, repeated=True), bob])[0],
        lambda: crm.refresh(first),
        lambda: crm.withdraw(account.withdrawal(email, order=bought(email))),
        lambda: crm.enrol(third),
    ]


def test_who_unsubscribed_is_never_enrolled_nor_subscribed_again(account: Account) -> None:
    account.prepared().sandbox.unsubscribe(JANE)
    status = account.sandbox.status(JANE)
    assert status
    for call in everything(account, JANE):
        try:
            answer = call()
        except RejectedError as error:
            is_sentence(error)
        else:
            if isinstance(answer, Receipt) and answer.outcome is Outcome.NO_CONSENT:
                is_sentence(answer.detail)
        assert account.sandbox.status(JANE) == status
        assert not account.count()


def test_who_unsubscribes_later_is_not_enrolled_again(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment())
    account.sandbox.unsubscribe(JANE)
    status = account.sandbox.status(JANE)
    receipt = account.crm.enrol(next_lead(account))
    assert receipt.outcome is Outcome.NO_CONSENT
    is_sentence(receipt.detail)
    assert (account.count(), account.sandbox.status(JANE)) == (1, status)


def test_a_contacts_status_is_never_changed(account: Account) -> None:
    account.prepared().crm.enrol(account.enrolment())
    account.crm.enrol(account.enrolment(BOB, may_subscribe=False))
    for email in (JANE, BOB):
        status = account.sandbox.status(email)
        for may in (True, False):
            if status:
                account.crm.enrol(account.enrolment(email, generation=2, key=f"{email} {may}", may_subscribe=may))
                account.crm.refresh(account.enrolment(email, may_subscribe=may))
                account.crm.withdraw(account.withdrawal(email, order=bought(email)))
                assert account.sandbox.status(email) == status


def test_only_who_opted_in_is_subscribed(account: Account) -> None:
    """R9: and an adapter knows whether its path mails the others."""
    account.prepared().crm.enrol(account.enrolment(BOB))
    receipt = account.crm.enrol(account.enrolment(may_subscribe=False))
    assert account.sandbox.status(JANE) != account.sandbox.status(BOB)
    if account.can(Cap.MAILS_NON_SUBSCRIBERS):
        assert (receipt.outcome, account.count()) == (Outcome.ENROLLED, 1)
    else:
        assert (receipt.outcome, account.count()) == (Outcome.NO_CONSENT, 0)
        is_sentence(receipt.detail)


def test_many_are_answered_in_the_order_asked(account: Account) -> None:
    account.prepared()
    emails = [f"shopper{number}@example.com" for number in range(30)]
    silent = {emails[place] for place in (0, 7, 8, 29)}
    for email in silent:
        account.sandbox.unsubscribe(email)
    asked = [account.enrolment(email, fields=dict.fromkeys(account.fields, email)) for email in emails]
    answers = account.crm.enrol_many(asked)
    outcomes = [answer.outcome if isinstance(answer, Receipt) else answer for answer in answers]
    wanted = [Outcome.NO_CONSENT if email in silent else Outcome.ENROLLED for email in emails]
    assert outcomes == wanted
    for email in emails:
        assert account.count(email=email) == (email not in silent)
        assert email in silent or set(account.sandbox.fields(email).values()) >= set(account.fields and {email})
    if account.can(Cap.BULK):
        assert len(account.sandbox.server.journal) < 30, "fewer requests than shoppers"
    assert list(account.crm.enrol_many([])) == []


def test_the_same_many_again_have_no_second_effect(account: Account) -> None:
    account.prepared()
    asked = [account.enrolment(f"shopper{number}@example.com") for number in range(5)]
    account.crm.enrol_many(asked[:3])
    account.adapter().enrol_many([replace(one, repeated=True) for one in asked])
    for one in asked:
        count = account.count(email=one.email)
        assert count == 1 or (count == 2 and not account.can(Cap.EXACTLY_ONCE))


@pytest.mark.parametrize(
    ("title", "name", "value", "url"),
    [
        ("Süßes Hemd 🧵 «№ 5»", "Zoë Ñandú 王小明", "Größe „XL“ 🧵", "https://shop.example/käse/🧀"),
        ("x" * 10_000, "y" * 1000, "z" * 10_000, LONG_URL),
        ("🧵" * 10_000, "王" * 500, "ß" * 10_000, LONG_URL),
        ('"; DROP <b>{{ x }}</b> *|FNAME|* %EMAIL% \\', "*|LNAME|*", "{% now %}", "https://shop.example/?a=b&c=%20"),
        (HALF_A_LETTER, HALF_A_LETTER, HALF_A_LETTER, f"https://shop.example/{HALF_A_LETTER}"),
        ("", "", "", ""),
    ],
    ids=["other scripts", "long", "long letters", "markup", "half a letter", "empty"],
)
@pytest.mark.parametrize("short_url", ["", "https://go.shop.example/r/abc"], ids=["no short link", "short link"])
def test_whatever_shoppers_and_shops_write(
    account: Account, title: str, name: str, value: str, url: str, short_url: str
) -> None:
    price = Money(Decimal("0.00"), "JPY")
    line = LineItem(title, 1, price, variant=title, sku=title, product_url=url, image_url=url)
    odd = checkout(customer=Customer(JANE, first_name=name, last_name=name), lines=(line,), url=url)
    fields = dict.fromkeys(account.fields, value)
    if fields:
        fields[list(fields)[-1]] = url
    one = account.prepared().enrolment(checkout=odd, fields=fields, short_url=short_url)
    for answer in (*account.crm.enrol_many([one, account.enrolment(BOB)]), refreshed(account, one)):
        if isinstance(answer, RejectedError):
            is_sentence(answer, account.options.secrets())
        else:
            assert isinstance(answer, Receipt), answer
    assert account.count(email=BOB) == 1, "and the others are served"


def refreshed(account: Account, enrolment: Enrolment) -> Receipt | WinbackError:
    try:
        return account.crm.refresh(enrolment)
    except RejectedError as error:
        return error


@pytest.mark.parametrize("email", ["jürgen@exämple.de", "o'neil+x@sub.example.co.uk", "JANE.DOE@Example.COM"])
def test_an_unusual_address_is_served_or_refused(account: Account, email: str) -> None:
    account.prepared()
    try:
        receipt = account.crm.enrol(account.enrolment(email))
    except RejectedError as error:
        is_sentence(error, account.options.secrets(), email)
        return
    assert receipt.outcome is Outcome.ENROLLED
    assert account.count(email=email) + account.count(email=email.lower()) * (email != email.lower()) == 1
    account.crm.withdraw(account.withdrawal(email))
    assert not account.sandbox.tags(email) & set(account.tags)
