"""Folders for copies of shoppers' data that nobody is to keep.

They are gone at the end. What a command leaves that was killed goes when the next one wants such a folder in the same
place: who holds one has a lock on it, which dies with the process.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from connector.errors import ConfigError

PREFIX = ".winback-scratch-"


@contextmanager
def scratch(where: Path) -> Iterator[Path]:
    """An empty folder in `where` that only the owner can read. Raises OSError."""
    _sweep(where)
    folder, held = _new(where)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@contextmanager
def temporary() -> Iterator[Path]:
    """Such a folder in the system's place for them. Raises ConfigError."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch(Path(tempfile.gettempdir())))
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(
                f"no temporary folder can be made: {why}; set TMPDIR to one that can be written"
            ) from None
        yield folder


def _new(root: Path) -> tuple[Path, int]:
    """A folder and its lock. A sweep that goes on at this moment may take one before it is locked: then another one."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        with suppress(FileNotFoundError):
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # a file system without locks: nothing is swept there either
                fcntl.flock(held, fcntl.LOCK_EX)
            if folder.exists():
                return folder, held
            os.close(held)


def _sweep(root: Path) -> None:
    for left in root.glob(f"{PREFIX}*"):
        with suppress(OSError):  # held by another command, gone meanwhile, or somebody else's
            held = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(held).st_uid == os.geteuid():
                    shutil.rmtree(left)
            finally:
                os.close(held)
