"""Keeps secrets and full e-mail addresses out of every log, error and metric."""

from __future__ import annotations

import re
from collections.abc import Iterable

EMAIL = re.compile(r"([^\s@<>\"'(),:;=/%]{1,64})(@|%40)([^\s@<>\"'(),:;=/&?%]{1,190}\.[^\s@<>\"'(),:;=/&?%]{2,})")
# Tokens of the shapes that vendors document, and anything that calls itself a secret in a URL or a header.
SECRET = re.compile(
    r"\b((?:shpat|shpss|shpca|ck|cs|pk|sk)_[0-9A-Za-z]{8,}|[0-9a-f]{32}-us\d{1,3})\b"
    r"|((?:consumer_secret|consumer_key|client_secret|access_token|api_key|oauth_signature|password)=)[^&\s\"']+"
    r"|((?:Basic|Bearer|Klaviyo-API-Key|Omnisend-API-Key)\s+)[0-9A-Za-z._~+/=-]{8,}",
    re.IGNORECASE,
)


def mask_email(address: str) -> str:
    """`jane@example.com` becomes `j***@example.com`."""
    name, at, domain = address.rpartition("@")
    return f"{name[:1]}***@{domain}" if at else "***"


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without addresses, without the given secrets, and without anything shaped like a known kind of key."""
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = SECRET.sub(lambda m: f"{m[2] or m[3] or ''}***", text)
    return EMAIL.sub(lambda m: f"{m[1][:1]}***{m[2]}{m[3]}", text)
