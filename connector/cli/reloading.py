"""What `winback run` makes of edits while it runs: a client's file is applied, and of winback.yaml what can be."""

from __future__ import annotations

import sys
import time
from typing import Any

from pydantic import BaseModel

from connector import log as logging
from connector.cli.opening import clients_of, hide_secrets
from connector.config import Loaded, Settings, changed, reload
from connector.engine.context import Client, Context, log
from connector.options import is_loopback


class Reload:
    """Reads the files again when they changed. A bad one is refused with its errors: its client stays as it was."""

    def __init__(self, ctx: Context, loaded: Loaded, every: float = 2.0) -> None:
        self._ctx, self._known, self._every = ctx, loaded, every
        self._looked = time.monotonic()
        self.asked = False  # to read them at the next turn, whether or not they look changed

    def __call__(self) -> dict[str, Client] | None:
        """The new clients, or None where there is nothing new."""
        asked = self.asked
        if not asked and time.monotonic() - self._looked < self._every:
            return None
        self._looked, self.asked = time.monotonic(), False
        if not asked and not changed(self._known):
            return None
        before, self._known = self._known, reload(self._known)
        hide_secrets(self._known)
        if self._known.problems:
            said = "\n".join(str(problem) for problem in self._known.problems)
            log.error("the changed configuration is refused, the old one stays in force:\n%s", said)
        take_settings(self._ctx, before.settings, self._known.settings)
        is_new = self._known.clients != before.clients or (asked and not self._known.problems)
        return clients_of(self._known) if is_new else None


def take_settings(ctx: Context, before: Settings, fresh: Settings) -> None:
    """Puts in force what can be without a restart, and names what cannot. No value is in the log."""
    edited = _differences(before, fresh)
    if not edited:
        return
    ctx.settings = _applied(ctx.settings, fresh)
    if {"log.level", "log.format"} & set(edited):
        logging.setup(fresh.log.level, fresh.log.format, sys.stderr)
    waiting = [name for name in edited if name in _differences(ctx.settings, fresh)]
    if taken := ", ".join(name for name in edited if name not in waiting):
        log.info("the settings were read again: %s", taken)
    if waiting:
        log.warning("%s changed in the settings: restart winback to put that in force", ", ".join(waiting))


def _applied(running: Settings, fresh: Settings) -> Settings:
    """The settings that the process runs with from now on."""
    password = fresh.http.password
    if password is None and not is_loopback(running.http.host):  # it still listens where others can reach it
        password = running.http.password
    http = running.http.model_copy(update={"username": fresh.http.username, "password": password})
    return running.model_copy(update={"http": http, "public_url": fresh.public_url, "log": fresh.log})


def _differences(one: Settings, other: Settings) -> list[str]:
    """The names of the settings that differ, such as `http.listen`."""
    left, right = _flat(one), _flat(other)
    return [name for name in left if left[name] != right[name]]


def _flat(block: BaseModel, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in type(block).model_fields:
        value = getattr(block, name)
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {f"{prefix}{name}": value}
    return found
