"""Tells cheaply whether any file that a configuration was read from has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Look = tuple[object, ...]


def look_at_file(path: Path) -> Look:
    """What changes when a file's content, owner or rights may have; a symbolic link is followed."""
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:
        return (type(error).__name__,)
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def client_files(folder: Path) -> list[Path]:
    """The YAML files of a folder in the order of their names, hidden ones left out. Raises OSError."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    return [folder / name for name in sorted(names) if name.endswith((".yaml", ".yml")) and not name.startswith(".")]


def look_at_folder(folder: Path) -> Look:
    """The names of its YAML files."""
    try:
        return tuple(path.name for path in client_files(folder))
    except OSError as error:
        return (type(error).__name__,)


class Watch:
    """Remembers how files looked *before* they were read, so that a change while reading is seen too."""

    def __init__(self) -> None:
        self._seen: dict[tuple[Callable[[Path], Look], Path], Look] = {}

    def file(self, path: Path) -> None:
        """Remembers a file, present or not."""
        self._seen.setdefault((look_at_file, path), look_at_file(path))

    def folder(self, path: Path) -> None:
        """Remembers which YAML files a folder holds."""
        self._seen.setdefault((look_at_folder, path), look_at_folder(path))

    def changed(self) -> bool:
        """Whether anything looks different now. One `stat` for each file."""
        return any(look(path) != seen for (look, path), seen in self._seen.items())
