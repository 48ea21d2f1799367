"""Names that a power cut leaves: a new file or folder may be lost with the power until its folder is synced, too."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path) -> None:
    """With all folders above it that are missing. Raises OSError."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in reversed(missing):
        keep_names(each.parent)


def keep_names(folder: Path) -> None:
    """What was made, renamed or deleted in a folder stays so."""
    with suppress(OSError):  # some file systems cannot; SQLite goes on there, too
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
