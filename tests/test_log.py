"""Log lines, as they really leave the process."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from connector import log

SECRET = "a-very-private-key/+"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(format: log.Format, do: Callable[[], Any], level: str = "INFO") -> list[str]:
    stream = io.StringIO()
    log.setup(level, format, stream)
    do()
    return stream.getvalue().splitlines()


def test_a_json_line_says_when_who_and_what() -> None:
    (line,) = lines(
        "json", lambda: logging.getLogger("connector.polls").warning("%s of %s", 1, 2, extra={"store": "a"})
    )
    entry = json.loads(line)
    at = datetime.fromisoformat(entry.pop("at"))
    assert at.utcoffset() == timedelta(0)
    assert entry == {"level": "warning", "logger": "connector.polls", "message": "1 of 2", "store": "a"}


@pytest.mark.parametrize("format", ["text", "json"])
def test_no_line_shows_an_address_or_a_hidden_secret(format: log.Format) -> None:
    log.hide([SECRET])

    def speak() -> None:
        logger = logging.getLogger("connector")
        logger.info("to jane@example.com with %s", SECRET, extra={"who": "jane@example.com", "what": {"key": SECRET}})
        try:
            raise ValueError(f"jane@example.com {SECRET}")
        except ValueError:
            logger.exception("it broke", stack_info=True)

    text = "\n".join(lines(format, speak))
    assert "ValueError" in text
    assert "it broke" in text
    assert "jane@" not in text
    assert SECRET not in text


def test_libraries_speak_of_trouble_only() -> None:
    def speak() -> None:
        for name in ("urllib3.connectionpool", "apscheduler", "connector.engine", "platforms.x", "crm.x"):
            logging.getLogger(name).debug("detail")
        logging.getLogger("urllib3").warning("trouble")

    said = [json.loads(line)["logger"] for line in lines("json", speak, "debug")]
    assert said == ["connector.engine", "platforms.x", "crm.x", "urllib3"]


def test_a_higher_level_holds_for_all() -> None:
    def speak() -> None:
        for name in ("urllib3", "connector"):
            logging.getLogger(name).warning("trouble")
            logging.getLogger(name).error("worse")

    assert [json.loads(line)["message"] for line in lines("json", speak, "error")] == ["worse", "worse"]


def test_the_last_setup_holds() -> None:
    first = io.StringIO()
    log.setup("INFO", "json", first)
    assert len(lines("json", lambda: logging.getLogger("connector").info("once"))) == 1
    assert first.getvalue() == ""


def test_warnings_of_python_are_logged() -> None:
    def speak() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)
            warnings.warn("old way for jane@example.com", DeprecationWarning, stacklevel=1)

    (line,) = lines("json", speak)
    assert "old way for j***@example.com" in json.loads(line)["message"]


def test_a_shoppers_name_cannot_draw_on_the_terminal_nor_forge_a_json_line() -> None:
    name = "\x1b[2J\x9b2J\u202eeve\r\n\u2028{}"
    text = lines("text", lambda: logging.getLogger("connector").info("for %s", name))
    assert "\x1b" not in "".join(text)
    assert "\u202e" not in "".join(text)
    assert len(text) == 1
    (line,) = lines("json", lambda: logging.getLogger("connector").info("for %s", name))
    assert line.isprintable()
    assert json.loads(line)["message"] == f"for {name}"


def test_half_a_character_is_no_reason_to_fail() -> None:
    line = log.JsonFormatter().format(logging.makeLogRecord({"msg": "for \ud83d"}))
    assert json.loads(line)["message"] == "for ?"


@pytest.mark.parametrize(("level", "format"), [("loud", "json"), ("info", "xml")])
def test_an_unknown_setting_is_refused(level: str, format: Any) -> None:
    with pytest.raises(ValueError, match="is no log"):
        log.setup(level, format)


SCRIPT = "import logging; from connector import log; log.setup(); logging.getLogger('connector').info('hello')"


def test_without_a_terminal_it_is_json_on_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["message"] == "hello"


def test_on_a_terminal_it_is_text() -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", SCRIPT], stderr=theirs, check=True)
        assert os.read(ours, 1000).decode().strip().endswith("INFO    connector: hello")
    finally:
        os.close(ours)
        os.close(theirs)
