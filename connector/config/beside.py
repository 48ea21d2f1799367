"""The clients of a folder when only one of its files was named: they are not gone, they are only not meant."""

from __future__ import annotations

import re
from pathlib import Path

from connector.config.watch import client_files

_CLIENT = re.compile(r"""^client:[ \t]*["']?([A-Za-z0-9-]+)""", re.MULTILINE)


def clients_beside(path: Path) -> frozenset[str]:
    """The ids in the files beside the one at `path`; none where it is a folder. What cannot be read has none."""
    if path.is_dir():
        return frozenset()
    try:
        files = [file for file in client_files(path.parent) if file.is_file() and not file.samefile(path)]
        texts = [file.read_text("utf-8-sig", "replace") for file in files]
    except OSError:
        return frozenset()
    return frozenset(found.group(1) for text in texts if (found := _CLIENT.search(text)))
