"""Who told of a checkout: a store's own server, or a browser, whose word weighs less because anyone can be one."""

from __future__ import annotations

FROM_BROWSER = "browser:"  # how the ids of such checkouts begin; no store's server may use it


def from_browser(checkout_id: str) -> bool:
    """Whether a shopper's browser told of it."""
    return checkout_id.startswith(FROM_BROWSER)


def may_show(shown_id: str, newer_id: str) -> bool:
    """R6: whether a newer checkout may take the place of the one that a lead shows now."""
    return from_browser(shown_id) or not from_browser(newer_id)
