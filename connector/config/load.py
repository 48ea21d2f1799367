"""Reads a client's file, or a folder of them, and the daemon's settings beside them."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from connector.config.beside import clients_beside
from connector.config.checks import cross_checks
from connector.config.cover import Cover, Merged, leaves, overlay, variable
from connector.config.model import ClientConfig
from connector.config.places import Broken, Document, read_yaml
from connector.config.places import Path as Place
from connector.config.problems import ConfigProblems, Problem
from connector.config.settings import Settings, read_env, unused
from connector.config.substitute import Substitution
from connector.config.translate import translate
from connector.config.watch import Watch, client_files
from connector.redact import redact

M = TypeVar("M", bound=BaseModel)
log = logging.getLogger("winback")

SETTINGS_FILES = ("winback.yaml", "winback.yml")
LARGEST_FILE = 256 * 1024  # bytes
_FINGERPRINT_KEY = os.urandom(32)  # so that a fingerprint in a log tells nothing about a secret in a file


@dataclass(frozen=True, slots=True)
class Loaded:
    """A whole configuration. `files` maps client ids to their files.

    `fingerprint` changes with any content, secrets included; it can be compared within one process only.
    """

    settings: Settings
    clients: tuple[ClientConfig, ...]
    files: Mapping[str, Path]
    fingerprint: str
    watch: Watch = field(repr=False, compare=False)
    path: Path = Path()
    beside: frozenset[str] = field(default=frozenset(), compare=False)  # clients of the same folder that were not meant
    problems: tuple[Problem, ...] = ()  # only after `reload`
    notes: tuple[Problem, ...] = field(default=(), compare=False)  # what does no harm, and is hardly meant

    def client(self, client_id: str) -> ClientConfig:
        """The client with that id. Raises KeyError."""
        return {each.client: each for each in self.clients}[client_id]


def load(path: Path, env: Mapping[str, str] | None = None) -> Loaded:
    """Reads the configuration at `path`, a file or a folder; `env` is the process's environment by default.

    Raises ConfigProblems with every problem of every file.
    """
    return _Loading(path, os.environ if env is None else env).run()


def reload(previous: Loaded, env: Mapping[str, str] | None = None) -> Loaded:
    """Reads again what `previous` was read from, for a daemon that must go on whatever it finds.

    What is right is taken. A file that is wrong keeps its client, or the settings, as they were before; `problems`
    of the answer says what is wrong. A client whose file is gone is gone.
    """
    loading = _Loading(previous.path, os.environ if env is None else env)
    try:
        return loading.run()
    except ConfigProblems:
        return loading.beside(previous)


def changed(known: Loaded | ConfigProblems) -> bool:
    """Whether any file looks different than when that was read. Cheap: one `stat` for each file."""
    return known.watch is not None and known.watch.changed()


class _Loading:
    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path, self.env, self.watch = path, env, Watch()
        self.problems: list[Problem] = []
        self.wanted: list[Path] = []
        self.used: set[str] = set()  # variables of the environment
        self.clients: dict[Path, ClientConfig] = {}
        self.settings: Settings | None = None
        self.hash = hashlib.blake2b(key=_FINGERPRINT_KEY, digest_size=16)

    def run(self) -> Loaded:
        """Reads everything, then answers or raises."""
        self.wanted, folder = self._files()
        self.settings = self._whatever(folder / SETTINGS_FILES[0], lambda: self._settings(folder))
        for file in self.wanted:
            client = self._whatever(file, partial(self._client, file))
            if client is not None:
                self.clients[file] = client
        if self.problems or self.settings is None:
            raise ConfigProblems(self.problems, self.watch)
        return self._loaded(self.settings, self.clients)

    def _whatever(self, file: Path, read: Callable[[], M | None]) -> M | None:
        """What nobody thought of is that file's problem too: no file may bring a daemon down."""
        try:
            return read()
        except Exception as error:
            log.debug("%s: unexpected", file.name, exc_info=error)
            self._problem(file, f"cannot be checked: unexpected {type(error).__name__}; change back what you changed")
            return None

    def beside(self, previous: Loaded) -> Loaded:
        """What is right of what was read, and the previous state of what is not."""
        clients, taken = dict(self.clients), {client.client.casefold() for client in self.clients.values()}
        for name, file in previous.files.items():
            # Without any file the place itself cannot be read; that must not look as if every client had left.
            if file not in clients and (file in self.wanted or not self.wanted) and name.casefold() not in taken:
                clients[file] = previous.client(name)
        return self._loaded(self.settings or previous.settings, clients)

    def _loaded(self, settings: Settings, clients: Mapping[Path, ClientConfig]) -> Loaded:
        in_order = dict(sorted(clients.items()))
        return Loaded(
            settings,
            tuple(in_order.values()),
            {client.client: file for file, client in in_order.items()},
            self.hash.hexdigest(),
            self.watch,
            self.path,
            clients_beside(self.path),
            tuple(self.problems),
            tuple(Problem("environment", 0, name, message) for name, message in unused(self.env, self.used)),
        )

    def _files(self) -> tuple[list[Path], Path]:
        path = self.path
        try:
            if path.is_dir():
                self.watch.folder(path)
                files = [file for file in client_files(path) if file.name not in SETTINGS_FILES]
                if not files:
                    self._problem(path, "there is no client's file in this folder; put one in that ends with .yaml")
                return files, path
            self.watch.file(path)
            if path.name in SETTINGS_FILES:
                self._problem(path, "holds the daemon's settings; name a client's file, or the folder of both")
            elif not path.exists():
                self._problem(path, "there is no such file or folder")
            else:
                return [path], path.parent
        except (OSError, ValueError) as error:
            self._problem(path, f"cannot be read: {_reason(error)}")
        return [], path.parent

    def _problem(self, path: Path, message: str, line: int = 0, key: str = "") -> None:
        self.problems.append(Problem(path.name or str(path), line, key, message))

    def _settings(self, folder: Path) -> Settings | None:
        document = Document(data={})
        present = []
        for name in SETTINGS_FILES:
            self.watch.file(folder / name)
            if os.path.lexists(folder / name):
                present.append(folder / name)
        if len(present) > 1:
            self._problem(present[1], f"there is {present[0].name} too; keep one of them")
        substitution = Substitution(self.env, folder, self.watch)
        file = present[0] if present else folder / SETTINGS_FILES[0]
        if present:
            read = self._read(file, substitution, may_be_empty=True)
            if read is None:
                return None
            document = read
        from_env, typos = read_env(self.env)
        self.problems += [Problem("environment", 0, name, message) for name, message in typos]
        for place, value in leaves(from_env):
            substitution.used[value] = f"the value of {variable(place)}"
            self._hash(variable(place), value)
        merged = Merged(document, overlay(document.data, from_env), from_env)
        return self._validate(file, Settings, merged, substitution)

    def _client(self, file: Path) -> ClientConfig | None:
        substitution = Substitution(self.env, file.parent, self.watch)
        document = self._read(file, substitution)
        if document is None:
            return None
        client = self._validate(file, ClientConfig, Merged(document, document.data, {}), substitution)
        for other, known in self.clients.items():
            if client is not None and known.client.casefold() == client.client.casefold():
                message = f"{client.client} is already the client in {other.name}"
                self._problem(file, message, document.line(("client",)), "client")
                return None
        return client

    def _read(self, file: Path, substitution: Substitution, may_be_empty: bool = False) -> Document | None:
        self.watch.file(file)
        try:
            text = _text(file)
            document = read_yaml(text, substitution.fill)
            if document.data is None and may_be_empty:
                document.data = {}
            if document.data is None:
                raise Broken(0, "the file is empty; config.example.yaml shows what goes into it")
            if not isinstance(document.data, dict):
                raise Broken(document.line(()), "the file must hold keys, such as client: acme, at its top")
        except Broken as broken:
            self._problem(file, redact(broken.message), broken.line)
            return None
        self._hash(file.name, text, *sorted(substitution.used))
        self.used |= substitution.names
        return document

    def _hash(self, *parts: str) -> None:
        for part in parts:
            self.hash.update(part.encode("utf-8", "surrogatepass") + b"\0")

    def _validate(self, file: Path, model: type[M], merged: Merged, substitution: Substitution) -> M | None:
        document, data = merged.document, merged.data
        found = [(place, line, text) for place, line, text in document.errors]
        broken = [place for place, _, _ in found if place in document.references]
        value = None
        try:
            value = model.model_validate(data)
        except ValidationError as error:
            lines = translate(error, model, data)
            if model is ClientConfig:
                lines = list(dict.fromkeys([*lines, *cross_checks(data)]))
            found += [(place, document.line(place), text) for place, text in lines if not _follows(place, broken)]
        if found:
            self._report(file, found, merged, Cover(model, merged, substitution))
        return None if found else value

    def _report(self, file: Path, found: list[tuple[Place, int, str]], merged: Merged, cover: Cover) -> None:
        for place, line, text in sorted(found, key=lambda each: each[1]):
            if merged.in_env(place):
                self.problems.append(Problem("environment", 0, variable(place), cover(text, place)))
            else:
                key = redact(".".join(map(str, place)))
                self.problems.append(Problem(file.name, line if merged.document.lines else 0, key, cover(text, place)))


def _text(file: Path) -> str:
    try:
        if not file.is_file():
            raise Broken(0, "is not a file" if file.exists() else "there is no such file")
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Broken(0, f"cannot be read: {_reason(error)}") from None
    if len(content) > LARGEST_FILE:
        raise Broken(0, f"is larger than {LARGEST_FILE // 1024} KB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Broken(line, "this is not UTF-8 text; save the file as UTF-8") from None


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or "the path is not usable").lower()


def _follows(place: Place, broken: Sequence[Place]) -> bool:
    """Whether a problem is only the echo of a reference that could not be filled in."""
    return any(other[: len(place)] == place for other in broken)
