"""What `winback hooks` does, and what `winback check` says of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from connector import hooks, registry
from connector.cli.opening import engine, some_clients
from connector.cli.show import Column, as_table, say
from connector.config.shape import nearest
from connector.engine.accounts import Accounts
from connector.engine.context import Client
from connector.engine.setup import ensure_accounts
from connector.errors import ConfigError, WinbackError
from connector.hooks import SendsHooks
from connector.model import Finding, Health
from connector.options import StoreOptions, is_loopback

COLUMNS = (
    Column("store", "store"),
    Column("topic", "webhook", keep=True),
    Column("url", "address"),
    Column("state", "state"),
)


def list_hooks(config: Path, client: str | None, store: str | None) -> int:
    """The webhooks that lead here. 1 where a store could not be asked."""
    rows: list[dict[str, str]] = []

    def deed(name: str, adapter: SendsHooks, url: str) -> None:
        for one in adapter.hooks(url):
            state = one.problem or ("ok" if one.url == url else "leads to another address than public_url")
            rows.append({"store": name, "topic": one.topic, "url": one.url, "state": state})

    failed = _each(config, client, store, deed, reachable=False)
    as_table(rows, COLUMNS, "no webhooks are installed")
    return failed


def install_hooks(config: Path, client: str | None, store: str | None) -> int:
    """Installs what is missing. 1 where a store refused."""

    def deed(name: str, adapter: SendsHooks, url: str) -> None:
        for line in adapter.install_hooks(url) or ["nothing to do, all webhooks are installed"]:
            say(f"{name}: {line}")

    return _each(config, client, store, deed, reachable=True)


def remove_hooks(config: Path, client: str | None, store: str | None) -> int:
    """Removes what is ours. 1 where a store refused."""

    def deed(name: str, adapter: SendsHooks, url: str) -> None:
        for line in adapter.remove_hooks(url) or ["nothing to do, there are none of ours"]:
            say(f"{name}: {line}")

    return _each(config, client, store, deed, reachable=False)


def _each(
    config: Path,
    client_id: str | None,
    store_id: str | None,
    deed: Callable[[str, SendsHooks, str], None],
    *,
    reachable: bool,
) -> int:
    """Does it for every store that is meant, each pinned to its account as when it is polled."""
    failed = 0
    with engine(config) as (ctx, _):
        base = str(ctx.settings.public_url or "")
        if reachable:
            _check_reachable(base)
        chosen = list(_chosen(some_clients(ctx, client_id), store_id))
        ensure_accounts(ctx)
        accounts = Accounts(ctx)
        for client, options in chosen:
            name = f"{client.id}/{options.id}"
            try:
                adapter = accounts.store(client, options)
                if not isinstance(adapter, SendsHooks):
                    say(f"{name}: {adapter.title} sends no webhooks")
                    continue
                deed(name, adapter, hooks.address(base, client.id, options.id))
            except WinbackError as error:
                failed = 1
                say(f"{name}: FAILED: {error}")
    return failed


def _check_reachable(base: str) -> None:
    wanted = "Webhooks need the https address at which the stores reach this daemon, such as https://winback.example"
    if not base:
        raise ConfigError(f"public_url is missing in winback.yaml. {wanted}")
    parts = urlsplit(base)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigError(f"public_url in winback.yaml is {base}, which is not https. {wanted}")


def _chosen(clients: list[Client], store_id: str | None) -> Iterator[tuple[Client, StoreOptions]]:
    every = [(client, store) for client in clients for store in client.config.stores]
    chosen = [it for it in every if store_id in (None, it[1].id)]
    if not chosen and store_id is not None:
        known = [store.id for _, store in every]
        raise ConfigError(f"there is no store {store_id}{nearest(store_id, known)}; there are: {', '.join(known)}")
    yield from chosen


def checked_with_hooks(adapter: registry.Platform, url: str) -> Health:
    """What a store's `check` finds, and what there is to say of its webhooks to `url`: "" where there is no address."""
    health = adapter.check()
    if not url or not isinstance(adapter, SendsHooks):
        return health
    try:
        found = hooks.findings(adapter.hook_topics, adapter.hooks(url), url)
    except WinbackError as error:
        found = [Finding(f"The webhooks could not be read: {error}", "webhooks", "info")]
    return replace(health, findings=(*health.findings, *found))
