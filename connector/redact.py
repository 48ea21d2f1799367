"""Keeps secrets and full e-mail addresses out of every log, error and metric."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

# The local part may be quoted, and both may stand in a URL, where `+` is `%2B` and `@` is `%40`, or in JSON of bare
# ASCII, where `/` is `\/` and `ü` is `\u00fc`. Nearly every sign may stand in it: also ' = / % & and ?
_LETTER = r"(?:%[0-9a-f]{2}|\\u(?!0040)[0-9a-f]{4}|\\/|%(?![0-9a-f]{2})|[^\s@<>\"(),:;%\\])"
_LOCAL = rf"(?:\"[^\"\r\n]{{1,64}}\"|{_LETTER}{{1,64}})"
_IN_DOMAIN = r"[^\s@<>\"'(),:;=/&?%\\]"
_DOMAIN = rf"{_IN_DOMAIN}{{1,190}}[.\u3002\uff0e\uff61]{_IN_DOMAIN}+"
_AT = r"@|%40|\\u0040"
_ANY = re.compile(_AT)
EMAIL = re.compile(rf"(?P<local>{_LOCAL})(?P<at>{_AT})(?P<domain>{_DOMAIN})", re.IGNORECASE)
# What stands before an address without a space: a query and the name in it, a path that begins with a slash, a quote.
_BEFORE = re.compile(r"(?:b?')?(?:.*[?&][\w.\[\]-]+=|[\w.\[\]-]*mail[\w.\[\]-]*=|\\?/.*/)?", re.IGNORECASE | re.DOTALL)

_NAMES = (
    r"(?:consumer_secret|consumer_key|client_secret|access[_-]token|refresh_token|api[_-]?key|api[_-]token"
    r"|oauth_signature|x-auth-token|password|secret|signature)"
)
SECRETS = (
    # Keys of the shapes that vendors document.
    (re.compile(r"\b(?:shp[a-z]{2}|ck|cs|pk|sk|xkeysib)[_-][0-9A-Za-z_-]{8,}"), "***"),
    (re.compile(r"\bpat-[a-z]{2,3}\d?-[0-9a-f-]{20,}"), "***"),
    (re.compile(r"\b[0-9a-f]{32}-us\d{1,3}\b"), "***"),
    (re.compile(r"\beyJ[0-9A-Za-z_-]{10,2000}\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*"), "***"),
    # user:password@host
    (re.compile(r"(://[^\s/:@]*:)[^\s/]+@"), r"\1***@"),
    # Whatever calls itself a secret: in a query, a header, a dict's repr or JSON.
    (re.compile(rf"\b({_NAMES}=)[^&\s\"']+", re.IGNORECASE), r"\1***"),
    (re.compile(rf"({_NAMES}(?:\\?[\"'])\s*:\s*b?\\?[\"'])(?:[^\"'\\]|\\[^\"'])+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b((?:access-token|api-token|api-key|x-auth-token): ?)\S+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b((?:Basic|Bearer|[a-z]+-API-Key|api-key)\s+)[0-9A-Za-z._~+/=-]{8,}", re.IGNORECASE), r"\1***"),
)
# What an answer may repeat of a request about a shopper: a link with a key in it, as those to carts are, and a number.
LINK = re.compile(r"(https?://[^/\s\"'<>\\?]+)([^\s\"'<>\\]*)")
PHONE = re.compile(r"\+\d[\d ().-]{6,}\d")
SHORTEST = 4  # a shorter "secret" would blank out half the text
MARGIN = 2000  # characters; no address and no key is longer


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without addresses, without the given secrets, and without anything shaped like a known kind of key."""
    return redact_forms(text, forms(secrets))


def redact_forms(text: str, given: Iterable[str]) -> str:
    """Like `redact`, for secrets that went through `forms` already: once, where there are many lines."""
    for form in given:
        text = text.replace(form, "***")
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return _without_addresses(text)


def _without_addresses(text: str) -> str:
    return EMAIL.sub(_hidden, text) if _ANY.search(text) else text  # most have none, and that is seen at once


def _hidden(found: re.Match[str]) -> str:
    local = found["local"]
    before = _BEFORE.match(local)
    begin = before.end() if before else 0
    first = local[begin:].lstrip('"')[:1]
    shown = first if first.isalnum() else ""
    return f"{_without_addresses(local[:begin])}{shown}***{found['at']}{found['domain']}"


def impersonal(text: str) -> str:
    """`text` without what else points to a shopper: links that hold a key, and phone numbers."""
    return PHONE.sub("***", LINK.sub(lambda m: f"{m[1]}/…" if "?" in m[2][:-1] else m[0], text))


def beginning(text: str, longest: int, secrets: Iterable[str] = ()) -> str:
    """The first `longest` characters of what `redact` and `impersonal` leave of a text.

    It is redacted before it is cut: half an address and half a key are not known for what they are.
    """
    seen = text[: longest + 2 * MARGIN]
    kept = impersonal(redact(seen, secrets))
    return (kept if seen == text else kept[:-MARGIN])[:longest]


def forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Each secret as it stands and as a URL holds it, the longest first, so that none leaves the end of another."""
    every: set[str] = set()
    for secret in secrets:
        if len(secret) >= SHORTEST:
            every |= {secret, quote(secret, safe="", errors="replace"), quote_plus(secret, errors="replace")}
    return tuple(sorted(every, key=lambda form: (-len(form), form)))
