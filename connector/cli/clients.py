"""`winback client …`: the clients themselves."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.options import Json, LateConfig, ListByDefault, config_of

app = typer.Typer(
    cls=ListByDefault,
    help="Show the clients, rename one, or remove one. Without a subcommand: list.",
    epilog="For example: winback client rename -c clients/ acme acme-europe",
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(metavar="CLIENT")]


@app.callback()
def _clients(context: typer.Context, config: LateConfig = None) -> None:
    context.obj = config


@app.command("list")
def list_(context: typer.Context, config: LateConfig = None, json: Json = False) -> None:
    """List every client that is configured or has something stored.

    \b
    winback client list -c clients/
    """
    from connector.cli.opening import looking
    from connector.cli.show import Column, as_json, as_table
    from connector.engine.clients import known

    with looking(config_of(context, config)) as ctx:
        rows = known(ctx)
    if json:
        as_json(rows)
        return
    shown = [{**row, "configured": "yes" if row["configured"] else "no: paused and kept"} for row in rows]
    columns = (Column("client", "client"), Column("configured", "configured"), Column("leads", "leads under way"))
    as_table(shown, (*columns, Column("stores", "stores")), "there is no client")


@app.command()
def rename(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD")],
    new: Annotated[str, typer.Argument(metavar="NEW")],
    config: LateConfig = None,
) -> None:
    """Give a client another name. Stop the daemon, write the new name into its file, and run this.

    \b
    winback client rename -c clients/ acme acme-europe
    """
    from connector.cli.opening import engine
    from connector.cli.show import say
    from connector.engine import clients

    with engine(config_of(context, config)) as (ctx, _):
        say(clients.rename(ctx, old, new))


@app.command()
def remove(
    context: typer.Context,
    client: Name,
    config: LateConfig = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Do not tell the CRMs: shoppers stay in running campaigns.")
    ] = False,
) -> None:
    """Take everyone out of a client's CRMs, and delete all that is stored of it. Stop the daemon first.

    \b
    winback client remove -c clients/ acme
    """
    from connector.cli.opening import engine
    from connector.cli.show import say
    from connector.engine import clients
    from connector.engine.accounts import Accounts

    with engine(config_of(context, config)) as (ctx, _):
        say(clients.remove(ctx, Accounts(ctx), client, abandon=abandon))
