"""What the tests of the e-mails share: every e-mail in every language and syntax, and readers of both parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser

from connector.merge import Merge
from connector.registry import CRMS, load
from connector.templates import EMAILS, LANGUAGES, Template
from connector.templates import load as load_template
from connector.templates.syntax import USUAL_FIELDS, Syntax, syntax_of

load()
MERGING = sorted(name for name, cls in CRMS.items() if hasattr(cls, "merge"))
ALL = [(email, language) for email in EMAILS for language in LANGUAGES]
FIELDS = {"MEMBERSHIP": "{{ product_name }}", "CHECKOUT": "{{ checkout_url }}"}
VALUES = {
    "first_name": "Zoë",
    "product_name": "Enamel trail mug 2024",
    "total_formatted": "1.049,00 €",
    "image_url": "https://shop.example/mug.jpg",
    "checkout_url": "https://shop.example/checkout/1?key=abc",
    "coupon_code": "BACK-4F7K2",
    "coupon_expires_at": "24. November 2026, 18:00",
}
VOID = {"br", "img", "meta"}


def templates() -> list[Template]:
    """All of them."""
    return [load_template(email, language) for email, language in ALL]


def syntax(name: str) -> Syntax:
    """That CRM's, with fields of the usual names for every value."""
    merge: Merge = CRMS[name].merge(None)  # type: ignore[attr-defined]
    return syntax_of(merge, USUAL_FIELDS.items())


def merged(text: str, written: Syntax, values: Mapping[str, str]) -> str:
    """What a CRM makes of it when the e-mail is sent, for somebody with these values."""
    merge = written.merge
    for name, reference in written.references.items():
        opening, otherwise, end = map(re.escape, (merge.when(reference), merge.otherwise, merge.end))
        pattern = f"{opening}((?:(?!{end}).)*?)(?:{otherwise}((?:(?!{end}).)*?))?{end}"
        text = re.sub(pattern, r"\1" if values.get(name) else r"\2", text, flags=re.DOTALL)
    for name, reference in written.references.items():
        text = text.replace(merge.show(reference), values.get(name, ""))
    return text


class Page(HTMLParser):
    """An HTML document, read strictly: what is open must be closed, and in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.seen: list[str] = []
        self.hidden = 0
        self.feed(html)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            if self.hidden or tag == "head" or "display:none" in (dict(attrs).get("style") or ""):
                self.hidden += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"
        self.hidden = max(0, self.hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.seen.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of that kind."""
        return [attrs for name, attrs in self.tags if name == tag]


def words(text: str) -> list[str]:
    """The words in order, without addresses, punctuation and spacing."""
    return re.findall(r"[^\W_]+", re.sub(r"https?://\S+", " ", text))
