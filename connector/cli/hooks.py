"""`winback hooks …`: the stores' webhooks."""

from __future__ import annotations

import typer

from connector.cli.options import LateConfig, ListByDefault, OneClient, OneStore, config_of

app = typer.Typer(
    cls=ListByDefault,
    help="Let the stores tell of news at once, by webhook. Without a subcommand: list.",
    epilog="For example: winback hooks install -c acme.yaml",
    rich_markup_mode=None,
)


@app.callback()
def _hooks(context: typer.Context, config: LateConfig = None) -> None:
    context.obj = config


@app.command("list")
def list_(context: typer.Context, config: LateConfig = None, client: OneClient = None, store: OneStore = None) -> None:
    """List the webhooks in the stores that lead here, and what is wrong with them.

    \b
    winback hooks -c acme.yaml
    """
    from connector.cli.hooking import list_hooks

    raise typer.Exit(list_hooks(config_of(context, config), client, store))


@app.command()
def install(
    context: typer.Context, config: LateConfig = None, client: OneClient = None, store: OneStore = None
) -> None:
    """Make the stores send their webhooks to public_url.

    Safe to repeat: what is right stays, ours that lead to an earlier address are replaced, others are never touched.

    \b
    winback hooks install -c acme.yaml
    winback hooks install -c clients/ --client acme --store acme-shop
    """
    from connector.cli.hooking import install_hooks

    raise typer.Exit(install_hooks(config_of(context, config), client, store))


@app.command()
def remove(context: typer.Context, config: LateConfig = None, client: OneClient = None, store: OneStore = None) -> None:
    """Take our webhooks out of the stores again.

    \b
    winback hooks remove -c acme.yaml
    """
    from connector.cli.hooking import remove_hooks

    raise typer.Exit(remove_hooks(config_of(context, config), client, store))
