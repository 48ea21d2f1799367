"""The options that several commands share, and what their values may be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from connector.durations import parse_duration

LARGEST_ID = 2**63 - 1  # that a database can hold
CONFIG_HELP = "A client's YAML file, such as acme.yaml, or a folder of them."


def duration(text: str) -> timedelta:
    """A duration given on the command line."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def path(text: str) -> Path:
    """A path; an empty one, such as "$UNSET" in a script, would be the current folder."""
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


Config = Annotated[Path, typer.Option("-c", "--config", parser=path, metavar="PATH", help=CONFIG_HELP)]
LateConfig = Annotated[Path | None, typer.Option("-c", "--config", parser=path, metavar="PATH", help=CONFIG_HELP)]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, and nothing else.")]
OneClient = Annotated[
    str | None, typer.Option("--client", metavar="ID", help="Which client, where the folder holds several.")
]
Email = Annotated[str, typer.Argument(help="The shopper's e-mail address.", metavar="EMAIL")]
OneStore = Annotated[str | None, typer.Option("--store", metavar="ID", help="Only this store, by its id in the file.")]
OneState = Annotated[str | None, typer.Option("--state", metavar="STATE", help="Only this state, such as held.")]
OneEmail = Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="Only this shopper.")]
Since = Annotated[
    timedelta | None,
    typer.Option("--since", parser=duration, metavar="DURATION", help="Only activity within, such as 12h or 7d."),
]


def delivery_id(text: str) -> int:
    """The number of a delivery, as `deliveries list` prints it."""
    if not text.isdecimal() or len(text) > 19 or int(text) > LARGEST_ID:
        raise typer.BadParameter(f"{text} is no id; `winback deliveries` lists them")
    return int(text)


class ListByDefault(TyperGroup):
    """A group of which `list` is meant where no subcommand is named: `winback leads -c acme.yaml --state held`."""

    FLAGS = ("--json", "--all")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts `list` in front where no word stands that could be a subcommand."""
        rest = iter(args)
        for arg in rest:
            if arg == "--help" or not arg.startswith("-"):
                return super().parse_args(ctx, args)
            if arg not in self.FLAGS and "=" not in arg:
                next(rest, None)  # the option's value
        return super().parse_args(ctx, ["list", *args])


def config_of(context: typer.Context, config: Path | None) -> Path:
    """`-c` may stand before or after the subcommand."""
    found: Path | None = config or context.obj
    if found is None:
        raise typer.BadParameter("say with -c which file or folder, such as -c acme.yaml", ctx=context)
    return found
