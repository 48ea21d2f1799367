"""An e-mail in one CRM's merge syntax: which of the owner's fields holds which value, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connector.fields import single_name
from connector.merge import Mail, Merge
from connector.templates import VARIANTS, Template
from connector.templates.page import html_of, text_of
from connector.templates.words import names_of, write

# The field names that we suggest. Ten characters at most: some CRM takes no longer ones.
USUAL_FIELDS = {
    "PRODUCT": "{{ product_name }}",
    "CHECKOUT": "{{ checkout_url }}",
    "IMAGE": "{{ image_url }}",
    "TOTAL": "{{ total_formatted }}",
    "COUPON": "{{ coupon_code }}",
    "COUPON_END": "{{ coupon_expires_at }}",
}


@dataclass(frozen=True)
class Syntax:
    """Writes a CRM's syntax. `references` are those of the values that the CRM has."""

    merge: Merge
    references: Mapping[str, str]

    @property
    def unsubscribe(self) -> str:
        """The CRM's tag for the address of the unsubscribe link."""
        return self.merge.unsubscribe

    @property
    def sender(self) -> str:
        """The CRM's tags for the sender's name and postal address."""
        return self.merge.sender

    def value(self, name: str) -> str:
        """The tag; nothing for a value that the CRM has not got, which only stands in a choice then."""
        return self.merge.show(self.references[name]) if name in self.references else ""

    def link(self, name: str) -> str:
        """The same tag."""
        return self.value(name)

    def choice(self, name: str, yes: str, no: str) -> str:
        """The CRM's own condition; for a value that it has not got, what stands there without."""
        if name not in self.references:
            return no
        otherwise = f"{self.merge.otherwise}{no}" if no else ""
        return f"{self.merge.when(self.references[name])}{yes}{otherwise}{self.merge.end}"


def syntax_of(merge: Merge, fields: Iterable[tuple[str, str]]) -> Syntax:
    """The writer for an account with these fields (the CRM's name and our template, as in `fields:`).

    A field counts where it holds one value and nothing else; what the CRM knows by itself needs none.
    """
    held = ((name, single_name(text)) for name, text in fields)
    return Syntax(merge, {**merge.known, **{name: merge.reference(field) for field, name in held if name}})


def subjects_of(template: Template, syntax: Syntax) -> dict[str, str]:
    """The subject variants, without those that show a value which the CRM has not got."""
    return {
        variant: write(template.subjects[variant], syntax)
        for variant in VARIANTS
        if names_of(template.subjects[variant]) <= set(syntax.references)
    }


def mail_of(template: Template, syntax: Syntax) -> Mail:
    """The e-mail with its first subject."""
    subject = next(iter(subjects_of(template, syntax).values()))
    return Mail(template.name, subject, html_of(template, syntax), text_of(template, syntax))


def lacking(template: Template, syntax: Syntax) -> tuple[list[str], list[str]]:
    """Values that no field holds: those without which the e-mail makes no sense, and those that are left out of it."""
    missing = template.uses - set(syntax.references)
    return sorted(missing & template.needs), sorted(missing - template.needs)


def suggestion(names: Iterable[str]) -> str:
    """What to write under `fields:` for these values."""
    usual = {text: field for field, text in USUAL_FIELDS.items()}
    places = {name: "{{ " + name + " }}" for name in names}
    return ", ".join(f'{usual.get(place, name.upper())}: "{place}"' for name, place in places.items())
