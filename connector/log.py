"""Logging: to stderr, text on a terminal and JSON otherwise, and every line redacted, tracebacks too."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO

from connector.redact import forms, redact_forms

Format = Literal["auto", "text", "json"]

OURS = ("connector", "platforms", "crm", "winback")
# What a LogRecord always has; anything else came in `extra` and belongs into the JSON.
_USUAL = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}

_hidden: tuple[str, ...] = ()
_lock = threading.Lock()


def hide(secrets: Iterable[str]) -> None:
    """Adds secret values that no line may show from now on."""
    global _hidden
    with _lock:
        _hidden = forms({*_hidden, *secrets})


def clean(text: str) -> str:
    """`text` without addresses and without any secret that was told to `hide`."""
    return redact_forms(text, _hidden)


def setup(level: str = "INFO", format: Format = "auto", stream: TextIO | None = None) -> logging.Handler:
    """Sends every logger to `stream` (default stderr). May be called again: the last call holds.

    `level` is for Winback's own loggers; those of libraries speak from WARNING on, or from `level` if that is higher.
    Raises ValueError for an unknown level or format.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is no log level; write debug, info, warning or error")
    if format not in ("auto", "text", "json"):
        raise ValueError(f"{format!r} is no log format; write auto, text or json")
    target = sys.stderr if stream is None else stream
    as_text = format == "text" or (format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, (TextFormatter, JsonFormatter))]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(number, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(number)
    logging.captureWarnings(True)
    return handler


class TextFormatter(logging.Formatter):
    """`12:30:05 WARNING polls: the store did not answer`, in the machine's own time, for a person at a terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The first line. A line break in the text would pass for an entry of its own."""
        return " ".join(super().formatMessage(record).splitlines())

    def format(self, record: logging.LogRecord) -> str:
        """One entry; the lines of a traceback follow it. Control characters cannot reach the terminal."""
        text = clean(super().format(record))
        return "".join(letter if letter.isprintable() or letter in "\n\t" else "�" for letter in text)


class JsonFormatter(logging.Formatter):
    """One JSON object on a line: `at` (UTC), `level`, `logger`, `message`, whatever came in `extra`, and `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        entry |= {key: _plain(value) for key, value in vars(record).items() if key not in _USUAL and key not in entry}
        if record.exc_info:
            entry["error"] = clean(self.formatException(record.exc_info))
        if record.stack_info:
            entry["stack"] = clean(self.formatStack(record.stack_info))
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace").decode()
        # JSON lets the control characters beyond ASCII stand, and a terminal that shows the log obeys them.
        return line if line.isprintable() else "".join(map(_escaped, line))


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def _plain(value: object) -> object:
    """`value` as JSON can hold it; text is redacted, and what is neither is shown as text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return clean(value if isinstance(value, str) else repr(value))
