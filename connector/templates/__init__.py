"""The ready e-mails: what there is, and reading their files in `mails/`, one for each e-mail and language.

A file holds the words; how they become HTML and plain text is in page.py, and each CRM's own syntax on its adapter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from connector.templates.blocks import Block, blocks_of, names_in
from connector.templates.words import Parts, parse

# What each one is for. The last two are for memberships and courses, in place of the first three.
EMAILS = {
    "reminder": "the first, about an hour after the shopper left",
    "value": "the second, a day later: answers to what keeps people from ordering",
    "incentive": "the last, after three days: the only one with a code, if there is one",
    "spot-saved": "for memberships and courses: the first, about an hour after",
    "last-call": "for memberships and courses: the last, after three days",
}
LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}
VARIANTS = ("product", "benefit", "urgency")


@dataclass(frozen=True)
class Template:
    """One e-mail in one language. `needs` are the values without which it must not be sent."""

    email: str
    language: str
    subjects: dict[str, Parts]
    preheader: Parts
    body: tuple[Block, ...]
    greeting: Parts
    picture: str
    colon: str
    total: str
    reason: str
    unsubscribe: str

    @property
    def name(self) -> str:
        """What a CRM lists it under."""
        return f"Winback {self.email.replace('-', ' ')} ({self.language})"

    @property
    def title(self) -> str:
        """A subject without any value in it."""
        return "".join(part for part in self.subjects["benefit"] if isinstance(part, str))

    @property
    def uses(self) -> frozenset[str]:
        """Every value that it can show."""
        texts = (*self.subjects.values(), self.preheader, self.greeting)
        return names_in(self.body, texts) | {"checkout_url"}

    @property
    def needs(self) -> frozenset[str]:
        """The values without which it makes no sense: the link, and the code where it is about one."""
        return self.uses & {"checkout_url", "coupon_code", "coupon_expires_at"}


@cache
def load(email: str, language: str) -> Template:
    """Reads one template. Raises ValueError where its file is wrong, KeyError where there is none."""
    if email not in EMAILS or language not in LANGUAGES:
        raise KeyError(f"{email} ({language})")
    common, own = _read(f"common.{language}", language), _read(f"{email}.{language}", language)
    return Template(
        email,
        language,
        {variant: parse(own["subjects"][variant]) for variant in VARIANTS},
        parse(own["preheader"]),
        blocks_of(own["body"]),
        parse(common["greeting"]),
        *(common[key] for key in ("picture", "colon", "total", "reason", "unsubscribe")),
    )


def _read(name: str, language: str) -> Any:
    text = (files(__package__) / "mails" / f"{name}.yaml").read_text(encoding="utf-8")
    return _spaced(yaml.safe_load(text)) if language == "fr" else yaml.safe_load(text)


def _spaced(value: Any) -> Any:
    """French puts a space before : ; ? ! which must not break; the files have a plain one, which an editor shows."""
    if isinstance(value, str):
        return re.sub(" (?=[;?!])", "\u202f", re.sub(" (?=:)", "\u00a0", value))
    if isinstance(value, list):
        return [_spaced(each) for each in value]
    return {key: _spaced(each) for key, each in value.items()} if isinstance(value, dict) else value
