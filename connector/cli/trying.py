"""`winback test`: the sequence to the owner's own address, with a sample cart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from connector import fields, registry, rules
from connector.address import contact
from connector.cli.opening import engine, one_client
from connector.cli.show import count, say
from connector.cli.trying_coupons import delete_coupons, make_coupons
from connector.engine import trials
from connector.engine.accounts import fields_of, tags_of
from connector.engine.context import Client, Context
from connector.engine.live_coupons import Live
from connector.errors import ConfigError, WinbackError
from connector.model import (
    Checkout,
    Consent,
    ConsentState,
    Customer,
    Enrolment,
    LeadId,
    LineItem,
    Money,
    Outcome,
    Stage,
    Withdrawal,
)
from connector.options import CrmOptions


def run_test(config: Path, email: str, client_id: str | None, *, remove: bool) -> int:
    """Delivers every step to the owner's own address, or takes it out again. 1 where a CRM failed or mails nobody."""
    owner = contact(email)
    if owner is None:
        raise ConfigError(f"{email} is no e-mail address")
    failed, mailed = 0, 0
    with engine(config) as (ctx, _):
        client = one_client(ctx, client_id)
        if not client.config.crms:
            raise ConfigError(f"{client.id} has no CRM to test; add one under crms:")
        try:
            coupons = _coupons(ctx, client, owner.address, remove=remove)
        except WinbackError as error:
            say(f"coupons: FAILED: {error}")
            if not remove:
                return 1
            failed, coupons = 1, {}
        leads = (trials.open_trials if remove else trials.begin)(ctx, client, owner.address)
        for crm in client.config.crms:
            try:
                adapter = registry.CRMS[crm.adapter](crm, ctx.http)
                adapter.check()
                if remove:
                    adapter.withdraw(_sample_withdrawal(ctx, client, crm, owner.address, leads))
                    say(f"{crm.id}: taken out")
                else:
                    mailed += _enrol(ctx, client, crm, adapter, owner.address, leads, coupons)
            except WinbackError as error:
                failed += 1
                say(f"{crm.id}: FAILED: {error}")
        if remove and not failed:
            trials.taken_out(ctx, client, owner.address)
    if remove:
        return 1 if failed else 0
    if mailed:
        say(f"{count(mailed, 'step')} sent: look into your inbox; take the address out again with --remove")
    return 1 if failed or not mailed else 0


def _coupons(ctx: Context, client: Client, email: str, *, remove: bool) -> dict[int, Live]:
    """The coupons of the steps that promise one; none are left once they are removed."""
    if remove:
        if deleted := delete_coupons(ctx, client, email):
            say(f"{count(deleted, 'coupon')} deleted")
        return {}
    made = make_coupons(ctx, client, email)
    for index, live in made.items():
        until = f"{live.expires_at:%Y-%m-%d %H:%M} UTC"
        say(f"{live.store}: coupon {live.code} made for step {index + 1}, a real one, good until {until}")
    return made


def _enrol(
    ctx: Context,
    client: Client,
    crm: CrmOptions,
    adapter: registry.Crm,
    email: str,
    leads: Sequence[LeadId],
    coupons: Mapping[int, Live],
) -> int:
    """How many steps the CRM will mail."""
    adapter.prepare(sorted(fields_of(client, crm)), sorted(tags_of(client, crm)))
    mailed = 0
    for index, _ in client.steps_for(crm.id):
        receipt = adapter.enrol(_sample(ctx, client, crm, email, leads, index, coupons.get(index)))
        detail = f": {receipt.detail}" if receipt.detail else ""
        if receipt.outcome is Outcome.ENROLLED:
            mailed += 1
        say(f"{crm.id}: step {index + 1}: {receipt.outcome}{detail}")
    return mailed


def sample_checkout(now: datetime, email: str, id_: str = "winback-test") -> Checkout:
    """A cart that any owner recognises as a test."""
    price = Money(Decimal("49.00"), "EUR")
    return Checkout(
        id=id_,
        status="open",
        started_at=now - timedelta(hours=1),
        activity_at=now - timedelta(minutes=45),
        modified_at=now - timedelta(minutes=45),
        customer=Customer(email=email, first_name="Test", last_name="Shopper"),
        total=price,
        lines=(
            LineItem("Winback test product", 1, price, price, product_id="winback-test", variant_id="winback-test"),
        ),
        url="https://example.com/winback-test-checkout",
        consent=Consent(ConsentState.OPTED_IN, "winback test", now),
        stage=Stage.CONTACT,
    )


def _sample(
    ctx: Context,
    client: Client,
    crm: CrmOptions,
    email: str,
    leads: Sequence[LeadId],
    index: int,
    coupon: Live | None,
) -> Enrolment:
    lead, *former = leads
    step = client.config.sequence[index]
    checkout = sample_checkout(ctx.clock(), email, lead.checkout_id)
    templates = client.config.fields_for(step, crm)
    values = fields.values(
        checkout,
        store=lead.store,
        client=client.id,
        abandoned_at=rules.abandoned_at(checkout.activity_at, client.policy),
        coupon_code=coupon.code if coupon else "",
        coupon_expires_at=coupon.expires_at if coupon else None,
        wanted=fields.names_used(templates),
    )
    now = ctx.clock()
    return Enrolment(
        key=rules.delivery_key(client.id, email, lead.store, lead.checkout_id, lead.generation, index, crm.id),
        email=email,
        checkout=checkout,
        client=client.id,
        store=lead.store,
        at=now,
        lead_at=now,
        fields=fields.render(templates, values),
        tags=client.config.tags_for(step, crm),
        campaign=client.config.campaign_for(step, crm),
        step=index,
        generation=lead.generation,
        former=tuple(former),
        may_subscribe=True,
    )


def _sample_withdrawal(
    ctx: Context, client: Client, crm: CrmOptions, email: str, leads: Sequence[LeadId]
) -> Withdrawal:
    lead, *former = leads
    campaigns = {
        repr(c): c for step in client.config.sequence if (c := client.config.campaign_for(step, crm)) is not None
    }
    return Withdrawal(
        key=f"test:{ctx.clock().timestamp()}",
        email=email,
        at=ctx.clock(),
        store=lead.store,
        checkout_id=lead.checkout_id,
        tags=tuple(sorted(tags_of(client, crm))),
        campaigns=tuple(campaigns.values()),
        reason="deleted",
        generation=lead.generation,
        former=tuple(former),
    )
