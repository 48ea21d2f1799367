"""Commands that platforms bring along: each writes the software that goes into the store itself, as a zip to upload."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from connector.cli.show import say
from connector.errors import ConfigError
from connector.writing import new_file

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: equal files make equal bytes on every machine
LEFT_OUT = ("tests", "__pycache__")


class WithCompanions(TyperGroup):
    """The commands of the app, and one for each platform's companion. The adapters are only loaded to find those."""

    def list_commands(self, ctx: Any) -> list[str]:
        """For --help."""
        return [*super().list_commands(ctx), *sorted(_companions())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        found = super().get_command(ctx, cmd_name)
        if found is None and (companion := _companions().get(cmd_name)) is not None:
            return _command(companion)
        return found


def _companions() -> dict[str, Any]:
    from connector import registry

    registry.load()
    found = [getattr(cls, "companion", None) for cls in registry.PLATFORMS.values()]
    return {one.command: one for one in found if one is not None}


def _command(companion: Any) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command(
        companion.command,
        help=f"Write {companion.title} as a zip.\n\n{companion.install}\n\n"
        f"\b\nwinback {companion.command}\nwinback {companion.command} -o plugin.zip",
    )
    def write(
        output: Annotated[
            str, typer.Option("-o", "--output", metavar="FILE", help="Where to; - is stdout.")
        ] = f"{companion.name}.zip",
        force: Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")] = False,
    ) -> None:
        _write(companion, output, force=force)

    return typer.main.get_command(app)


def _write(companion: Any, output: str, *, force: bool) -> None:
    data = packed(companion.folder, companion.name)
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    with new_file(path, overwrite=force) as part:
        part.write_bytes(data)
    say(f"{path}: {companion.title}. {companion.install}")


def packed(folder: Path, name: str) -> bytes:
    """The folder's files as a zip with the one top folder `name`: the same bytes for the same files."""
    files = sorted(_files(folder), key=lambda file: file.relative_to(folder).parts)
    if not files:
        raise ConfigError(f"this installation of Winback lacks the files of {name}: install it again")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # another zlib would make other bytes
        for file in files:
            entry = zipfile.ZipInfo(f"{name}/{file.relative_to(folder).as_posix()}", EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, file.read_bytes())
    return buffer.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith(".") or part in LEFT_OUT for part in parts):
            yield file
