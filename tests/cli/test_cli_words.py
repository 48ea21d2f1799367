"""The command line itself: help, mistakes, strange terminals, and shopper data that wants to be obeyed."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_case import ANN, ROOT, Owner

from connector import __version__
from connector.cli.show import plain

COMMANDS = (
    *("run", "sync", "check", "test", "explain", "suppress", "forget", "adopt", "adapters", "demo"),
    *("backup", "restore", "client list", "client rename", "client remove"),
    *("leads list", "leads export", "leads show", "leads enrol", "leads delete", "leads release"),
    *("deliveries list", "deliveries show", "deliveries retry", "woocommerce-plugin"),
)
NASTY = "=HYPERLINK(1)\x1b]0;owned\x07\x1b[2J[bold red]sale[/] \u202egnp.exe 👩\u200d🚀 :smile: é\x9b31m\r\nFAKE LINE"
HARMFUL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_version_and_module(owner: Owner) -> None:
    said = owner.process("--version")
    assert (said.code, said.out, said.err) == (0, f"winback {__version__}\n", "")


def test_nothing_asked_shows_the_help(owner: Owner) -> None:
    said = owner.bare()
    assert said.code == 2
    assert "Usage: winback" in said.err
    for command in COMMANDS:
        assert f"  {command.split()[0]}  " in said.err
    assert "..." not in said.err.replace("[ARGS]...", ""), "no line of the list is cut off"
    assert owner.bare("--help").out == said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_shows_an_example(owner: Owner, command: str) -> None:
    said = owner.bare(*command.split(), "--help")
    assert said.code == 0
    examples = re.findall(r"^  winback .+$", said.out, re.MULTILINE)
    assert examples, said.out
    if command not in ("adapters", "demo", "woocommerce-plugin"):
        assert all(" -c " in example for example in examples)
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("chek",), "No such command 'chek'. Did you mean 'check'? (see `winback --help`)"),
        (
            ("leads", "lst", "-c", "acme.yaml"),
            "No such command 'lst'. Did you mean 'list'? (see `winback leads --help`)",
        ),
        (
            ("leads", "-c", "acme.yaml", "lst"),
            "No such command 'lst'. Did you mean 'list'? (see `winback leads --help`)",
        ),
        (("check", "-c", "acme.yaml", "--ofline"), "No such option: --ofline (Possible options: --offline)"),
        (("check",), "Missing option '-c' / '--config' (see `winback check --help`)"),
        (("leads",), "say with -c which file or folder, such as -c acme.yaml (see `winback leads list --help`)"),
        (("explain", "-c", "acme.yaml"), "Missing argument 'EMAIL' (see `winback explain --help`)"),
        (
            ("deliveries", "retry", "-c", "acme.yaml", "x"),
            "Invalid value for 'ID': x is no id; `winback deliv",
        ),
        *(
            (("deliveries", what, "-c", "acme.yaml", number), f"{number} is no id; `winback deliveries` lists them")
            for what in ("show", "retry")
            for number in (str(2**63), "9" * 23)
        ),
        *(
            ((*words.split(), "-c", "acme.yaml", "\udcff"), "\ufffd is no text in this terminal's encoding")
            for words in ("leads --store", "leads export --email", "leads list --client", "suppress", "report --by")
        ),
        (("demo", "--for", "long"), "'long' is not a duration"),
        (("sync", "-c", ""), "Invalid value for '-c' / '--config': the path is empty"),
        (
            ("templates", "show", "nonsense"),
            "there is no place for 'nonsense' in `winback templates show` (see `winback templates show --help`)",
        ),
        (("check", "-c", "acme.yaml", "a" * 9000), f"there is no place for '{'a' * 149}…{'a' * 19}' in"),
        (("sync", "-c", "nowhere"), "nowhere: there is no such file or folder"),
        (("run", "-c", "nowhere"), "nowhere: there is no such file or folder"),
    ],
)
def test_a_mistake_is_one_line(owner: Owner, args: tuple[str, ...], line: str) -> None:
    assert line in owner.bare(*args).refused()


def test_no_file_takes_the_place_of_what_is_none(owner: Owner) -> None:
    """`-o /dev/null --force` by root would leave the machine without it."""
    pipe = owner.folder / "pipe"
    os.mkfifo(pipe)
    owner.winback("sync")
    for command in ("backup -c acme.yaml", "woocommerce-plugin", "templates preview -c acme.yaml"):
        said = owner.bare(*command.split(), "-o", "pipe", "--force").refused()
        assert said == "pipe cannot be written: it is no file"
    assert pipe.is_fifo()


def test_a_mistake_in_a_process_of_its_own(owner: Owner) -> None:
    (owner.folder / "acme.yaml").write_text("client: acme\nstores: []\ncrms: [{id: x, adapter: mailchamp}]\n")
    said = owner.process("check", "-c", "acme.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "acme.yaml:2: stores: at least 1 entry is needed here",
        "acme.yaml:3: crms.0.adapter: unknown adapter mailchamp; did you mean mailchimp? there are: "
        "activecampaign, klaviyo, mailchimp, omnisend",
    ]


def test_adapters(owner: Owner) -> None:
    said = owner.bare("adapters")
    assert "Shopify (platform: shopify)" in said.out
    rows = owner.bare("adapters", "--json").json
    assert {row["name"] for row in rows} >= {
        "shopify",
        "woocommerce",
        "mailchimp",
        "activecampaign",
        "klaviyo",
        "omnisend",
    }
    assert all(row["exit_condition"] for row in rows if row["kind"] == "crm")


def nasty(owner: Owner) -> None:
    """A lead whose cart is called something that a terminal would obey."""
    owner.leave(ANN, title=NASTY)
    assert owner.winback("sync").code == 0


def test_shopper_data_is_harmless_wherever_it_is_shown(owner: Owner) -> None:
    nasty(owner)
    for args in (("leads",), ("explain", ANN), ("deliveries", "--all"), ("leads", "export"), ("leads", "--json")):
        said = owner.winback(*args)
        assert not HARMFUL.search(said.out + said.err), args
        assert not any(line.startswith("FAKE LINE") for line in said.out.splitlines()), args
    told = owner.winback("explain", ANN).out
    assert "[bold red]sale[/]" in told
    assert "👩\u200d🚀 :smile: é" in told
    (row,) = csv.DictReader(io.StringIO(owner.winback("leads", "export").out))
    assert row["product_name"].startswith("'=HYPERLINK(1)")
    (lead,) = owner.winback("leads", "--json").json
    assert lead["product_name"].startswith("=HYPERLINK(1)\x1b]0;owned\x07"), "JSON keeps what was typed, escaped"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@x", "\t=1", " =1", "＝1"])
def test_no_cell_is_a_formula(owner: Owner, cell: str) -> None:
    from connector.cli.show import cell as safe

    assert safe(cell).startswith("'")


def test_plain_keeps_letters_and_drops_commands() -> None:
    assert plain("Zoë 🚀 مي\u200cخواهم") == "Zoë 🚀 مي\u200cخواهم"
    assert plain("a\u2028b\u202ec\x00d\ud800") == "a b\ufffdc\ufffdd\ufffd"


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}])
def test_a_terminal_without_unicode(owner: Owner, env: dict[str, str]) -> None:
    nasty(owner)
    encoding = env.get("PYTHONIOENCODING", "utf-8")
    for args in (("leads",), ("leads", "list", "--json")):
        done = subprocess.run(
            [sys.executable, "-m", "connector", *args, "-c", "acme.yaml"],
            cwd=owner.folder, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert ANN in done.stdout.decode(encoding)
        if "--json" in args:
            assert "🚀 :smile: é" in json.loads(done.stdout.decode(encoding))[0]["product_name"]


@pytest.mark.parametrize("args", ["leads export", "leads list --json", "adapters"])
def test_a_closed_pipe_is_no_error(owner: Owner, args: str) -> None:
    owner.woo.seed(300, [f"s{n}@example.com" for n in range(300)])
    assert owner.winback("sync").code == 0
    config = "" if args == "adapters" else "-c acme.yaml"
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "connector", *args.split(), *config.split()],
        cwd=owner.folder, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""},
        stdout=theirs, stderr=subprocess.PIPE,
        check=False,
    )  # fmt: skip
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


def on_terminal(folder: Path, columns: int, *args: str) -> list[str]:
    """The lines that a command writes to a real terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "connector", *args],
        cwd=folder, env={**env, "PYTHONPATH": str(ROOT), "TERM": "xterm"}, stdout=theirs, stderr=theirs, stdin=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert process.wait(30) == 0, written
    return re.sub(r"\x1b\[[\d;]*m", "", written.decode()).splitlines()


