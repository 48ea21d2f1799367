"""The demo on a terminal (live, in three columns), and without one (a line for each event)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from connector.demo.clock import Clock
from connector.demo.lines import Line, Who
from connector.demo.summary import Check

COLOURS = {
    "lead": "cyan", "enrolled": "green", "refreshed": "blue", "held": "yellow", "renewed_too_soon": "magenta",
    "recovered": "bold green", "self_recovered": "bold green", "withdrawn": "yellow", "no_consent": "red",
    "stale": "bright_black", "note": "yellow", "error": "bold red",
}  # fmt: skip
# What is counted, by the lead's states: in a word on the screen, and in the summary.
COUNTED = {
    "enrolled": ("enrolled", "enrolled"),
    "refreshed": ("refreshed", "refreshed"),
    "renewed_too_soon": ("7-day rule", "suppressed by the seven-day rule (renewed_too_soon)"),
    "recovered": ("recovered", "recovered"),
    "self_recovered": ("bought first", "bought before any step (self_recovered)"),
    "held": ("held", "held for more than two hours"),
    "no_consent": ("no consent", "unsubscribed (no_consent)"),
    "stale": ("stale", "already old when first seen (stale)"),
}
IN_CRMS = {
    "crm enrolled": "campaigns started in the CRMs",
    "crm refreshed": "fields refreshed there",
    "crm withdrawn": "taken out there",
}
WIDE = 120  # columns of the terminal; below that the panels stand one above the other
LONGEST = 60  # lines that a panel could show


class Screen(Protocol):
    """Where lines go."""

    def show(self, lines: Sequence[Line], counts: Counter[str]) -> None:
        """Shows new lines, and the counts as they are now."""
        ...


def words(line: Line) -> str:
    """What a line says, without its time: the shopper, what happened, where, and by which rule."""
    state = f"{line.kind}: " if line.who is Who.WINBACK and line.kind else ""
    if not line.email:
        return f"{line.place}: {line.what}"
    rule = f" [{line.rule}]" if line.rule else ""
    where = f" ({line.place})" if line.place else ""
    return f"{line.email} {state}{line.what}{where}{rule}"


class Plain:
    """A line for each event, for pipes and CI."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def show(self, lines: Sequence[Line], counts: Counter[str]) -> None:  # noqa: ARG002
        """Prints the new lines."""
        for line in lines:
            print(f"{self._clock.day(line.at):<13} {line.who:<8} {words(line)}", flush=True)


class Wall:
    """Three columns that scroll, with the clock above and the counts below."""

    def __init__(self, clock: Clock, console: Console, title: str, update: Live) -> None:
        self._clock, self._console, self._title, self._live = clock, console, title, update
        self._columns: dict[Who, deque[Line]] = {who: deque(maxlen=LONGEST) for who in Who}

    def show(self, lines: Sequence[Line], counts: Counter[str]) -> None:
        """Draws everything anew."""
        for line in lines:
            column = Who.SHOPPER if line.who is Who.OUTSIDE else line.who
            self._columns[column].append(line)
        self._live.update(self._draw(counts), refresh=True)

    def _draw(self, counts: Counter[str]) -> RenderableType:
        wide = self._console.width >= WIDE
        layout = Layout()
        layout.split_column(Layout(self._head(), size=3), Layout(name="body"), Layout(_counters(counts), size=4))
        titles = {Who.SHOPPER: "shoppers", Who.WINBACK: "winback decides", Who.CRM: "the CRMs receive"}
        height = max(3, self._console.height - 7)
        rows = (height if wide else height // len(titles)) - 2
        panels = [Layout(Panel(self._column(who, rows), title=title)) for who, title in titles.items()]
        split = layout["body"].split_row if wide else layout["body"].split_column
        split(*panels)
        return layout

    def _head(self) -> RenderableType:
        now = self._clock.day(self._clock())
        return Panel(Text(f"{self._title}   {now}   {self._clock.in_words()}", justify="center", no_wrap=True))

    def _column(self, who: Who, rows: int) -> RenderableType:
        lines = list(self._columns[who])[-max(rows, 1) :]
        return Group(*(_styled(self._clock, line) for line in lines))


@contextmanager
def open_screen(clock: Clock, title: str, console: Console) -> Iterator[Screen]:
    """The live screen on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        print(f"{title}: {clock.in_words()}", flush=True)
        yield Plain(clock)
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield Wall(clock, console, title, live)


def print_summary(console: Console, counts: Counter[str], checks: Sequence[Check], rates: Sequence[str] = ()) -> None:
    """The counts, the capture rates where they are known, and what the checks say."""
    table = Table(title="What happened", show_header=False)
    for key, text in {**{key: long for key, (_, long) in COUNTED.items()}, **IN_CRMS}.items():
        table.add_row(text, str(counts[key]))
    console.print(table)
    for rate in rates:
        console.print(f"checkouts: {rate}", soft_wrap=True)
    for check in checks:
        console.print(f"[green]yes[/]  {check.claim}" if check.holds else f"[bold red]NO[/]   {check.claim}")
        for reason in check.against:
            console.print(f"       {escape(reason)}", soft_wrap=True)


def _styled(clock: Clock, line: Line) -> Text:
    name = line.email.partition("@")[0] or line.place
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{clock.day(line.at)[-5:]} ", "bright_black")
    text.append(f"{name} ", "bold")
    if line.who is Who.WINBACK:
        text.append(f"{line.kind} ", COLOURS.get(line.kind, ""))
        text.append(f"{line.rule} " if line.rule else "", "bright_black")
        text.append(line.what)
    elif line.who is Who.CRM:
        text.append(f"{line.what} ", COLOURS.get(line.kind, ""))
        text.append(line.place, "bright_black")
    else:
        text.append(line.what, COLOURS.get(line.kind, ""))
        text.append(f" {line.place}" if line.email else "", "bright_black")
    return text


def _counters(counts: Mapping[str, int]) -> RenderableType:
    table = Table.grid(expand=True)
    for _ in COUNTED:
        table.add_column(justify="center")
    table.add_row(*(Text(str(counts[key]), style=COLOURS.get(key, "")) for key in COUNTED))
    table.add_row(*(Text(short, style="bright_black", no_wrap=True) for short, _ in COUNTED.values()))
    return Panel(table)
