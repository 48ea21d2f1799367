"""The commands and their options. What each one does is in the modules beside this one."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from connector import __version__
from connector.durations import parse_duration

app = typer.Typer(
    help="Recovers abandoned checkouts: watches your stores, enrols leads in your CRM, and stops the moment they buy.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
leads_app = typer.Typer(no_args_is_help=False, invoke_without_command=True, help="The lead table.")
deliveries_app = typer.Typer(invoke_without_command=True, help="What was refused or is waiting, and why.")
app.add_typer(leads_app, name="leads")
app.add_typer(deliveries_app, name="deliveries")

Config = Annotated[Path, typer.Option("-c", "--config", help="A client's YAML file, or a folder of them.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
OneClient = Annotated[str | None, typer.Option("--client", help="Which client, where several are configured.")]
Email = Annotated[str, typer.Argument(help="The shopper's e-mail address.")]


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _version(wanted: bool) -> None:
    if wanted:
        print(f"winback {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="The version.")] = False,
) -> None:
    del version


@app.command()
def run(config: Config) -> None:
    """The daemon, until SIGTERM."""
    from connector.cli.running import run_daemon

    sys.exit(run_daemon(config))


@app.command()
def sync(
    config: Config,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List who would be enrolled; send nothing.")] = False,
) -> None:
    """One pass: read every store, decide, deliver everything due, then exit."""
    from connector.cli.running import run_sync

    sys.exit(run_sync(config, dry_run=dry_run))


@app.command()
def check(
    config: Config,
    offline: Annotated[bool, typer.Option("--offline", help="Only the files; ask no store and no CRM.")] = False,
    json: Json = False,
) -> None:
    """The configuration, then each credential live; says what to do about each trouble."""
    from connector.cli.checking import run_check

    sys.exit(run_check(config, offline=offline, as_json=json))


@app.command("test")
def test_(
    config: Config,
    email: Annotated[str, typer.Argument(help="Your own address.")],
    client: OneClient = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the address out again.")] = False,
) -> None:
    """Runs the sequence to your own address with a sample cart, now."""
    from connector.cli.checking import run_test

    sys.exit(run_test(config, email, client, remove=remove))


@leads_app.callback(invoke_without_command=True)
def _leads(context: typer.Context, config: Annotated[Path | None, typer.Option("-c", "--config")] = None) -> None:
    context.obj = config
    if context.invoked_subcommand is None:
        from connector.cli.table import list_leads

        list_leads(_path(context, None), client=None, filters={}, as_json=False)


def _path(context: typer.Context, config: Path | None) -> Path:
    """`-c` may stand before or after the subcommand."""
    found: Path | None = config or context.obj
    if found is None:
        raise typer.BadParameter("say with -c which configuration", param_hint="-c")
    return found


LateConfig = Annotated[Path | None, typer.Option("-c", "--config", help="A client's YAML file, or a folder of them.")]


def _filters(store: str | None, state: str | None, email: str | None, since: str | None) -> dict[str, Any]:
    return {"store": store, "state": state, "email": email, "since": _duration(since) if since else None}


@leads_app.command("list")
def leads_list(
    context: typer.Context,
    config: LateConfig = None,
    store: Annotated[str | None, typer.Option(help="Only this store.")] = None,
    state: Annotated[str | None, typer.Option(help="Only this state, such as held.")] = None,
    email: Annotated[str | None, typer.Option(help="Only this shopper.")] = None,
    since: Annotated[str | None, typer.Option(help="Only activity within, such as 7d.")] = None,
    client: OneClient = None,
    json: Json = False,
) -> None:
    """The lead table."""
    from connector.cli.table import list_leads

    list_leads(_path(context, config), client=client, filters=_filters(store, state, email, since), as_json=json)


@leads_app.command("export")
def leads_export(
    context: typer.Context,
    config: LateConfig = None,
    store: Annotated[str | None, typer.Option(help="Only this store.")] = None,
    state: Annotated[str | None, typer.Option(help="Only this state.")] = None,
    since: Annotated[str | None, typer.Option(help="Only activity within, such as 7d.")] = None,
    client: OneClient = None,
) -> None:
    """The lead table as CSV on stdout."""
    from connector.cli.table import export_leads

    export_leads(_path(context, config), client=client, filters=_filters(store, state, None, since))


@leads_app.command("show")
def leads_show(
    context: typer.Context, email: Email, config: LateConfig = None, client: OneClient = None, json: Json = False
) -> None:
    """One shopper's leads and their story (the same as `winback explain`)."""
    from connector.cli.table import explain_shopper

    sys.exit(explain_shopper(_path(context, config), email, client, as_json=json))


