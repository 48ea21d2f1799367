"""One page with the e-mails as a shopper would see them, to be opened in a browser.

Shoppers type what they like, so nothing of theirs can run, load or be merged: the page allows no script, each e-mail
stands in a closed frame, and what some CRM would take for its syntax is written as character references, lest somebody
copies the source into one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from connector.templates import LANGUAGES, Template
from connector.templates.page import html_of, text_of
from connector.templates.words import Filled, write

POLICY = "default-src 'none'; img-src https: http:; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
SYNTAX = {ord(char): f"&#{ord(char)};" for char in "*|{}[]%$"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 720px; margin: 24px auto; padding: 0 16px;
  color: #1c1e21; background: #eef0f2; }
h2 { margin: 48px 0 8px; } dl { margin: 0 0 12px; } dt { font-weight: bold; float: left; clear: left; width: 6.5em; }
dd { margin: 0 0 4px 6.5em; } iframe { width: 100%; height: 680px; border: 1px solid #b8bcc0; background: #fff; }
pre { white-space: pre-wrap; background: #fff; border: 1px solid #b8bcc0; padding: 12px; overflow-wrap: anywhere; }
"""


def inert(text: str) -> str:
    """Text of a shopper's for HTML: no markup, and no CRM's syntax."""
    return escape(text).translate(SYNTAX)


def page(templates: Iterable[Template], values: Mapping[str, str], whose: str) -> str:
    """The HTML page. `whose` says in a sentence whose data these are."""
    parts = [_section(template, values) for template in templates]
    head = f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n<meta name="referrer" content="no-referrer">\n'
        f"<title>Winback: preview of the e-mails</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Preview of the e-mails</h1>\n<p>{inert(whose)} Links do not work here.</p>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _section(template: Template, values: Mapping[str, str]) -> str:
    plain = Filled(values, str, "(unsubscribe link)", "(your name and postal address)")
    html = Filled(values, inert, "#", "(your name and postal address)")
    subjects = "".join(
        f"<dt>{variant}</dt><dd>{inert(write(parts, plain))}</dd>\n" for variant, parts in template.subjects.items()
    )
    subjects += f"<dt>preheader</dt><dd>{inert(write(template.preheader, plain))}</dd>\n"
    frame = escape(html_of(template, html))
    title = inert(f"{template.name}, {LANGUAGES[template.language]}")
    return (
        f'<h2>{title}</h2>\n<dl lang="{template.language}">\n{subjects}</dl>\n'
        f'<iframe sandbox title="{title}" srcdoc="{frame}"></iframe>\n'
        f'<details><summary>Plain text</summary><pre lang="{template.language}">{inert(text_of(template, plain))}</pre>'
        "</details>"
    )
