"""`backup` and `restore`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from connector.cli.opening import read_configuration
from connector.cli.show import say
from connector.engine.backup import backup, restore


def write_backup(config: Path, file: Path | None, *, overwrite: bool) -> None:
    """Copies the database into one file."""
    loaded = read_configuration(config)
    chosen = file or Path(f"winback-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.db")
    size = backup(loaded.settings.database_url.get_secret_value(), chosen, overwrite=overwrite)
    say(f"{chosen}: {size / 1e6:.1f} MB. Keep it as secret as the database: addresses are in it")


def read_backup(config: Path, file: Path, *, overwrite: bool) -> None:
    """Puts a backup in the database's place."""
    loaded = read_configuration(config)
    url = loaded.settings.database_url.get_secret_value()
    checkouts = restore(url, file, datetime.now(UTC), overwrite=overwrite)
    say(f"restored: {checkouts} checkouts. Start the daemon again; it asks the CRMs before it repeats anything")
