"""The `winback` command. Trouble ends in one plain line on stderr and an exit code, never in a traceback."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from connector.errors import ConfigError, WinbackError


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Entry of the `winback` script: 0 all well, 1 a store or CRM failed, 2 bad configuration or usage."""
    import typer

    from connector.cli.app import app

    _print_anything()
    try:
        code = app(args, prog_name="winback", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        _misused(error)
    except ConfigError as error:
        _fail(str(error), 2)
    except WinbackError as error:
        _fail(str(error), 1)
    except typer.Abort:
        _fail("stopped", 130)
    except BrokenPipeError:
        _reader_left()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer makes an exit of it
            _reader_left()
        raise
    except Exception as error:
        _fail(_unexpected(error), 1)
    sys.exit(code or 0)


def _print_anything() -> None:
    """Letters that the terminal's encoding does not have are written as \\u…; they are no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _misused(error: Exception) -> NoReturn:
    """One line instead of typer's four; the help itself where nothing at all was asked for."""
    message = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        _fail(message, 2)
    line = " ".join(message.split()).rstrip(".")
    _fail(f"{line} (see `{context.command_path} --help`)" if context else line, 2)


def _unexpected(error: Exception) -> str:
    from connector.log import clean

    logging.getLogger("winback").debug("unexpected", exc_info=error)
    cause = getattr(error, "orig", None) or error  # SQLAlchemy's own text repeats the values of the statement
    words = " ".join(clean(str(cause)).split())[:300]
    return f"unexpected {type(cause).__name__}: {words}; with WINBACK_LOG__LEVEL=debug the log says where"


def _reader_left() -> NoReturn:
    """`winback leads list | head`: nobody reads any more, and that is fine."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os._exit(0)


def _fail(message: str, code: int) -> NoReturn:
    from connector.cli.show import plain

    print("\n".join(plain(line) for line in message.splitlines()), file=sys.stderr)
    sys.exit(code)
