"""What a disk would hold if the power failed: everything that was synced, and of the rest nothing, or any part.

`strace` writes down what a process asks of the system, and `Disk` replays it. It is stricter than any real file system:
also the name of a new file or folder is lost as long as its folder was not synced.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "openat,pwrite64,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,sendto"
SECTOR = 512  # bytes that a disk writes at once, or not at all


def strace(log: Path) -> list[str]:
    """The command line that a command is put behind. The command stays the process itself; strace watches it."""
    return ["strace", "-D", "-f", "-yy", "-xx", "-s", "4000000", "-e", f"trace={CALLS}", "-o", str(log)]


@dataclass(frozen=True)
class Call:
    """A system call: when it begins, and once more when it has ended."""

    name: str
    about: str  # the file or folder, or for a socket where it leads
    words: tuple[bytes, ...]
    numbers: tuple[int, ...]
    flags: str
    ended: bool
    failed: bool = False


_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
_FD = re.compile(r"\d+<((?:\\x[0-9a-f]{2})+|\w+:\[[^\]]*\])")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def calls(log: Path) -> Iterator[Call]:
    """What strace wrote, in order. Calls of several threads may be under way at once."""
    begun: dict[str, str] = {}
    for line in log.read_text().splitlines():
        found = _LINE.match(line)
        if not found:
            continue
        thread, resumed, name, rest = found.groups()
        if name:
            yield _call(name, rest, ended=False)
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest.removesuffix(" <unfinished ...>")
            continue
        yield _call(name or resumed, begun.pop(thread, "") + rest if resumed else rest, ended=True)


def _call(name: str, text: str, *, ended: bool) -> Call:
    arguments, _, result = text.rpartition(" = ") if ended else (text, "", "")
    plain = _HEX.sub("", arguments)
    about = _FD.search(result if name == "openat" else plain)
    return Call(
        name,
        _decoded(about.group(1)) if about else "",
        tuple(_bytes(word) for word in _HEX.findall(arguments)),
        tuple(int(number) for number in re.findall(r", (\d+)(?=[,)])", plain)),
        plain,
        ended,
        result.startswith("-1"),
    )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _decoded(text: str) -> str:
    return _bytes(text).decode() if text.startswith("\\x") else text


@dataclass
class File:
    """A file or folder: what of it is on the disk, and the changes that may yet be lost."""

    synced: bytes = b""
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)  # at this place; None cuts it off there
    syncing: int = 0

    def content(self, kept: list[tuple[int, bytes | None]]) -> bytes:
        """With these of the changes."""
        made = bytearray(self.synced)
        for place, data in kept:
            if data is None:
                made = made[:place].ljust(place, b"\0")
            else:
                made = made.ljust(place, b"\0")
                made[place : place + len(data)] = data
        return bytes(made)

    def sync(self) -> None:
        """What was asked for before the sync began is on the disk."""
        self.synced = self.content(self.changes[: self.syncing])
        del self.changes[: self.syncing]
        self.syncing = 0


class Disk:
    """Everything beneath one folder, which itself is safe."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._names: dict[str, File] = {}
        self._kept: dict[str, File] = {}  # the names that are on the disk

    def apply(self, call: Call) -> None:
        """The next call."""
        if call.name in ("fsync", "fdatasync"):
            self._sync(call)
        elif call.ended and not call.failed:
            self._change(call)

    def _change(self, call: Call) -> None:
        path = call.about if call.name in ("openat", "pwrite64", "ftruncate") else call.words[0].decode()
        if not path.startswith(self._root):
            return
        if call.name.startswith("mkdir") or (call.name == "openat" and "O_CREAT" in call.flags):
            self._names.setdefault(path, File())
        elif call.name.startswith("unlink"):
            self._names.pop(path, None)
        elif call.name.startswith("rename"):
            self._names[call.words[1].decode()] = self._names.pop(path)
        elif call.name == "pwrite64":
            self._names[path].changes.append((call.numbers[-1], call.words[0]))
        elif call.name == "ftruncate":
            self._names[path].changes.append((call.numbers[-1], None))

    def _sync(self, call: Call) -> None:
        if not call.about.startswith(self._root):
            return
        file = self._names.get(call.about, File())
        if not call.ended:
            file.syncing = len(file.changes)
            return
        file.sync()
        here = {path for path in {*self._names, *self._kept} if str(Path(path).parent) == call.about}
        for path in here:
            if path in self._names:
                self._kept[path] = self._names[path]
            else:
                self._kept.pop(path)

    def write(self, folder: Path, dice: random.Random | None = None) -> None:
        """Puts into an empty folder what is left. With dice some of the rest made it, in whole sectors."""
        names = dict(self._kept)
        if dice:
            changed = [path for path in {**self._names, **self._kept} if self._names.get(path) is not names.get(path)]
            for path in sorted(changed):
                if path in self._names and dice.random() < 0.5:
                    names[path] = self._names[path]
        for path, file in sorted(names.items()):
            place = folder / path.removeprefix(self._root).lstrip("/")
            if not place.parent.is_dir() or path.endswith("-shm"):
                continue  # its folder is lost; and shared memory is made anew
            if any(str(Path(other).parent) == path for other in self._names):
                place.mkdir()
            else:
                place.write_bytes(file.content(_some(file.changes, dice) if dice else []))


def _some(changes: list[tuple[int, bytes | None]], dice: random.Random) -> list[tuple[int, bytes | None]]:
    kept: list[tuple[int, bytes | None]] = []
    for place, data in changes:
        if data is None or dice.random() < 0.3:
            kept += [(place, data)] if dice.random() < 0.5 else []
            continue
        sectors = range(0, len(data), SECTOR)
        kept += [(place + at, data[at : at + SECTOR]) for at in sectors if dice.random() < 0.5]
    return kept
