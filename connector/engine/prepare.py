"""Turns claimed outbox rows into jobs for an adapter: re-checks the rules for each, and fills in its fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Row, select, update

from connector import fields as templates
from connector import rules, tables
from connector.address import identity
from connector.config import Step
from connector.config.checks import overlay
from connector.db import table
from connector.engine import endings, sequences
from connector.engine.context import Client, Context
from connector.engine.erasures import may_erase
from connector.engine.facts import StoreClock, Suppressions, gather, store_clocks
from connector.engine.former import former_leads
from connector.engine.links import short_url
from connector.engine.live_coupons import Build, Live, Promise, live_coupons, promise_of, with_live
from connector.engine.owed import account_of, may_leave
from connector.engine.payload import Applied, read_payload
from connector.engine.told import word_age
from connector.model import ConsentState, Customer, Enrolment, LeadId, Money, Order, Origin, Withdrawal
from connector.options import CrmOptions
from connector.rules import Facts, Go, State, Verdict

CHECKOUTS = table(tables.Checkout)
DELIVERIES = table(tables.Delivery)
LEADS = table(tables.Lead)
ORDERS = table(tables.Order)
STORES = table(tables.Store)


@dataclass(frozen=True)
class Erasure:
    """A contact to be erased in the CRM."""

    email: str
    permanently: bool


@dataclass(frozen=True)
class Job:
    """One delivery, ready for the adapter."""

    row: Row[Any]
    what: Enrolment | Withdrawal | Erasure
    step: Step | None = None
    applied: str = ""  # what it puts on, or may have put on before
    promise: Promise | None = None  # a coupon, which the store has yet to make

    @property
    def kind(self) -> str:
        """enrol | refresh | withdraw | forget."""
        return str(self.row.kind)


def prepare_jobs(
    ctx: Context, connection: Connection, client: Client, crm: CrmOptions, rows: Sequence[Row[Any]], now: datetime
) -> list[Job]:
    """The jobs of these rows. A row whose step may not run now, or never, is written down as such and left out."""
    account = account_of(connection, client.id, crm.id)
    leaving = [row for row in rows if row.kind == "withdraw" and may_leave(connection, row, account, now)]
    jobs = [_withdrawal(connection, client, crm, row, now) for row in leaving]
    to_erase = [row for row in rows if row.kind == "forget" and may_erase(connection, row, crm, account, now)]
    jobs += [Job(row, _erasure(row)) for row in to_erase]
    to_lead = [row for row in rows if row.kind in ("enrol", "refresh")]
    if to_lead:
        jobs += _lead_jobs(ctx, connection, client, crm, to_lead, now, account)
    return jobs


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(row.email or "", row.reason == "permanently")


def _lead_jobs(
    ctx: Context,
    connection: Connection,
    client: Client,
    crm: CrmOptions,
    rows: Sequence[Row[Any]],
    now: datetime,
    account: str,
) -> list[Job]:
    leads = _leads(connection, client.id, rows)
    checkouts = _checkouts(connection, client.id, list(leads.values()))
    clocks = store_clocks(connection, client)
    origins = ((lead.store, lead.checkout_id) for lead in leads.values())
    made = [checkouts[origin] for origin in origins if origin in checkouts]
    facts = gather(ctx, connection, client, made, clocks)
    kept = sequences.load(connection, client, {lead.sequence for lead in leads.values()})
    coupons = live_coupons(connection, client.id, leads.values(), clocks, now)
    plans: dict[tuple[str, int], _Plan | str] = {}
    whom = [(lead.shopper, lead.email) for lead in leads.values()]
    suppressions = Suppressions.load(ctx, connection, client, whom)
    former = former_leads(connection, client.id, crm.id, rows)
    jobs = []
    for row in rows:
        lead = leads.get(row.shopper)
        origin = checkouts.get((lead.store, lead.checkout_id)) if lead else None
        if lead is None or origin is None or lead.generation != row.generation:
            endings.finish(connection, row, "cancelled", "R7", "the lead is gone")
            endings.leave_no_trace(connection, client.id, {row.shopper})
            continue
        shown = checkouts.get((lead.shown_store, lead.shown_checkout_id), origin)
        shown = origin if shown.payload is None else shown
        known = _latest(facts[origin.store, origin.id], lead, shown)
        # By the lead's own address: its checkout has none any more, where the store has listed it again.
        known = replace(known, suppressed=suppressions.why(lead.shopper, lead.email) or _erased(shown))
        verdict = _verdict(client, row, known, clocks.get(lead.store), now)
        place = (lead.sequence, row.step)
        plan = plans.get(place) or plans.setdefault(place, _plan(client, crm, kept[lead.sequence], row.step))
        if verdict.go is not Go.DELIVER:
            _hold_or_end(ctx, connection, client, row, lead, verdict, clocks.get(lead.store))
        elif isinstance(plan, str):
            _hold_or_end(ctx, connection, client, row, lead, Verdict(Go.END, State.FAILED, "", plan), None)
        else:
            clock = clocks.get(shown.store)
            began = clocks.get(lead.store)
            since = _Since(lead.created_at, known.started_at, began.offset if began else timedelta(0))
            before = former.get(row.shopper, ())
            build = partial(_enrolment, ctx, client, crm, plan, row, lead, before, shown, known, since, clock, now)
            jobs.append(_lead_job(ctx, client, plan, row, lead, shown, build, coupons.get(row.shopper), account))
    return jobs


def _leads(connection: Connection, client: str, rows: Sequence[Row[Any]]) -> dict[str, Row[Any]]:
    query = select(LEADS).where(LEADS.c.client == client, LEADS.c.shopper.in_({row.shopper for row in rows}))
    return {lead.shopper: lead for lead in connection.execute(query)}


def _checkouts(connection: Connection, client: str, leads: Sequence[Row[Any]]) -> dict[tuple[str, str], Row[Any]]:
    wanted: dict[str, set[str]] = {}
    for lead in leads:
        wanted.setdefault(lead.store, set()).add(lead.checkout_id)
        wanted.setdefault(lead.shown_store, set()).add(lead.shown_checkout_id)
    found = {}
    for store, ids in wanted.items():
        here = (CHECKOUTS.c.client == client, CHECKOUTS.c.store == store, CHECKOUTS.c.id.in_(ids))
        found.update({(row.store, row.id): row for row in connection.execute(select(CHECKOUTS).where(*here))})
    return found


def _latest(facts: Facts, lead: Row[Any], shown: Row[Any]) -> Facts:
    """The facts of the checkout that made the lead, with what the shopper's latest checkout says now."""
    consent = ConsentState(shown.consent)
    if facts.consent is ConsentState.UNSUBSCRIBED:
        consent = facts.consent
    return replace(
        facts,
        activity_at=max(facts.activity_at, lead.activity_at),
        emptied=shown.emptied,
        consent=consent,
        lifted=lead.lifted,
    )