def test_the_table_fits_a_terminal_of_100_columns(owner: Owner) -> None:
    owner.leave("a.rather.long.name@a-rather-long-domain.example.com", title="A rather long name of a product, blue")
    owner.leave(ANN, hours=60, shop=True)
    owner.winback("sync")
    head, *rows = on_terminal(owner.folder, 100, "leads", "-c", "acme.yaml")
    assert max(map(len, (head, *rows))) <= 100
    assert "left (UTC)" in head
    assert any("enrolled" in row for row in rows)
    assert any("stale" in row and "R3" in row for row in rows), "states and rules are never broken"
    assert len(rows) <= 8, rows
    narrow = on_terminal(owner.folder, 64, "leads", "-c", "acme.yaml")
    assert max(map(len, narrow)) <= 64
    assert any("enrolled" in row for row in narrow)


def test_a_refused_database_is_one_line(owner: Owner) -> None:
    (owner.folder / "winback.yaml").write_text("database_url: sqlite:////proc/nowhere/winback.db\n")
    for args in (("sync",), ("suppress", ANN)):
        assert "the database folder /proc/nowhere cannot be written" in owner.winback(*args, path=".").refused()


def test_a_damaged_database_is_one_line(owner: Owner) -> None:
    nasty(owner)
    with sqlite3.connect(owner.folder / "data/winback.db") as connection:
        connection.execute("drop table suppressions")
    connection.close()
    said = owner.winback("suppress", ANN)
    assert said.refused() == "the database data/winback.db cannot be used: no such table: suppressions"
