"""Files that a command writes for its owner: whole or not there at all, and over another one only where told so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector.durable import keep_names
from connector.errors import ConfigError
from connector.scratch import scratch


@contextmanager
def new_file(file: Path, *, overwrite: bool) -> Iterator[Path]:
    """A path to write to, which takes the place of `file` at the end. Raises ConfigError.

    Only a file is ever replaced: `-o /dev/null --force` must not put a file where the device was.
    """
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(f"{file} cannot be written: it is no file")
        if file.exists() and not overwrite:
            raise ConfigError(f"{file} is there already; name another file with -o, or add --force to replace it")
        with scratch(file.absolute().parent) as folder:
            part = folder / "part"
            yield part
            os.replace(part, file)
            keep_names(file.absolute().parent)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror or error}") from None