def _erased(shown: Row[Any]) -> str:
    """Suppressed for a time, in which nothing of the checkout was kept."""
    return "nothing of the checkout is kept any more" if shown.payload is None else ""


def _verdict(client: Client, row: Row[Any], facts: Facts, clock: StoreClock | None, now: datetime) -> Verdict:
    if row.kind == "refresh" and facts.suppressed:
        return Verdict(Go.END, State.SUPPRESSED, "R10", facts.suppressed)
    if row.kind == "refresh":
        return Verdict(Go.DELIVER)
    offset = clock.offset if clock else timedelta(0)
    store = client.store(row.store)
    age = word_age(store.poll_every if store else timedelta(0))
    return rules.gate(facts, client.policy, now + offset, step=row.step, due_at=row.due_at + offset, word_age=age)


def _hold_or_end(
    ctx: Context,
    connection: Connection,
    client: Client,
    row: Row[Any],
    lead: Row[Any],
    verdict: Verdict,
    clock: StoreClock | None,
) -> None:
    if verdict.go is Go.END:
        endings.finish(connection, row, verdict.state, verdict.rule, verdict.reason)
        endings.conclude(connection, client, lead, ctx.clock())
        return
    offset = clock.offset if clock else timedelta(0)
    again = (verdict.again_at or ctx.clock() + offset + rules.RECHECK) - offset
    connection.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.id == row.id)
        .values(next_at=again, rule=verdict.rule, detail=verdict.reason)
    )
    endings.show(connection, client.id, lead, verdict.state, verdict.rule, verdict.reason, ctx.clock())
    if verdict.state is State.HELD and clock is not None:  # ask for the word now, not at the next turn
        soon = (STORES.c.client == client.id, STORES.c.failures == 0, STORES.c.next_poll_at > ctx.clock())
        connection.execute(update(STORES).where(*soon).values(next_poll_at=ctx.clock()))


@dataclass(frozen=True)
class _Plan:
    """What one step does in one CRM, whoever the shopper is."""

    step: Step
    fields: Mapping[str, str]
    names: frozenset[str]  # that the fields use
    tags: tuple[str, ...]
    campaign: Any


def _plan(client: Client, crm: CrmOptions, sequence: sequences.Steps, number: int) -> _Plan | str:
    """The plan; or why there is none, where the CRM behind the id became another since the lead was made."""
    if number >= len(sequence):
        return "the sequence has no such step any more"
    step = sequence[number]
    try:
        fields, campaign = client.config.fields_for(step, crm), client.config.campaign_for(step, crm)
    except ValidationError:
        return f"the step that the lead started with does not fit {crm.id}, which is {crm.adapter} now"
    return _Plan(step, fields, templates.names_used(fields), client.config.tags_for(step, crm), campaign)


def _lead_job(
    ctx: Context,
    client: Client,
    plan: _Plan,
    row: Row[Any],
    lead: Row[Any],
    shown: Row[Any],
    build: Build,
    coupon: Live | None,
    account: str,
) -> Job:
    if row.kind == "refresh":  # puts nothing on
        return Job(row, build(coupon), plan.step)
    applied = Applied.read(row.applied).also(plan.tags, plan.campaign, account)
    promise = promise_of(ctx, client, plan.step.coupon, row, lead, shown, build) if plan.step.coupon else None
    return Job(row, build(coupon), plan.step, applied.write(), promise)


