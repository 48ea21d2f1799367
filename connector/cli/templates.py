"""`winback templates …`: the ready e-mails, in each CRM's own merge syntax."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connector.cli.options import Force, LateConfig, ListByDefault, OneClient, config_of

app = typer.Typer(
    cls=ListByDefault,
    help="Ready e-mails for your CRM. Without a subcommand: list them.",
    epilog="For example: winback templates preview -c acme.yaml",
    rich_markup_mode=None,
)
OneCrm = Annotated[str | None, typer.Option("--crm", metavar="ID", help="Which CRM, by its id in the file.")]
Which = Annotated[
    list[str] | None, typer.Option("--template", metavar="NAME", help="Only this e-mail; may be given more than once.")
]
Languages = Annotated[
    list[str] | None, typer.Option("--lang", metavar="LANG", help="en, de, fr or es; may be given more than once.")
]


@app.callback()
def _templates(context: typer.Context, config: LateConfig = None) -> None:
    context.obj = config


@app.command("list")
def list_() -> None:
    """List the e-mails and their languages.

    \b
    winback templates list
    """
    from connector.cli.mails import list_templates

    list_templates()


@app.command()
def show(
    context: typer.Context,
    config: LateConfig = None,
    crm: OneCrm = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="NAME", help="A kind of CRM, where there is no file yet.")
    ] = None,
    template: Annotated[str, typer.Option("--template", metavar="NAME", help="Which e-mail.")] = "reminder",
    lang: Annotated[str, typer.Option("--lang", metavar="LANG", help="en, de, fr or es.")] = "en",
    part: Annotated[
        str | None, typer.Option("--part", metavar="PART", help="Only this, to be copied: html, text or subject.")
    ] = None,
    client: OneClient = None,
) -> None:
    """Print an e-mail in a CRM's merge syntax, to be pasted there.

    With -c the fields are those of your file; with --adapter they have the usual names.

    \b
    winback templates show -c acme.yaml --template reminder --lang de --part html
    winback templates show -c acme.yaml --crm mail --template incentive
    """
    from connector.cli.mails import show_template

    path = config or context.obj
    if adapter is None and path is None:
        raise typer.BadParameter("say with -c which file, or with --adapter which kind of CRM", ctx=context)
    show_template(path, client=client, crm=crm, adapter=adapter, email=template, language=lang, part=part)


@app.command()
def push(
    context: typer.Context,
    config: LateConfig = None,
    crm: OneCrm = None,
    template: Which = None,
    lang: Languages = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a template that was changed there.")] = False,
    client: OneClient = None,
) -> None:
    """Put the e-mails into a CRM as templates.

    What you changed there stays as it is. Ends with 1 where the CRM did not take one. Without --lang: English.

    \b
    winback templates push -c acme.yaml --lang de
    winback templates push -c acme.yaml --crm mail --template reminder --force
    """
    from connector.cli.mails import push_templates

    path = config_of(context, config)
    raise typer.Exit(push_templates(path, client=client, crm=crm, emails=template, languages=lang, force=force))


@app.command()
def preview(
    context: typer.Context,
    config: LateConfig = None,
    email: Annotated[
        str | None, typer.Option("--email", metavar="EMAIL", help="With this shopper's cart; else with a sample.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write the page.")] = Path(
        "winback-preview.html"
    ),
    template: Which = None,
    lang: Languages = None,
    force: Force = False,
    client: OneClient = None,
) -> None:
    """Write a page that shows the e-mails, to open in a browser.

    Without --lang it is the shopper's language, or else English.

    \b
    winback templates preview -c acme.yaml --force
    winback templates preview -c acme.yaml --email ann@example.com -o ann.html
    """
    from connector.cli.previewing import preview_templates

    path = config_of(context, config)
    preview_templates(path, client=client, email=email, output=output, emails=template, languages=lang, force=force)
