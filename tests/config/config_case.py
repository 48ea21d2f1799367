"""A client's file to start from, and what the loader says about changes to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from connector.config import ConfigProblems, Loaded, load

ENV = {
    "ACME_ID": "planted-client-id",
    "ACME_SECRET": "planted-shopify-secret",
    "ACME_KEY": "planted-consumer-key",
    "ACME_WOO": "planted-consumer-secret",
    "ACME_MAILCHIMP": "planted-mailchimp-key-us1",
}
SECRETS = tuple(ENV.values())
GOOD = """\
client: acme
stores:
  - id: acme-shop
    platform: shopify
    shop: acme.myshopify.com
    client_id: ${ACME_ID}
    client_secret: ${ACME_SECRET}
    poll_every: 1m
  - id: acme-courses
    platform: woocommerce
    url: https://courses.acme.example
    consumer_key: ${ACME_KEY}
    consumer_secret: ${ACME_WOO}
leads:
  abandoned_after: 30m
  consent: not_unsubscribed
sequence:
  - after: 45m
    tags: [abandoned-cart-1]
  - after: 24h
    campaign: {journey: 13, step: 35}
crms:
  - id: mail
    adapter: mailchimp
    api_key: ${ACME_MAILCHIMP}
    audience: 1a2b3c4d5e
    tags: [abandoned-cart]
    campaign: {journey: 12, step: 34}
    fields:
      PRODUCT: "{{ product_name }}"
    when:
      stores: [acme-shop]
"""


def with_change(old: str, new: str) -> str:
    """GOOD with one piece replaced."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def write(folder: Path, text: str | bytes, name: str = "acme.yaml") -> Path:
    """A client's file in a folder."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def loaded(folder: Path, text: str = GOOD, env: Mapping[str, str] = ENV) -> Loaded:
    """The configuration of one file with that text."""
    return load(write(folder, text), env)


def lines_of(path: Path, env: Mapping[str, str] = ENV) -> list[str]:
    """What the loader prints about a file or folder, [] if nothing is wrong."""
    try:
        load(path, env)
    except ConfigProblems as problems:
        return str(problems).split("\n")
    return []
