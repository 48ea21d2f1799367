"""`when:`: which CRM and which step want a checkout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from connector.config import Step, countries
from connector.engine.context import Client, steps_for
from connector.engine.payload import read_payload
from connector.options import CrmOptions, When

EVERYTHING = When()


def wants(when: When, row: Row[Any]) -> bool:
    """Whether a `when:` block lets the checkout of this row pass: every given line must match."""
    if when == EVERYTHING:
        return True
    if when.stores and row.store not in when.stores:
        return False
    if when.min_total is not None and Decimal(row.total) < when.min_total:
        return False
    if when.countries and not countries.country_in(row.country, when.countries):
        return False
    if (when.products or when.locales) and row.payload:
        checkout = read_payload(row.payload)
        if when.locales and not any(_speaks(checkout.locale, wanted) for wanted in when.locales):
            return False
        names = {
            name.casefold()
            for line in checkout.lines
            for name in (line.product_id, line.variant_id, line.sku, line.title)
            if name
        }
        return not when.products or any(wanted.casefold() in names for wanted in when.products)
    return True


def wanted_steps(client: Client, sequence: Sequence[Step], row: Row[Any]) -> Iterator[tuple[CrmOptions, int, Step]]:
    """The steps that a checkout gets in each CRM, in order: both the CRM and the step must want it."""
    for crm in client.config.crms:
        if wants(crm.when, row):
            for index, step in steps_for(sequence, crm.id):
                if index >= row.carry_step and wants(step.when, row):
                    yield crm, index, step


def promises_coupons(client: Client, store: str) -> bool:
    """Whether any step with a coupon may reach checkouts of that store."""
    return any(
        step.coupon and all(not when.stores or store in when.stores for when in (step.when, crm.when))
        for step in client.config.sequence
        for crm in client.config.crms_of(step)
    )


def _speaks(locale: str, wanted: str) -> bool:
    have, want = (text.replace("_", "-").lower() for text in (locale, wanted))
    return have == want or have.startswith(want + "-")
