"""`winback deliveries …`: the outbox."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.options import Json, LateConfig, ListByDefault, OneClient, config_of, delivery_id

ID_HELP = "The id from `deliveries list`."
app = typer.Typer(
    cls=ListByDefault,
    help="Show what was refused or waits, and try it again. Without a subcommand: list.",
    epilog="For example: winback deliveries -c acme.yaml",
    rich_markup_mode=None,
)


@app.callback()
def _deliveries(context: typer.Context, config: LateConfig = None) -> None:
    context.obj = config


@app.command("list")
def list_(
    context: typer.Context,
    config: LateConfig = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is done or was taken back.")] = False,
    client: OneClient = None,
    json: Json = False,
) -> None:
    """List what was refused or is waiting, and why.

    \b
    winback deliveries -c acme.yaml
    winback deliveries list -c acme.yaml --all
    """
    from connector.cli.table import list_deliveries

    list_deliveries(config_of(context, config), client=client, everything=everything, as_json=json)


@app.command()
def show(
    context: typer.Context,
    delivery: Annotated[int, typer.Argument(parser=delivery_id, help=ID_HELP, metavar="ID")],
    config: LateConfig = None,
    client: OneClient = None,
    json: Json = False,
) -> None:
    """Show one delivery: what was sent, what the CRM answered, and what to do.

    \b
    winback deliveries show -c acme.yaml 17
    """
    from connector.cli.table import show_delivery

    show_delivery(config_of(context, config), delivery, client, as_json=json)


@app.command()
def retry(
    context: typer.Context,
    delivery: Annotated[int | None, typer.Argument(parser=delivery_id, help=ID_HELP, metavar="ID")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    config: LateConfig = None,
    client: OneClient = None,
) -> None:
    """Try one refused or late delivery again, or all of them.

    \b
    winback deliveries retry -c acme.yaml 17
    winback deliveries retry -c acme.yaml --all
    """
    from connector.cli.acting import act

    if (delivery is None) == (not everything):
        raise typer.BadParameter("name one ID, or say --all", ctx=context)
    act(config_of(context, config), client, lambda hand, ctx, of: hand.retry(ctx, of, delivery), every=everything)