class _Since:
    """When a lead began, on our clock: CRMs compare it with theirs, which know nothing of the store's."""

    def __init__(self, made_at: datetime, started_at: datetime, ahead: timedelta) -> None:
        self.lead_at, self.started_at = made_at - ahead, started_at - ahead


def _enrolment(
    ctx: Context,
    client: Client,
    crm: CrmOptions,
    plan: _Plan,
    row: Row[Any],
    lead: Row[Any],
    former: tuple[LeadId, ...],
    shown: Row[Any],
    facts: Facts,
    since: _Since,
    clock: StoreClock | None,
    now: datetime,
    coupon: Live | None,
) -> Enrolment:
    checkout = with_live(client, shown.store, read_payload(shown.payload), coupon)
    values = templates.values(
        checkout,
        store=shown.store,
        client=client.id,
        abandoned_at=rules.abandoned_at(lead.activity_at, client.policy),
        timezone=clock.zone if clock else UTC,
        locale=(clock.locale if clock else "") or "en",
        coupon_code=coupon.code if coupon else "",
        coupon_expires_at=coupon.expires_at if coupon else None,
        wanted=plan.names,
    )
    asked_anew = _older_than_database(ctx, since.started_at)
    opted_in = facts.consent is ConsentState.OPTED_IN
    return Enrolment(
        key=rules.delivery_key(
            ctx.db.first_name(client.id),
            identity(lead.email),
            lead.store,
            lead.checkout_id,
            row.generation,
            row.step,
            crm.id,
        ),
        email=lead.email,
        checkout=checkout,
        client=client.id,
        store=lead.store,
        at=now,
        lead_at=since.started_at if asked_anew else since.lead_at,
        step_at=since.started_at + plan.step.after if asked_anew else row.due_at,
        fields=templates.render(plan.fields, {**values, "email": lead.email}),
        tags=plan.tags,
        campaign=plan.campaign,
        step=row.step,
        generation=row.generation,
        made_by=lead.checkout_id,
        shown_store=shown.store,
        former=former,
        may_subscribe=opted_in or crm.subscribe == "eligible",
        repeated=row.attempts > 0 or asked_anew,
        short_url=short_url(ctx, client.id, lead.shopper, checkout.url),
    )


def _older_than_database(ctx: Context, started_at: datetime) -> bool:
    """Whether a database that was lost may have delivered it already: then the CRM is asked before anything is done."""
    return ctx.db.made_at is not None and started_at < ctx.db.made_at


def _distinct(campaigns: Iterable[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for campaign in campaigns:
        if campaign is not None and campaign not in found:
            found.append(campaign)
    return tuple(found)


def _parsed(crm: CrmOptions, campaigns: Iterable[Any]) -> Iterator[Any]:
    """Campaigns as the adapter's own type. One that is not its kind was started in another CRM behind the same id."""
    for campaign in campaigns:
        with suppress(ValidationError):
            yield overlay(crm, "campaign", campaign).campaign


def _withdrawal(connection: Connection, client: Client, crm: CrmOptions, row: Row[Any], now: datetime) -> Job:
    applied = Applied.read(row.applied)
    tags = {*crm.tags, *applied.tags}
    bought = row.reason == "bought"
    withdrawal = Withdrawal(
        key=row.key,
        email=row.email or "",
        at=now,
        store=row.store,
        checkout_id=row.checkout_id,
        tags=tuple(sorted(tags - set(crm.on_recovered.add_tags))),
        add_tags=crm.on_recovered.add_tags if bought else (),
        campaigns=_distinct((crm.campaign, *_parsed(crm, applied.campaigns))),
        reason=row.reason,
        order=_order(connection, client.id, row) if bought else None,
        generation=row.generation,
        former=applied.other_leads(LeadId(row.store, row.checkout_id, row.generation)),
        tried_at=applied.tried_at,
        order_store=row.order_id.partition("/")[0] if bought else "",
    )
    return Job(row, withdrawal)


def _order(connection: Connection, client: str, row: Row[Any]) -> Order | None:
    store, _, order_id = row.order_id.partition("/")
    if not order_id:
        return None
    here = (ORDERS.c.client == client, ORDERS.c.store == store, ORDERS.c.id == order_id)
    found = connection.execute(select(ORDERS).where(*here)).first()
    if found is None:
        return None
    return Order(
        id=found.id,
        status=found.status,
        purchase=found.purchase,
        created_at=found.created_at,
        modified_at=found.modified_at,
        customer=Customer(email=row.email or "", id=found.customer_id),
        total=Money(Decimal(found.total), found.currency),
        refunded=Decimal(found.refunded),
        origin=Origin(found.origin),
        placed_at=found.placed_at,
        checkout_id=found.checkout_id,
    )
