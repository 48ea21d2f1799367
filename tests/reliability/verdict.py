"""What must hold after every life, whatever went wrong in it. Each finding is a sentence; none means a green cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from faults import Trouble
from life import BUYS, KNOWN, NEW, SHOPPERS, STAYS, Life

from connector.registry import CRMS

TIMES = {NEW: 2, KNOWN: 1, STAYS: 1, BUYS: 0}  # how often each shopper is really enrolled
TIMES_WITH_COUPON = {**TIMES, NEW: 1}  # there is no second coupon within 90 days, so that step is left out
WHAT_TO_DO = re.compile(r"\b(check|copy|correct|give|make|open|put|take|run `winback)\b", re.IGNORECASE)
WHAT_NEXT = re.compile(r"tries again|goes on when")
ODD = re.compile(r"Traceback|object at 0x|\bunexpected\b|\w+Error\(|shp[a-z]{2}_|<html|<!DOCTYPE", re.IGNORECASE)


def findings(life: Life, healthy: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is wrong with a life that is over. `healthy` are the digests of one without any fault."""
    yield from _differences("before the erasure", life.before_erasure, healthy["before"])
    yield from _differences("at the end", life.digest(), healthy["end"])
    yield from _effects(life)
    yield from _words(life)


def _differences(when: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if found.get(name) != value:
            yield f"{when} {name}: {found.get(name)} in place of {value}"


def _effects(life: Life) -> Iterator[str]:
    times = Counter(effect.email for effect in life.crm.effects if effect.what == "enrolled")
    repeats = repeats_of(life)
    for email, wanted in times_of(life).items():
        if times[email] < wanted:
            yield f"{email} was enrolled {times[email]} times, not {wanted}"
        if times[email] > wanted + (repeats if wanted else 0):
            yield f"{email} was enrolled {times[email]} times with {repeats} lost answers that may repeat"
    for email, at in life.bought_at.items():
        if any(each.at > at for each in life.crm.effects if each.email == email and each.what == "enrolled"):
            yield f"{email} was enrolled after a purchase that the store showed"


def times_of(life: Life) -> Mapping[str, int]:
    """How often each shopper is really enrolled in such a life."""
    return TIMES_WITH_COUPON if life.sequence else TIMES


def repeats_of(life: Life) -> int:
    """How many answers were lost that may, as the adapter declares, have been repeated."""
    lost = life.injector is not None and life.injector.trouble.lost and life.injector.server is life.crm.server
    declared = CRMS[life.options[1].adapter].repeats
    return len(life.injector.hits) if lost and declared and life.injector else 0


def repeated(life: Life) -> bool:
    """Whether a shopper was enrolled more than once where an answer was lost."""
    times = Counter(effect.email for effect in life.crm.effects if effect.what == "enrolled")
    return any(times[email] > wanted for email, wanted in times_of(life).items())


def _words(life: Life) -> Iterator[str]:
    secrets = [secret for options in life.options for secret in options.secrets()]
    shown = [*life.lines.said, *(text for each in life.watched for text in each.errors.values())]
    for text in dict.fromkeys(shown):
        if ODD.search(text):
            yield f"a line is not for an owner: {text}"
        if any(each in text for each in (*SHOPPERS, "ann@example.com", *secrets)):
            yield f"a line shows a secret or an address: {text}"
    for text in life.lines.tracebacks:
        yield f"a traceback was logged: {text}"


def class_findings(life: Life, account: str, trouble: Trouble) -> Iterator[str]:
    """What the trouble was taken for, and whether the log says it in words that help. For a fault that lasts."""
    seen = [each for each in life.watched if f"acme/{account}" in each.errors]
    lines = [line for line in life.lines.said if line.startswith(f"acme/{account}: ")]
    if not seen:  # a call that the adapter can do without: the rest of the verdict says that nothing was missing
        return
    paused = any(account in each.paused for each in seen)
    if trouble.owner not in (None, paused):
        yield f"the account was {'' if paused else 'not '}paused: {seen[0].errors}"
    if not lines:
        yield f"no line in the log: {seen[0].errors}"
    for line in lines:
        if not (WHAT_TO_DO if paused else WHAT_NEXT).search(line):
            yield f"the line does not say {'what to do' if paused else 'what happens next'}: {line}"


def waiting_findings(life: Life, account: str) -> Iterator[str]:
    """Whether somebody could see that an account is out, and read that Winback tries again."""
    if not any(f"acme/{account}" in each.errors for each in life.watched):
        yield "nobody could see that something was wrong"
    lines = [line for line in life.lines.said if line.startswith(f"acme/{account}: ")]
    if not lines or not all(WHAT_NEXT.search(line) for line in lines):
        yield f"no line says what happens next: {lines}"
