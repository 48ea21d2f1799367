"""A store owner's folder with a configuration, sandbox servers behind it, and the command that is run there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from leaks import secrets_in

from connector.cli import main
from connector.model import ConsentState
from crm.sandbox import activecampaign, klaviyo, mailchimp
from platforms.sandbox import shopify, woocommerce

ROOT = Path(__file__).resolve().parents[2]
ANN, BOB = "ann@example.com", "bob@example.com"


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout: anything beside it is an error."""
        return json.loads(self.out)

    def refused(self) -> str:
        """The one line that a bad input ends with."""
        assert (self.code, self.out) == (2, ""), self
        assert "Traceback" not in self.err
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        return self.err.strip()


class Owner:
    """Two stores, one CRM of each kind, one YAML file. The sandboxes' clock is the machine's."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.ahead = timedelta(0)
        self.woo, self.shop = woocommerce.serve(clock=self._now), shopify.serve(clock=self._now)
        self.mailchimp, self.klaviyo = mailchimp.serve(clock=self._now), klaviyo.serve(clock=self._now)
        self.activecampaign = activecampaign.serve(clock=self._now)
        self.config: dict[str, Any] = {
            "client": "acme",
            "stores": [{"id": "woo", **self.woo.options()}, {"id": "shop", **self.shop.options()}],
            "crms": [{"id": "mail", **self.klaviyo.options(), "tags": ["abandoned-cart"]}],
        }
        self.write()

    def write(self, name: str = "acme.yaml", **changes: Any) -> None:
        """Writes the client's file, with other keys at its top."""
        self.config.update(changes)
        (self.folder / name).write_text(yaml.safe_dump(self.config), encoding="utf-8")

    def other_client(self, name: str) -> None:
        """A second client's file beside the first, for the same store."""
        store = {"id": f"{name}-woo", **self.woo.options()}
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump({"client": name, "stores": [store]}))

    def leave(self, email: str = ANN, *, hours: float = 1, shop: bool = False, **more: Any) -> str:
        """A shopper left a checkout so long ago."""
        self.ahead = -timedelta(hours=hours)
        store = self.shop if shop else self.woo
        checkout = store.abandon(email, consent=ConsentState.OPTED_IN, **more)
        self.ahead = timedelta(0)
        return checkout

    def _now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def winback(self, *args: str | Path, path: str = "acme.yaml") -> Said:
        """Runs a command in the owner's folder, within this process. `-c` comes by itself behind the subcommand."""
        words = [str(arg) for arg in args]
        if "-c" not in words and path:
            words += ["-c", path]
        return self.bare(*words)

    def bare(self, *args: str) -> Said:
        """Runs a command just as it is written."""
        self.capsys.readouterr()
        with chdir(self.folder), pytest.raises(SystemExit) as end:
            main(list(args))
        captured = self.capsys.readouterr()
        assert not secrets_in(captured.out + captured.err, self.config)
        code = end.value.code
        return Said(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    def process(self, *args: str, env: dict[str, str] | None = None, more: Sequence[str] = ()) -> Said:
        """Runs `python -m connector …` as a process of its own."""
        done = subprocess.run(
            [sys.executable, *more, "-m", "connector", *args],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    def close(self) -> None:
        """Stops the sandboxes."""
        for sandbox in (self.woo, self.shop, self.mailchimp, self.klaviyo, self.activecampaign):
            sandbox.server.close()
