"""What `winback templates preview` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select

from connector import fields, rules, tables
from connector.address import contact
from connector.cli.mails import chosen
from connector.cli.opening import clients_of, looking, one_client, pick_client, read_configuration
from connector.cli.show import say
from connector.cli.trying import sample_checkout
from connector.db import table
from connector.engine.context import Client, Context
from connector.engine.payload import read_payload
from connector.errors import ConfigError
from connector.model import Checkout, Customer, LineItem, Money
from connector.templates import LANGUAGES
from connector.templates.preview import page
from connector.writing import new_file

CHECKOUTS = table(tables.Checkout)
SAMPLE_CODE = "BACK-4F7K2"


def preview_templates(
    path: Path,
    *,
    client: str | None,
    email: str | None,
    output: Path,
    emails: Sequence[str] | None,
    languages: Sequence[str] | None,
    force: bool,
) -> None:
    """Writes the page, with a shopper's cart or a sample."""
    chosen(emails, languages)  # a misspelt name is told before anything else
    now = datetime.now(UTC)
    if email:
        with looking(path) as ctx:
            one = one_client(ctx, client)
            checkout, store = _left_by(ctx, one, email)
    else:
        one = pick_client(clients_of(read_configuration(path)), client)
        checkout, store = _sample(now, (languages or ["en"])[0]), one.config.stores[0].id
    spoken = checkout.locale[:2].lower() if checkout.locale else "en"
    templates = chosen(emails, languages or [spoken if spoken in LANGUAGES else "en"])
    whose = f"With the cart of {email}; the code is a sample." if email else "With a sample cart."
    _write(output, page(templates, _values(one, checkout, store, now), whose), force=force)
    say(f"written to {output}: open it in a browser")


def _sample(now: datetime, locale: str) -> Checkout:
    """The cart of `winback test`, with a name and a product that look like a shop's."""
    price = Money(Decimal("49.00"), "EUR")
    return replace(
        sample_checkout(now, "alex@example.com"),
        locale=locale,
        customer=Customer("alex@example.com", first_name="Alex"),
        lines=(LineItem("Enamel trail mug", 1, price, price),),
    )


def _left_by(ctx: Context, client: Client, email: str) -> tuple[Checkout, str]:
    """The shopper's newest checkout with what it holds, and its store. Raises ConfigError where there is none."""
    if contact(email) is None:
        raise ConfigError(f"{email} is no e-mail address")
    shopper, _ = ctx.shopper(client.id, email)
    here = (CHECKOUTS.c.client == client.id, CHECKOUTS.c.shopper == shopper, CHECKOUTS.c.payload.is_not(None))
    with ctx.db.read() as connection:
        row = connection.execute(select(CHECKOUTS).where(*here).order_by(CHECKOUTS.c.activity_at.desc())).first()
    if row is None:
        raise ConfigError(f"no cart of {email} is kept for {client.id}: see `winback leads`, or leave --email out")
    return read_payload(row.payload), row.store


def _values(client: Client, checkout: Checkout, store: str, now: datetime) -> Mapping[str, str]:
    at = rules.abandoned_at(checkout.activity_at, client.policy)
    return fields.values(
        checkout,
        store=store,
        client=client.id,
        abandoned_at=at,
        coupon_code=SAMPLE_CODE,
        coupon_expires_at=now + timedelta(hours=48),
    )


def _write(output: Path, text: str, *, force: bool) -> None:
    """Readable for the owner alone: it may hold a shopper's data."""
    with new_file(output, overwrite=force) as part:
        part.touch(0o600)
        part.write_text(text, encoding="utf-8", errors="replace")
