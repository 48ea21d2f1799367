"""How a CRM's e-mails say what is filled in when they are sent, and how a CRM takes an e-mail as a template.

Both are optional for a CRM adapter: a classmethod `merge(options)` lets `winback templates show` write its syntax, and
with `Cap.TEMPLATES` come the methods of `TakesTemplates`, for `winback templates push`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Merge:
    """A CRM's merge syntax. A *reference* is what stands for a value inside it, such as `FNAME`.

    `sender` is the sender's name and postal address on one line, `unsubscribe` a link's address.
    """

    reference: Callable[[str], str]  # of a field, by its name in `fields:`
    show: Callable[[str], str]  # prints a reference
    when: Callable[[str], str]  # begins what stands there only if the reference has a value
    otherwise: str
    end: str
    unsubscribe: str
    sender: str
    known: Mapping[str, str] = field(default_factory=dict)  # references by our names, for what needs no field
    note: str = ""  # what the owner has to do by hand with an e-mail that was pasted


@dataclass(frozen=True)
class Mail:
    """An e-mail in a CRM's own syntax. `name` is what the CRM lists it under."""

    name: str
    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Stored:
    """A template as the CRM has it. `version` is another one as soon as anybody edits it there.

    `blank` says that there is nothing in it yet, so that filling it loses nobody's work.
    """

    id: str
    version: str
    blank: bool = False


class HasMerge(Protocol):
    """An adapter that can write its CRM's syntax."""

    @classmethod
    def merge(cls, options: Any = None) -> Merge:
        """The syntax; `options` are the account's, or None where no account is configured."""
        ...


class TakesTemplates(HasMerge, Protocol):
    """An adapter with `Cap.TEMPLATES`. Both methods raise the three errors; RejectedError is about this e-mail only."""

    def find_template(self, name: str) -> Stored | None:
        """The template of exactly that name."""
        ...

    def save_template(self, mail: Mail, stored: Stored | None) -> Stored:
        """Makes the template, or writes over `stored`; returns it as the CRM has it then."""
        ...
