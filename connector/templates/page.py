"""An e-mail's two parts, from the same words: HTML that stays readable everywhere, and plain text.

Near to a plain letter on purpose: no columns, no web fonts, no picture but the product's. Colours have a contrast of
7:1 or more in light and in dark; nothing depends on left or right. There is no percent sign in it, and no `}}`: both
mean something in some CRM's syntax.
"""

from __future__ import annotations

from html import escape

from connector.templates import Template
from connector.templates.blocks import Block, Button, Cart, Code, Fork
from connector.templates.words import Writer, write

FONT = "font:16px/1.5 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
HEAD = """<!doctype html>
<html lang="{language}" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; supported-color-schemes: light dark; }}
@media (prefers-color-scheme: dark) {{
.page {{ background: #16181a !important; color: #f2f2f2 !important; }}
.quiet, .quiet a {{ color: #b8bcc0 !important; }}
.button, .button a {{ background: #f2f2f2 !important; color: #16181a !important; }}
.box {{ border-color: #6b7075 !important; }}
}}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#ffffff;color:#1c1e21">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{preheader}</div>
<div role="article" aria-label="{title}" lang="{language}" dir="ltr" class="page" \
style="max-width:600px;padding:24px;text-align:start;background:#ffffff;color:#1c1e21;{font}">
"""
P = '<p style="margin:0 0 16px">{}</p>'
PICTURE = '<img src="{}" alt="{}" width="160" style="display:block;border:0;width:160px;height:auto;margin:0 0 8px">'
NAME = '<div dir="auto" style="font-weight:bold">{}</div>'
TOTAL = "<div>{}{} {}</div>"
CODE = (
    '<p class="box" style="margin:0 0 16px;padding:12px;border:1px dashed #5c6166;text-align:center">'
    '<strong style="font-family:Consolas,Menlo,monospace;font-size:20px;letter-spacing:1px">{}</strong></p>'
)
BUTTON = (
    '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:8px 0 24px"><tr>\n'
    '<td class="button" bgcolor="#1c1e21" style="border-radius:6px;background:#1c1e21">'
    '<a href="{}" style="display:inline-block;padding:14px 24px;border-radius:6px;background:#1c1e21;color:#ffffff;'
    'font-weight:bold;text-decoration:none">{}</a></td>\n</tr></table>'
)
FOOT = (
    '<p class="quiet" style="margin:32px 0 0;padding:0;font-size:13px;line-height:1.5;color:#50555a">{reason}<br>\n'
    '<a href="{unsubscribe}" style="color:#50555a">{word}</a><br>\n{sender}</p>\n</div>\n</body>\n</html>\n'
)


def html_of(template: Template, writer: Writer) -> str:
    """The HTML part."""
    head = HEAD.format(
        language=template.language,
        title=escape(template.title),
        preheader=write(template.preheader, writer, _escaped),
        font=FONT,
    )
    body = [P.format(write(template.greeting, writer, _escaped))]
    body += [_html(block, template, writer) for block in template.body]
    foot = FOOT.format(
        reason=_escaped(template.reason),
        unsubscribe=writer.unsubscribe,
        word=_escaped(template.unsubscribe),
        sender=writer.sender,
    )
    return head + "\n".join(body) + "\n" + foot


def _escaped(text: str) -> str:
    return escape(text, quote=False)


def _html(block: Block, template: Template, writer: Writer) -> str:
    if isinstance(block, Fork):
        yes, no = ("\n".join(_html(each, template, writer) for each in side) for side in (block.yes, block.no))
        return writer.choice(block.name, yes, no)
    if isinstance(block, Cart):
        return _cart_html(template, writer)
    if isinstance(block, Button):
        return BUTTON.format(writer.link("checkout_url"), _escaped(block.label))
    if isinstance(block, Code):
        return CODE.format(writer.value("coupon_code"))
    return P.format(write(block.parts, writer, _escaped))


def _cart_html(template: Template, writer: Writer) -> str:
    # The picture's words are ours: in an attribute a quotation mark out of a product's name would end it.
    picture = PICTURE.format(writer.link("image_url"), escape(template.picture))
    lines = (
        writer.choice("image_url", picture, ""),
        writer.choice("product_name", NAME.format(writer.value("product_name")), ""),
        writer.choice(
            "total_formatted", TOTAL.format(template.total, template.colon, writer.value("total_formatted")), ""
        ),
    )
    return '<div style="margin:0 0 16px">\n' + "\n".join(lines) + "\n</div>"


def text_of(template: Template, writer: Writer) -> str:
    """The plain-text part, in the same words. No two of a CRM's tags touch: not every CRM can tell them apart."""
    foot = (template.reason, f"{template.unsubscribe}{template.colon} {writer.unsubscribe}", writer.sender)
    parts = [write(template.greeting, writer), *(_text(block, template, writer) for block in template.body)]
    return "\n\n".join((*parts, "\n".join(("-- ", *foot, ""))))


def _text(block: Block, template: Template, writer: Writer) -> str:
    if isinstance(block, Fork):
        yes, no = ("\n\n".join(_text(each, template, writer) for each in side) for side in (block.yes, block.no))
        return writer.choice(block.name, yes, no)
    if isinstance(block, Cart):
        name = writer.choice("product_name", f"– {writer.value('product_name')}\n", "")
        total = f"{template.total}{template.colon} {writer.value('total_formatted')}\n"
        return f"{name}\n{writer.choice('total_formatted', total, '')}"
    if isinstance(block, Button):
        return f"{block.label}{template.colon}\n{writer.link('checkout_url')}"
    if isinstance(block, Code):
        return writer.value("coupon_code")
    return write(block.parts, writer)
