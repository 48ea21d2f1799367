"""The keys of a site that tells by itself, and what an owner is told of a mistake in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.config import ConfigProblems, load
from connector.inbound.options import ACCEPTED, PushedOptions, origin_of

KEY = "s" * 32
SNIPPET = {"key": "pk_0123456789abcdef", "origins": ["https://www.acme.example"]}


def store(folder: Path, **keys: Any) -> PushedOptions:
    path = folder / "acme.yaml"
    path.write_text(yaml.safe_dump({"client": "acme", "stores": [{"id": "site", "platform": "inbound", **keys}]}))
    found = load(path, {}).clients[0].stores[0]
    assert isinstance(found, PushedOptions)
    return found


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({}, "stores.0", "orders are told with a signing_key: make one with `openssl rand -hex 32`"),
        ({"signing_key": "short"}, "stores.0.signing_key", "32 characters"),
        ({"signing_key": KEY, "orders": "none"}, "stores.0", f"If you accept that, add i_accept: {ACCEPTED}"),
        ({"orders": "none", "i_accept": "yes", "snippet": SNIPPET}, "stores.0", f"add i_accept: {ACCEPTED}"),
        ({"orders": "none", "i_accept": ACCEPTED}, "stores.0", "give it a signing_key, a snippet, or both"),
        ({"signing_key": KEY, "base_url": "https://acme.example"}, "stores.0", "Winback sends it nothing"),
        ({"signing_key": KEY, "snippet": {**SNIPPET, "origins": []}}, "stores.0.snippet.origins", "at least"),
        (
            {"signing_key": KEY, "snippet": {**SNIPPET, "origins": ["https://acme.example/shop"]}},
            "stores.0.snippet.origins.0",
            "write only scheme and host",
        ),
        (
            {"signing_key": KEY, "snippet": {**SNIPPET, "origins": ["http://acme.example"]}},
            "stores.0.snippet.origins.0",
            "must be https",
        ),
        (
            {"signing_key": KEY, "snippet": {**SNIPPET, "orgins": []}},
            "stores.0.snippet.orgins",
            "did you mean origins?",
        ),
    ],
    ids=str,
)
def test_a_mistake_is_told(tmp_path: Path, keys: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        store(tmp_path, **keys)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert words in problem.message
    assert KEY not in str(problem)


def test_it_may_be_accepted_in_any_letters(tmp_path: Path) -> None:
    found = store(tmp_path, orders="none", i_accept=f"  {ACCEPTED.upper()}. ", snippet=SNIPPET)
    assert not found.tells_orders
    assert store(tmp_path, signing_key=KEY).tells_orders


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Acme.example:443/a?b#c", "https://acme.example"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://user@acme.example", "https://acme.example"),
        ("ftp://acme.example", ""),
        ("https://acme.example:99999", ""),
        ("//acme.example", ""),
        ("", ""),
    ],
)
def test_an_origin_is_written_as_browsers_do(url: str, origin: str) -> None:
    assert origin_of(url) == origin
