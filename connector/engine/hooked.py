"""Webhooks that reach the daemon: whose they are, whether the store signed them, and what becomes of what they ask for.

A hint waits in memory for the next tick, at most once for each store, so that a storm of webhooks costs no more than
one. Where it is lost with the process nothing is lost: at its start, the daemon polls every store.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import cast

from connector import registry
from connector.engine.context import Client, Context, log
from connector.engine.privacy import heed
from connector.hooks import Asks, SendsHooks, SignatureError
from connector.options import StoreOptions

QUIET = 600.0  # seconds between two lines in the log about webhooks of one store that were refused


class UnknownStoreError(LookupError):
    """There is no such store, or it sends no webhooks."""


class Hooks:
    """Safe to use from many threads. `hints` are the stores (client, id) that have news; the daemon empties it."""

    def __init__(self, ctx: Context) -> None:
        self.hints: set[tuple[str, str]] = set()
        self._ctx = ctx
        self._lock = threading.Lock()
        self._readers: dict[tuple[str, str], tuple[StoreOptions, SendsHooks]] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._said: set[bytes] = set()

    def knows(self, client: str, store: str) -> bool:
        """Whether webhooks may come for this store."""
        return self._options(client, store) is not None

    def receive(self, client_id: str, store_id: str, headers: Mapping[str, str], body: bytes) -> None:
        """Acts on a webhook. Header names are lower case. Raises UnknownStoreError and SignatureError.

        Nothing of it is kept or logged. A privacy request has been written down when this returns.
        """
        found = self._options(client_id, store_id)
        if found is None:
            raise UnknownStoreError
        client, options = found
        try:
            hint = self._reader(client_id, options).read_hook(headers, body)
        except SignatureError:
            self._ctx.numbers.hooked(client_id, store_id, "refused")
            self._tell(client_id, store_id)
            raise
        self._ctx.numbers.hooked(client_id, store_id, hint.asks if hint else "nothing")
        if hint is None:
            return
        if hint.asks is Asks.POLL:
            self.hints.add((client_id, store_id))
        else:
            heed(self._ctx, client, store_id, hint, self._said)

    def _options(self, client_id: str, store_id: str) -> tuple[Client, StoreOptions] | None:
        client = self._ctx.clients.get(client_id)
        options = client.store(store_id) if client else None
        if client is None or options is None:
            return None
        sends = registry.Cap.WEBHOOKS in registry.PLATFORMS[options.platform].capabilities
        return (client, options) if sends else None

    def _reader(self, client_id: str, options: StoreOptions) -> SendsHooks:
        """The adapter that can tell whether the store signed it. It is not asked for anything else: no request."""
        key = (client_id, options.id)
        with self._lock:
            known = self._readers.get(key)
            if known is None or known[0] != options:
                adapter = registry.PLATFORMS[options.platform](options, self._ctx.http)
                known = self._readers[key] = (options, cast(SendsHooks, adapter))
            return known[1]

    def _tell(self, client: str, store: str) -> None:
        now = time.monotonic()
        if now - self._told.get((client, store), -QUIET) >= QUIET:
            self._told[client, store] = now
            log.warning(
                "%s: a webhook with a wrong signature was refused. If the store sent it, run `winback hooks install`",
                f"{client}/{store}",
            )
