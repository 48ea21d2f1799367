"""The `winback` command. Trouble ends in one plain line on stderr and an exit code, never in a traceback."""

from __future__ import annotations

import os
import sys

from connector.errors import ConfigError, WinbackError


def main() -> None:
    """Entry of the `winback` script: 0 all well, 1 a store or CRM failed, 2 bad configuration or usage."""
    from connector.cli.app import app

    try:
        app()
    except ConfigError as error:
        _fail(str(error), 2)
    except WinbackError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except BrokenPipeError:  # `winback leads | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
