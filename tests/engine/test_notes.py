"""What a store's read found is kept until the next one, and shown: with nobody's address in it."""

from __future__ import annotations

from pathlib import Path

from clock import Clock
from world import world

from connector.engine.notes import note
from connector.model import Finding


def test_a_record_that_could_not_be_read_names_nobody(tmp_path: Path, sqlite_url: str, clock: Clock) -> None:
    said = "A record could not be read (ValueError: 'ann.private@example.com, +49 170 1234567\ud800')"
    with world(tmp_path, sqlite_url, clock) as acme:
        note(acme.ctx, acme.client, "shop", [Finding(said, "gid://1\ud800", "error")], finished=True)
        (alert,) = acme.alerts
        assert alert == "acme/shop: A record could not be read (ValueError: 'a***@example.com, ***')"
        acme.ctx.db.close()
        kept = b"".join(file.read_bytes() for file in tmp_path.glob("*.db*"))
    assert b"ann.private" not in kept
    assert b"a***@example.com" in kept
