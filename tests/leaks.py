"""What must never stand in a log, an error or a metric: the secrets of a configuration, and whole addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

SECRET_KEYS = re.compile(r"key|secret|token|password")
# A masked address keeps its first letter: a***@example.com.
ADDRESS = re.compile(r"[\w.+-]*[\w.+-]{2}(?:@|%40)[\w-]+(?:\.[\w-]+)+")


def secrets_of(config: Any, key: str = "") -> Iterator[str]:
    """Every secret value in a client's file or in the daemon's settings."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from secrets_of(value, str(name))
    elif isinstance(config, list):
        for value in config:
            yield from secrets_of(value, key)
    elif isinstance(config, str) and SECRET_KEYS.search(key) and len(config) >= 8:
        yield config


def secrets_in(text: str, config: Any) -> list[str]:
    """The secrets of a configuration that stand in a text, as they are or as a URL has them."""
    return [secret for secret in secrets_of(config) if secret in text or quote(secret, safe="") in text]


def addresses_in(text: str) -> list[str]:
    """Whole e-mail addresses in a text."""
    return ADDRESS.findall(text)
