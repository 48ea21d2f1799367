"""`winback leads …`: the lead table, and what is done to leads by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connector.cli.options import (
    Email,
    Json,
    LateConfig,
    ListByDefault,
    OneClient,
    OneEmail,
    OneState,
    OneStore,
    Since,
    config_of,
)

app = typer.Typer(
    cls=ListByDefault,
    help="Show the leads, and act on them. Without a subcommand: list, with its options.",
    epilog="For example: winback leads -c acme.yaml --state held",
    rich_markup_mode=None,
)


@app.callback()
def _leads(context: typer.Context, config: LateConfig = None) -> None:
    context.obj = config


def _filters(store: str | None, state: str | None, email: str | None, since: Any) -> dict[str, Any]:
    return {"store": store, "state": state, "email": email, "since": since}


@app.command("list")
def list_(
    context: typer.Context,
    config: LateConfig = None,
    store: OneStore = None,
    state: OneState = None,
    email: OneEmail = None,
    since: Since = None,
    client: OneClient = None,
    json: Json = False,
) -> None:
    """List every checkout with an address, its state, and why.

    \b
    winback leads -c acme.yaml
    winback leads list -c acme.yaml --state held --since 7d
    """
    from connector.cli.table import list_leads

    list_leads(config_of(context, config), client=client, filters=_filters(store, state, email, since), as_json=json)


@app.command()
def export(
    context: typer.Context,
    config: LateConfig = None,
    store: OneStore = None,
    state: OneState = None,
    email: OneEmail = None,
    since: Since = None,
    client: OneClient = None,
) -> None:
    """Write the lead table as CSV to stdout.

    \b
    winback leads export -c acme.yaml > leads.csv
    """
    from connector.cli.table import export_leads

    export_leads(config_of(context, config), client=client, filters=_filters(store, state, email, since))


@app.command()
def show(
    context: typer.Context, email: Email, config: LateConfig = None, client: OneClient = None, json: Json = False
) -> None:
    """Show one shopper's leads and story, like `explain`.

    \b
    winback leads show -c acme.yaml ann@example.com
    """
    from connector.cli.table import explain_shopper

    raise typer.Exit(explain_shopper(config_of(context, config), email, client, as_json=json))


@app.command()
def enrol(context: typer.Context, email: Email, config: LateConfig = None, client: OneClient = None) -> None:
    """Enrol by hand who was too old (R3) or too soon (R5).

    Every other rule still holds: nobody is enrolled who bought, unsubscribed or is suppressed.

    \b
    winback leads enrol -c acme.yaml ann@example.com
    """
    from connector.cli.acting import act

    act(config_of(context, config), client, lambda hand, ctx, of: hand.enrol(ctx, of, email))


@app.command()
def delete(context: typer.Context, email: Email, config: LateConfig = None, client: OneClient = None) -> None:
    """Take a shopper out of the CRMs, and end the lead.

    The seven days stay in force: until they are over, no new lead is made.

    \b
    winback leads delete -c acme.yaml ann@example.com
    """
    from connector.cli.acting import act

    act(config_of(context, config), client, lambda hand, ctx, of: hand.remove(ctx, of, email))


@app.command()
def release(
    context: typer.Context,
    config: LateConfig = None,
    store: Annotated[str | None, typer.Option("--store", metavar="ID", help="Only this store.")] = None,
    client: OneClient = None,
) -> None:
    """Let go the leads that came far more than usual (R3).

    \b
    winback leads release -c acme.yaml
    """
    from connector.cli.acting import act

    act(config_of(context, config), client, lambda hand, ctx, of: hand.release(ctx, of, store), every=store is None)
