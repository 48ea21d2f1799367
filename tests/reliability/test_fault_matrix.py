"""Every call that the daemon makes, with faults, through the whole engine. docs/reliability.md has the table."""

from __future__ import annotations

import os
from typing import cast

import pytest
from faults import LASTS, TROUBLES, Injector, Trouble, call_of
from life import CRMS, NEW, STORES, Life, life
from matrix import ACCOUNTS, pair, rows_of, try_cell
from outages import CLOCKS, DATABASE, WAYS, try_clock, try_database, try_way
from table import BEGIN, DATABASE_CRM, END, PAGE, render

from connector.engine import view
from connector.model import ConsentState
from connector.registry import Readable

LONG = os.environ.get("LONG_TESTS") == "1"
QUICK = [trouble for trouble in TROUBLES if trouble.quick]
WHOLE = (*STORES, *CRMS)
OUTAGES = [(account, way) for way in WAYS for account in (WHOLE if LONG else ("WooCommerce", "Klaviyo, by event"))]


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("trouble", QUICK, ids=lambda trouble: trouble.name)
def test_every_call_with_one_fault_of_each_class(account: str, trouble: Trouble) -> None:
    """One life in which all calls are struck, each once in each phase; then the calls that it did not come to."""
    calls = rows_of(account)
    cell = try_cell(account, trouble, *calls, lasting=False)
    assert not cell.wrong, "\n".join(cell.wrong)
    for call in cell.missed:
        alone = try_cell(account, trouble, call, lasting=False)
        assert (alone.wrong, alone.missed) == ((), ()), call


@pytest.mark.parametrize(("account", "way"), OUTAGES)
def test_an_account_that_cannot_be_reached(account: str, way: str) -> None:
    cell = try_way(account, way)
    assert not cell.wrong, "\n".join(cell.wrong)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("which", CLOCKS)
def test_a_store_whose_clock_is_wrong(store: str, which: str) -> None:
    cell = try_clock(store, which)
    assert not cell.wrong, "\n".join(cell.wrong)


@pytest.mark.parametrize("what", DATABASE)
def test_a_database_that_cannot_be_written(what: str) -> None:
    cell = try_database(DATABASE_CRM, what)
    assert not cell.wrong, "\n".join(cell.wrong)


def _calls_for_orders(lived: Life) -> frozenset[str]:
    """The calls that only the read of the orders makes."""
    adapter = cast(Readable, lived.accounts.store(lived.client, lived.options[0]))
    journal = lived.store.server.journal
    made = []
    for read in (adapter.checkouts, adapter.orders):
        journal.clear()
        list(read(None, lived.clock() - LASTS))
        made.append({call_of(each.request) for each in journal})
    return frozenset(made[1] - made[0])


@pytest.mark.parametrize("store", STORES)
def test_the_orders_cannot_be_read_while_the_checkouts_can(store: str) -> None:
    trouble = next(each for each in TROUBLES if each.name == "500, 2 h")
    with life(*pair(store)) as lived:
        lived.look()
        lived.injector = Injector(lived.store.server, lived.clock, trouble, _calls_for_orders(lived), lasting=True)
        lived.store.server.fault = lived.injector
        lived.store.abandon(NEW, consent=ConsentState.OPTED_IN)
        for _ in range(7):
            lived.clock.advance(LASTS / 8)
            lived.look()
        (lead,) = view.leads(lived.ctx, lived.client)
        assert (lead["state"], lead["rule"]) == ("held", "R4")
        assert lead["reason"] == "waiting for the store's orders to be read"
        assert not lived.crm.effects
        lived.clock.advance(LASTS / 2)
        lived.look()
        assert [effect.what for effect in lived.crm.effects] == ["enrolled"]


def test_the_page_is_current_and_has_no_red_cell() -> None:
    tables = [_rows(PAGE.read_text().partition(BEGIN)[2].partition(END)[0]), _rows(render({}))]
    first = [[row[0] for row in rows] for rows in tables]
    assert first[0] == first[1], "the calls are others now: run make reliability"
    heads = [[row for row in rows if row[0] in ("call", "account")] for rows in tables]
    assert heads[0] == heads[1], "the faults are others now: run make reliability"
    assert not [row for row in tables[0] if "✗" in row]


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


if LONG:  # not a skip: there is nothing here that a quick run should have done

    @pytest.mark.parametrize("account", ACCOUNTS)
    @pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
    def test_every_call_with_every_fault(account: str, trouble: Trouble) -> None:
        for call in rows_of(account):
            cell = try_cell(account, trouble, call, lasting=trouble.lasts)
            assert (cell.wrong, cell.missed) == ((), ()), call
