"""Commands that change something by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from connector.cli.opening import engine, one_client, some_clients
from connector.cli.show import say
from connector.engine.context import Client, Context

Deed = Callable[[ModuleType, Context, Client], str]


def act(config: Path, client: str | None, deed: Deed, *, every: bool = False, departed: bool = False) -> None:
    """Does it for one client (or for every one, unless --client names one), and says what was done.

    `departed`: also for clients of whom something is stored and who left the configuration.
    """
    from connector.engine import hand
    from connector.engine.owed import departed_clients
    from connector.engine.setup import ensure_accounts

    with engine(config) as (ctx, _):
        if departed:
            ctx.clients = {**{one.id: one for one in departed_clients(ctx)}, **ctx.clients}
        chosen = some_clients(ctx, client) if every else [one_client(ctx, client)]
        ensure_accounts(ctx)
        for one in chosen:
            said = deed(hand, ctx, one)
            say(f"{one.id}: {said}" if len(chosen) > 1 else said)
