"""Omnisend's own kind of Liquid, for the e-mails of an automation.

https://developers.omnisend.com/guides/liquid-templating: square brackets in place of curly ones. An empty text counts
as true in Liquid, so it is asked for, too. No tag for the postal address is documented: the owner types it.

There is no push: of HTML the API makes a new template each time (POST /email-templates/import), and changes one only as
Omnisend's own sections (https://api-docs.omnisend.com/reference/post_email-templates-import, read November 2026).
"""

from __future__ import annotations

from connector.merge import Merge

MERGE = Merge(
    reference=lambda field: f"contact.custom_properties.{field}",
    show=lambda value: f"[[{value}]]",
    when=lambda value: f"[% if {value} and {value} != '' %]",
    otherwise="[% else %]",
    end="[% endif %]",
    unsubscribe="[[unsubscribe_link]]",
    sender="[[account.name]], YOUR POSTAL ADDRESS",
    known={"first_name": "contact.first_name"},
    note="Omnisend has no tag for your postal address: type it where the e-mail says YOUR POSTAL ADDRESS",
)
