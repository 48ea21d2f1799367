"""Webhooks of a store: what a platform with `Cap.WEBHOOKS` offers, and the plain values of it.

A webhook is a hint to poll now, never data: what it says is read from the store. The exception is a privacy request,
which comes in no other way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable
from urllib.parse import urlsplit

from connector.model import Finding


class SignatureError(Exception):
    """What came is not signed by the store. Says nothing: whoever sent it learns nothing from it."""


class Asks(StrEnum):
    """What a webhook asks for."""

    POLL = "poll"
    ERASURE = "erasure"  # of one shopper
    ACCOUNT = "account"  # one shopper wants to know what is kept of them
    CLOSURE = "closure"  # the store has let the app go, and wants all of its shoppers erased


@dataclass(frozen=True, slots=True)
class Hint:
    """What a webhook that the store has signed asks for. Its `repr` shows no shopper.

    `other_store` names the store that a privacy request is about, where it is not the one that it was sent to.
    """

    asks: Asks = Asks.POLL
    email: str = field(default="", repr=False)
    customer_id: str = field(default="", repr=False)
    number: str = ""  # that the platform gave the request
    other_store: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """A webhook in the store whose address ends like ours. `ours`: made by `install_hooks`, and so ours to change."""

    id: str
    topic: str
    url: str
    problem: str = ""  # why it brings nothing, and what to do
    ours: bool = True


@runtime_checkable
class SendsHooks(Protocol):
    """A platform that tells of news by webhook. Addresses end in `/hooks/CLIENT/STORE`. Raises the three errors."""

    hook_topics: ClassVar[tuple[str, ...]]  # those that `install_hooks` installs

    def read_hook(self, headers: Mapping[str, str], body: bytes) -> Hint | None:
        """What a webhook asks for; None for one that asks for nothing. Header names are lower case.

        Sends nothing. Raises SignatureError.
        """
        ...

    def hooks(self, url: str) -> Sequence[Installed]:
        """The webhooks in the store that lead to `url`, or to the same client and store at another address."""
        ...

    def install_hooks(self, url: str) -> Sequence[str]:
        """Makes the webhooks lead to `url`, and says what was changed: nothing, where all was well."""
        ...

    def remove_hooks(self, url: str) -> Sequence[str]:
        """Takes ours out of the store, also those that lead to another address of ours; says what was changed."""
        ...


def signature(secret: str, body: bytes) -> str:
    """Base64 of HMAC-SHA256, which the platforms agree upon."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def check_signature(secret: str, body: bytes, given: str) -> None:
    """Compares in constant time. Raises SignatureError; also without a secret, because then nobody can have signed."""
    if not secret or not hmac.compare_digest(signature(secret, body).encode(), given.encode("utf-8", "replace")):
        raise SignatureError


def address(public_url: str, client: str, store: str) -> str:
    """Where the webhooks of a store are sent to. Without `public_url` its path, which is enough to find them."""
    return f"{public_url.rstrip('/')}/hooks/{client}/{store}"


def same_place(url: str, other: str) -> bool:
    """Whether two addresses are those of the same client's same store, at whatever host."""
    return _tail(url) == _tail(other) != ""


def _tail(url: str) -> str:
    try:
        found = re.search(r"/hooks/[^/]+/[^/]+$", urlsplit(url).path)
    except ValueError:  # other people's webhooks may lead anywhere
        return ""
    return found[0] if found else ""


def findings(topics: Sequence[str], installed: Sequence[Installed], url: str) -> list[Finding]:
    """What `check` says of the webhooks of a store. They are a help only, so nothing here is an error."""
    again = "run `winback hooks install`"
    if not installed:
        words = f"No webhooks are installed: news is seen at the next poll. To see it within seconds, {again}"
        return [Finding(words, "webhooks", "info")]
    found = [Finding(f"Webhook {one.topic}: {one.problem}", "webhooks") for one in installed if one.problem]
    astray = sorted({one.url for one in installed if one.url != url})
    found += [Finding(f"Webhooks lead to {where} instead of {url}: {again}", "webhooks") for where in astray]
    missing = [topic for topic in topics if topic not in {one.topic for one in installed}]
    if missing:
        found.append(Finding(f"Webhooks are missing ({', '.join(missing)}): {again}", "webhooks"))
    return found or [Finding(f"Webhooks are installed ({', '.join(topics)}), and lead here", "webhooks", "info")]
