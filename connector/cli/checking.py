"""`winback check` and `winback test`: every credential live, and the sequence to the owner's own address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from connector import fields, registry, rules
from connector.cli.opening import engine, one_client, read_configuration
from connector.cli.show import as_json as print_json
from connector.cli.show import say
from connector.engine.accounts import fields_of, tags_of
from connector.engine.context import Client, Context
from connector.errors import ConfigError, WinbackError
from connector.http import Http
from connector.model import (
    Checkout,
    Consent,
    ConsentState,
    Customer,
    Enrolment,
    Finding,
    Health,
    LineItem,
    Money,
    Stage,
    Withdrawal,
)
from connector.options import CrmOptions


@dataclass(frozen=True)
class Checked:
    """What `check` found about one store or CRM."""

    client: str
    id: str
    kind: str
    ok: bool
    account: str
    error: str
    findings: tuple[Finding, ...]


def run_check(config: Path, *, offline: bool, as_json: bool) -> int:
    """0 all well, 1 a credential or account failed; a bad configuration raises."""
    loaded = read_configuration(config)
    checked: list[Checked] = []
    if not offline:
        http = Http()
        for settings in loaded.clients:
            client = Client.of(settings)
            checked += [_store(client.id, store, http) for store in settings.stores]
            checked += [_crm(client, crm, http) for crm in settings.crms]
        http.close()
    if as_json:
        print_json({"clients": [c.client for c in loaded.clients], "accounts": [asdict(one) for one in checked]})
    else:
        _print(checked, len(loaded.clients), offline=offline)
    return 0 if all(one.ok for one in checked) else 1


def _store(client: str, store: Any, http: Http) -> Checked:
    adapter = registry.PLATFORMS[store.platform]
    return _checked(client, store.id, "store", lambda: adapter(store, http).check(), ())


def _crm(client: Client, crm: CrmOptions, http: Http) -> Checked:
    cls = registry.CRMS[crm.adapter]
    exits = Finding(f"so that buyers leave: {cls.exit_condition}", "campaign", "info") if cls.exit_condition else None
    return _checked(client.id, crm.id, "crm", lambda: cls(crm, http).check(), (exits,) if exits else ())


def _checked(client: str, id_: str, kind: str, ask: Callable[[], Health], more: tuple[Finding, ...]) -> Checked:
    try:
        health = ask()
    except WinbackError as error:
        return Checked(client, id_, kind, False, "", str(error), ())
    findings = (*health.findings, *(one for one in more if one.message not in {f.message for f in health.findings}))
    ok = not any(finding.level == "error" for finding in findings)
    return Checked(client, id_, kind, ok, health.identity.name or health.identity.id, "", findings)


def _print(checked: list[Checked], clients: int, *, offline: bool) -> None:
    say(f"configuration: good, {clients} client(s)")
    for one in checked:
        say(f"{one.client}/{one.id}: {'ok, ' + one.account if one.ok else 'FAILED'}")
        if one.error:
            say(f"  {one.error}")
        for finding in one.findings:
            say(f"  {finding.level}: {finding.message}")
    if offline:
        say("no store and no CRM was asked (--offline)")


def run_test(config: Path, email: str, client_id: str | None, *, remove: bool) -> int:
    """Delivers every step to the owner's own address, with a sample cart; or takes the address out again."""
    failed = False
    with engine(config) as (ctx, _):
        client = one_client(ctx, client_id)
        if not ctx.shopper(client.id, email)[0]:
            raise ConfigError("that is no e-mail address")
        for crm in client.config.crms:
            try:
                adapter = registry.CRMS[crm.adapter](crm, ctx.http)
                adapter.check()
                if remove:
                    adapter.withdraw(_sample_withdrawal(ctx, client, crm, email))
                    say(f"{crm.id}: taken out")
                    continue
                adapter.prepare(sorted(fields_of(client, crm)), sorted(tags_of(client, crm)))
                for index, _ in client.steps_for(crm.id):
                    receipt = adapter.enrol(_sample(ctx, client, crm, email, index))
                    detail = f": {receipt.detail}" if receipt.detail else ""
                    say(f"{crm.id}: step {index + 1}: {receipt.outcome}{detail}")
            except WinbackError as error:
                failed = True
                say(f"{crm.id}: FAILED: {error}")
    if not failed and not remove:
        say("look into your inbox; `winback test --remove` takes the address out again")
    return 1 if failed else 0


def sample_checkout(ctx: Context, email: str) -> Checkout:
    """A cart that any owner recognises as a test."""
    now = ctx.clock()
    price = Money(Decimal("49.00"), "EUR")
    return Checkout(
        id="winback-test",
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


def _sample(ctx: Context, client: Client, crm: CrmOptions, email: str, index: int) -> Enrolment:
    step = client.config.sequence[index]
    checkout = sample_checkout(ctx, email)
    store = client.config.stores[0].id
    templates = client.config.fields_for(step, crm)
    values = fields.values(
        checkout,
        store=store,
        client=client.id,
        abandoned_at=rules.abandoned_at(checkout.activity_at, client.policy),
        wanted=fields.names_used(templates),
    )
    now = ctx.clock()
    return Enrolment(
        key=rules.delivery_key(client.id, email, store, f"test-{now.timestamp()}", 1, index, crm.id),
        email=email,
        checkout=checkout,
        client=client.id,
        store=store,
        at=now,
        lead_at=now,
        fields=fields.render(templates, values),
        tags=client.config.tags_for(step, crm),
        campaign=client.config.campaign_for(step, crm),
        step=index,
        generation=2,  # triggers anew, however often the owner tests
        may_subscribe=True,
    )


def _sample_withdrawal(ctx: Context, client: Client, crm: CrmOptions, email: str) -> Withdrawal:
    campaigns = {
        repr(c): c for step in client.config.sequence if (c := client.config.campaign_for(step, crm)) is not None
    }
    return Withdrawal(
        key=f"test:{ctx.clock().timestamp()}",
        email=email,
        at=ctx.clock(),
        store=client.config.stores[0].id,
        checkout_id="winback-test",
        tags=tuple(sorted(tags_of(client, crm))),
        campaigns=tuple(campaigns.values()),
        reason="deleted",
    )
