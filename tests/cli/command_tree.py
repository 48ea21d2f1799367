"""Every command with its options, read from the program itself, and strange words to call it with."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from hypothesis import strategies as st

from connector.cli.app import app

ENDLESS = ("run", "demo")  # they stop at a signal and no sooner: never called with what they would accept
ODD = (
    "", " ", "-", "--", "---", "-1", "0", "1", "17", "9" * 40, "1e999", "NaN", "inf", "null", "True", "7d", "0s", "-7d",
    "999999999d", "1.5h", "2026-11-22", "0001-01-01T00:00:00Z", "9999-12-31", "é", "مريم", "\u202eevil", "💥" * 80,
    "a" * 9000, "\udcff\udcfe", "\x1b]0;owned\x07", "line\nbreak", "tab\tbed", "%s%n", "{0}", "{{ 7*7 }}", "${HOME}",
    "'; drop table leads; --", "../../etc/passwd", "/dev/null/x", "~", "*", "acme", "ACME", "acme-", "other", "@", "@a",
)  # fmt: skip
EMAILS = (
    "a.shopper.in.the.database@example.com",
    "ann@example.com", "ANN@EXAMPLE.COM ", "nobody@example.com", "@example.com", "ann@", "a@b", "ann@example..com",
    '"a b"@example.com', "ann+x@bücher.example", "مريم@example.com", "a" * 70 + "@example.com",
    "ann@example.com,b@c.de",
)  # fmt: skip
PATHS = (
    "acme.yaml", ".", "clients", "empty", "broken.yaml", "nowhere.yaml", "acme.yaml/x", "data/winback.db",
    "winback.yaml", "loop.yaml", "pipe", "/", "a" * 300, "/proc/self/mem", "/proc/nothing/x", "good.db",
    "fresh.out", "nowhere/deep/x.out", "empty/x.out",
)  # fmt: skip
NAMES: tuple[str, ...] = (
    "acme",
    "other",
    "woo",
    "shop",
    "mail",
    "klaviyo",
    "mailchimp",
    "store",
    "week",
    "product",
    "html",
    "subject",
)
NAMES += ("de", "en", "reminder", "incentive", "held", "waiting", "enrolled", "stale", "recovered")
TEXT = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=()), max_size=12)


@dataclass(frozen=True)
class Parameter:
    """One option or argument. `names` is empty for an argument."""

    names: tuple[str, ...]
    metavar: str
    flag: bool

    def values(self) -> st.SearchStrategy[str]:
        """What is meant in half of the cases, so that the rest of the words is looked at; and what is not."""
        fitting = {"PATH": PATHS, "FILE": PATHS, "EMAIL": EMAILS, "EMAIL|@DOMAIN": EMAILS}.get(self.metavar, NAMES)
        right = [self.right()] if self.right() else NAMES
        return st.sampled_from(right) | st.one_of(st.sampled_from(fitting), st.sampled_from(ODD), TEXT)

    def right(self) -> str:
        """A value that fits, where one does."""
        by_name = {"--client": "acme", "--store": "woo", "--crm": "mail", "--lang": "de", "--by": "week"}
        by_kind = {"PATH": "acme.yaml", "FILE": "good.db", "EMAIL": EMAILS[0], "DURATION": "7d", "CLIENT": "acme"}
        return next((by_name[name] for name in self.names if name in by_name), by_kind.get(self.metavar, ""))


def commands() -> Mapping[tuple[str, ...], tuple[Parameter, ...]]:
    """By the words that call it; a new command is among them by itself."""
    return dict(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[Parameter, ...]]]:
    if not hasattr(command, "list_commands"):
        yield words, tuple(_parameter(one) for one in command.params)
        return
    for name in command.list_commands(None):
        yield from _walk(command.get_command(None, name), (*words, name))


def _parameter(one: Any) -> Parameter:
    names = tuple(one.opts) if str(one.opts[0]).startswith("-") else ()
    return Parameter(names, one.metavar or "", bool(getattr(one, "is_flag", False)))


@st.composite
def calls(draw: st.DrawFn) -> list[str]:
    """A command as somebody might type it: some options, some twice, some that there are not, in any order."""
    words, parameters = draw(st.sampled_from(sorted(commands().items())))
    parts = [piece for one in parameters for piece in _given(draw, one)]
    if draw(st.integers(0, 9)) == 0:
        parts.append([draw(st.sampled_from([*ODD, "--nonsense", "--json", "-x", "--force=1", "--help", "-c"]))])
    shuffled = draw(st.permutations(parts)) if draw(st.integers(0, 3)) == 0 else parts
    typed = [*words, *(word for part in shuffled for word in part)]
    return _harmless(typed)


def _given(draw: st.DrawFn, one: Parameter) -> Iterator[list[str]]:
    likely = 9 if one.metavar == "PATH" or not one.names else 3
    for _ in range(draw(st.sampled_from([1] * likely + [0] * (10 - likely) + [2]))):
        if not one.names:
            yield [draw(one.values())]
        elif one.flag:
            yield [draw(st.sampled_from(one.names))]
        else:
            yield _option(draw, draw(st.sampled_from(one.names)), draw(one.values()))


def _option(draw: st.DrawFn, name: str, value: str) -> list[str]:
    return [f"{name}={value}"] if name.startswith("--") and draw(st.booleans()) else [name, value]


def _harmless(typed: list[str]) -> list[str]:
    """Without what an endless command would begin with."""
    if typed[0] not in ENDLESS:
        return typed
    right = re.compile(r"^(?:.*=)?(?:acme\.yaml|\.|clients|\s*\d+(?:\.\d+)?\s*[smhd]\s*)$", re.DOTALL)
    kept = [word for word in typed if not right.match(word)]
    return kept if len(kept) > 1 else [*kept, "--nonsense"]