@leads_app.command("enrol")
def leads_enrol(context: typer.Context, email: Email, config: LateConfig = None, client: OneClient = None) -> None:
    """Enrols a shopper by hand: lifts R3 and R5, and no other rule."""
    from connector.cli.acting import act

    act(_path(context, config), client, lambda hand, ctx, of: hand.enrol(ctx, of, email))


@leads_app.command("delete")
def leads_delete(context: typer.Context, email: Email, config: LateConfig = None, client: OneClient = None) -> None:
    """Withdraws a shopper's lead and keeps its seven-day window."""
    from connector.cli.acting import act

    act(_path(context, config), client, lambda hand, ctx, of: hand.remove(ctx, of, email))


@leads_app.command("release")
def leads_release(
    context: typer.Context,
    config: LateConfig = None,
    store: Annotated[str | None, typer.Option(help="Only this store.")] = None,
    client: OneClient = None,
) -> None:
    """Lets the leads go that were held because far more than usual came at once."""
    from connector.cli.acting import act

    act(_path(context, config), client, lambda hand, ctx, of: hand.release(ctx, of, store), every=True)


@app.command()
def explain(config: Config, email: Email, client: OneClient = None, json: Json = False) -> None:
    """Why a shopper was enrolled, or was not: the story with rule numbers and times."""
    from connector.cli.table import explain_shopper

    sys.exit(explain_shopper(config, email, client, as_json=json))


@app.command()
def suppress(
    config: Config,
    value: Annotated[
        str, typer.Argument(help="An address, or a whole domain as @acme.example.", metavar="EMAIL|@DOMAIN")
    ],
    lift: Annotated[bool, typer.Option("--lift", help="Take it back.")] = False,
    client: OneClient = None,
) -> None:
    """Keeps an address or a domain from ever becoming a lead."""
    from connector.cli.acting import act

    act(config, client, lambda hand, ctx, of: hand.suppress(ctx, of, value, lift=lift), every=True)


@app.command()
def forget(
    config: Config,
    email: Email,
    crms: Annotated[bool, typer.Option("--crms", help="Erase the contact in the CRMs, too.")] = False,
    permanently: Annotated[
        bool, typer.Option("--permanently", help="With --crms: for ever, where the CRM can; it may never come back.")
    ] = False,
    client: OneClient = None,
) -> None:
    """Erases a shopper here, and in the CRMs where asked."""
    from connector.cli.acting import act

    if permanently and not crms:
        raise typer.BadParameter("--permanently needs --crms")
    act(
        config,
        client,
        lambda hand, ctx, of: hand.forget(ctx, of, email, crms=crms, permanently=permanently),
        every=True,
    )


@deliveries_app.callback(invoke_without_command=True)
def _deliveries(context: typer.Context, config: Annotated[Path | None, typer.Option("-c", "--config")] = None) -> None:
    context.obj = config
    if context.invoked_subcommand is None:
        from connector.cli.table import list_deliveries

        list_deliveries(_path(context, None), client=None, everything=False, as_json=False)


@deliveries_app.command("list")
def deliveries_list(
    context: typer.Context,
    config: LateConfig = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is done or was taken back.")] = False,
    client: OneClient = None,
    json: Json = False,
) -> None:
    """What was refused or is waiting, and why."""
    from connector.cli.table import list_deliveries

    list_deliveries(_path(context, config), client=client, everything=everything, as_json=json)


@deliveries_app.command("retry")
def deliveries_retry(
    context: typer.Context,
    delivery: Annotated[int | None, typer.Argument(help="The id from `deliveries list`.", metavar="ID")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    config: LateConfig = None,
    client: OneClient = None,
) -> None:
    """Tries one refused or late delivery again, or all of them."""
    from connector.cli.acting import act

    if (delivery is None) == (not everything):
        raise typer.BadParameter("name one ID, or say --all")
    act(_path(context, config), client, lambda hand, ctx, of: hand.retry(ctx, of, delivery), every=everything)


@app.command()
def adopt(
    config: Config,
    account: Annotated[str, typer.Argument(help="The id of a store or CRM.", metavar="ID")],
    client: OneClient = None,
) -> None:
    """Accepts that a store or CRM now answers as another account."""
    from connector.cli.acting import act

    act(config, client, lambda hand, ctx, of: hand.adopt(ctx, of, account))


@app.command()
def adapters(json: Json = False) -> None:
    """What each platform and CRM can do."""
    from connector.cli.adapters import list_adapters

    list_adapters(as_json=json)


@app.command()
def demo(
    seconds: Annotated[
        str, typer.Option("--for", help="How long, such as 60s; without it until Ctrl-C.", metavar="DURATION")
    ] = "0s",
) -> None:
    """Sandbox stores and CRMs on this machine, and the real daemon against them."""
    from connector.demo import run_demo

    sys.exit(run_demo(_duration(seconds)))


def since(now: datetime, within: timedelta | None) -> datetime | None:
    """The moment that a --since filter means."""
    return now - within if within else None
