"""The `winback` command. Trouble ends in one plain line on stderr and an exit code, never in a traceback."""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from connector.errors import ConfigError, WinbackError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Entry of the `winback` script: 0 all well, 1 a store or CRM failed, 2 bad configuration or usage."""
    import typer

    _open_streams()
    from connector.cli.app import app

    _print_anything()
    _refuse_no_text(sys.argv[1:] if args is None else args)
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
    except OSError as error:
        if error.errno not in FULL:
            _fail(_unexpected(error), 1)
        _stop_printing()
        _fail(f"not everything could be written: {error.strerror}; make room and run it again", 1)
    except Exception as error:
        _fail(_unexpected(error), 1)
    sys.exit(code or 0)


def _open_streams() -> None:
    """A stream that was closed leads nowhere: nothing may fail for it, and no other file may get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process


def _print_anything() -> None:
    """Letters that the terminal's encoding does not have are written as \\u…; they are no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse_no_text(args: Sequence[str]) -> None:
    """Bytes that the terminal's encoding does not have can be looked for in no database and in no file."""
    for arg in args:
        if re.search("[\ud800-\udfff]", arg):
            _fail(f"{arg} is no text in this terminal's encoding; write it in UTF-8", 2)


def _misused(error: Exception) -> NoReturn:
    """One line instead of typer's four; the help itself where nothing at all was asked for."""
    message = str(getattr(error, "format_message", error.__str__)())
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        _fail(message, 2)
    line = " ".join(message.split()).rstrip(".")
    if extra := re.fullmatch(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", line):
        line = f"there is no place for '{extra[1]}' in `{getattr(context, 'command_path', 'winback')}`"
    _fail(f"{line} (see `{context.command_path} --help`)" if context else line, 2)


def _unexpected(error: Exception) -> str:
    from connector.log import clean

    logging.getLogger("winback").debug("unexpected", exc_info=error)
    cause = getattr(error, "orig", None) or error  # SQLAlchemy's own text repeats the values of the statement
    words = " ".join(clean(str(cause)).split())[:300]
    return f"unexpected {type(cause).__name__}: {words}; with WINBACK_LOG__LEVEL=debug the log says where"


def _reader_left() -> NoReturn:
    """`winback leads list | head`: nobody reads any more, and that is fine."""
    _stop_printing()
    os._exit(0)


def _stop_printing(stream: int = 1) -> None:
    """What is left in the buffer goes nowhere, so that Python does not try it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def _fail(message: str, code: int) -> NoReturn:
    from connector.cli.show import brief, plain

    try:
        print("\n".join(brief(plain(line)) for line in message.splitlines()), file=sys.stderr, flush=True)
    except OSError:  # the exit code still tells where nothing can be written; Python 3.11.2 would make 120 of it
        _stop_printing(2)
    sys.exit(code)
