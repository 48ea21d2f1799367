"""The commands and their options. What each one does is in the modules beside this one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from connector import __version__
from connector.cli import clients, deliveries, hooks, leads, templates
from connector.cli.companions import WithCompanions
from connector.cli.options import Config, Email, Force, Json, OneClient, duration

app = typer.Typer(
    cls=WithCompanions,
    help="Recovers abandoned checkouts: watches your stores, enrols shoppers in your CRM, and stops when they buy.",
    epilog="Start with `winback check -c acme.yaml`, then `winback sync -c acme.yaml --dry-run`, then `winback run`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"winback {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command()
def run(config: Config) -> None:
    """Run the daemon, until SIGTERM or Ctrl-C.

    It reads every store about once a minute, enrols who left a checkout, and takes out who bought. A changed file is
    read again without a restart; a wrong one is refused, and the former stays in force.

    \b
    winback run -c acme.yaml
    winback run -c clients/
    """
    from connector.cli.running import run_daemon

    raise typer.Exit(run_daemon(config))


@app.command()
def sync(
    config: Config,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List who would be enrolled now; send nothing.")] = False,
) -> None:
    """Make one pass: read, decide, deliver, exit.

    For cron, or to see what the daemon would do. Ends with 1 where a store or CRM failed, and names it.

    \b
    winback sync -c acme.yaml --dry-run
    winback sync -c acme.yaml
    """
    from connector.cli.syncing import run_sync

    raise typer.Exit(run_sync(config, dry_run=dry_run))


@app.command()
def check(
    config: Config,
    offline: Annotated[bool, typer.Option("--offline", help="Read the files only; ask no store and no CRM.")] = False,
    json: Json = False,
) -> None:
    """Check the files, then try every key; say what to do.

    Nothing is changed anywhere. For each CRM it also says what to set there so that buyers leave the e-mails.

    \b
    winback check -c acme.yaml
    winback check -c clients/ --offline
    """
    from connector.cli.checking import run_check

    raise typer.Exit(run_check(config, offline=offline, as_json=json))


@app.command("test")
def test_(
    config: Config,
    email: Annotated[str, typer.Argument(help="Your own e-mail address.", metavar="EMAIL")],
    client: OneClient = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the address out of the CRMs again.")] = False,
) -> None:
    """Send every step to your own address, now.

    Your CRMs treat the address as a shopper who left a sample cart, so that you see the real e-mails.

    \b
    winback test -c acme.yaml you@acme.example
    winback test -c acme.yaml you@acme.example --remove
    """
    from connector.cli.trying import run_test

    raise typer.Exit(run_test(config, email, client, remove=remove))


app.add_typer(leads.app, name="leads")


@app.command()
def explain(config: Config, email: Email, client: OneClient = None, json: Json = False) -> None:
    """Tell why a shopper was enrolled, or was not.

    The story has rule numbers and times; docs/rules.md says what the rules are.

    Ends with 1 where nothing is known of the address.

    \b
    winback explain -c acme.yaml ann@example.com
    """
    from connector.cli.table import explain_shopper

    raise typer.Exit(explain_shopper(config, email, client, as_json=json))


@app.command()
def suppress(
    config: Config,
    value: Annotated[
        str,
        typer.Argument(help="An e-mail address, or a whole domain as @acme.example.", metavar="EMAIL|@DOMAIN"),
    ],
    lift: Annotated[bool, typer.Option("--lift", help="Allow the address or domain again.")] = False,
    client: OneClient = None,
) -> None:
    """Keep an address or a domain from becoming a lead.

    Who is a lead already is taken out. In a folder of several clients it holds for all of them, or for one with
    --client.

    \b
    winback suppress -c acme.yaml ann@example.com
    winback suppress -c acme.yaml @acme.example
    winback suppress -c acme.yaml ann@example.com --lift
    """
    from connector.cli.acting import act

    act(config, client, lambda hand, ctx, of: hand.suppress(ctx, of, value, lift=lift), every=True)


@app.command()
def forget(
    config: Config,
    email: Email,
    crms: Annotated[bool, typer.Option("--crms", help="Erase the contact in the CRMs, too.")] = False,
    permanently: Annotated[
        bool,
        typer.Option("--permanently", help="With --crms: for ever, where the CRM can. It may never come back there."),
    ] = False,
    client: OneClient = None,
) -> None:
    """Erase a shopper here, and in the CRMs where asked.

    The address never becomes a lead again; for that a keyed hash of it stays, and nothing else.

    \b
    winback forget -c acme.yaml ann@example.com
    winback forget -c acme.yaml ann@example.com --crms
    """
    from connector.cli.acting import act

    if permanently and not crms:
        raise typer.BadParameter("--permanently is about the CRMs: say --crms too")
    act(
        config,
        client,
        lambda hand, ctx, of: hand.forget(ctx, of, email, crms=crms, permanently=permanently),
        every=True,
        departed=True,
    )


app.add_typer(deliveries.app, name="deliveries")
app.add_typer(clients.app, name="client")
app.add_typer(templates.app, name="templates")
app.add_typer(hooks.app, name="hooks")


@app.command()
def report(
    config: Config,
    since: Annotated[
        timedelta, typer.Option("--since", parser=duration, metavar="DURATION", help="How far back, up to 400d.")
    ] = "30d",  # type: ignore[assignment]
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help="A line for each store, step, product, week or stage.")
    ] = "store",
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout, and nothing else.")] = False,
    client: OneClient = None,
) -> None:
    """Tell what came of the leads: recovered, revenue, lift.

    docs/report.md says what each number means, and on which day it counts.

    \b
    winback report -c acme.yaml
    winback report -c acme.yaml --since 90d --by week
    winback report -c clients/ --by product --csv > report.csv
    """
    from connector.cli.report import run_report

    if json and csv:
        raise typer.BadParameter("say either --json or --csv")
    run_report(config, client=client, since=since, by=by, as_json=json, as_csv=csv)


@app.command()
def adopt(
    config: Config,
    account: Annotated[str, typer.Argument(help="The id of a store or CRM in your file.", metavar="ID")],
    same: Annotated[bool, typer.Option("--same", help="It is the same account, only under another name.")] = False,
    client: OneClient = None,
) -> None:
    """Accept that a store or CRM is another account now.

    Winback stops at such a change, because a mistyped key could mail the wrong shoppers. Adopt a store only if it
    moved: another one wants an id of its own.

    \b
    winback adopt -c acme.yaml mail
    """
    from connector.cli.acting import act

    act(config, client, lambda hand, ctx, of: hand.adopt(ctx, of, account, same=same))


@app.command()
def adapters(json: Json = False) -> None:
    """List what each store platform and CRM can do.

    \b
    winback adapters
    """
    from connector.cli.adapters import list_adapters

    list_adapters(as_json=json)


@app.command()
def backup(
    config: Config,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: winback-TIME.db in this folder.")
    ] = None,
    force: Force = False,
) -> None:
    """Copy the database into one file.

    Also while the daemon runs.

    \b
    winback backup -c acme.yaml -o winback-backup.db
    """
    from connector.cli.backing import write_backup

    write_backup(config, output, overwrite=force)


@app.command()
def restore(
    config: Config,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `winback backup` wrote.")],
    force: Force = False,
) -> None:
    """Put a backup in the place of the database. Stop the daemon first.

    Who was erased or suppressed since stays so, and the CRMs are asked before anything is done once more. It also
    moves an installation from SQLite to PostgreSQL, or back.

    \b
    winback restore -c acme.yaml winback-backup.db
    """
    from connector.cli.backing import read_backup

    read_backup(config, file, overwrite=force)


@app.command()
def demo(
    seconds: Annotated[
        str, typer.Option("--for", help="How long, such as 60s; without it until Ctrl-C.", metavar="DURATION")
    ] = "0s",
) -> None:
    """Run the daemon against pretend stores and CRMs.

    All of it on this machine; no account is needed and nothing is sent anywhere.

    \b
    winback demo --for 60s
    """
    from connector.demo import run_demo

    raise typer.Exit(run_demo(duration(seconds)))
