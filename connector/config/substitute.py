"""`${NAME}`, `${file:/run/secrets/x}` and the escape `$${` inside the values of a YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from connector.config.watch import Watch

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LARGEST_SECRET = 64 * 1024  # bytes


class Substitution:
    """Fills in references. `used` maps every value that came from outside to the reference it came from.

    `names` are the variables that were asked for.
    """

    def __init__(self, env: Mapping[str, str], folder: Path, watch: Watch) -> None:
        self._env, self._folder, self._watch = env, folder, watch
        self.used: dict[str, str] = {}
        self.names: set[str] = set()

    def fill(self, text: str) -> str:
        """The text with its references replaced, once: what they bring is not looked at again. Raises ValueError."""
        return _REFERENCE.sub(self._replace, text) if "${" in text else text

    def _replace(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return "${"
        if not match[2]:
            raise ValueError("a ${ has no } after it; write ${NAME}, or $${ for the two characters themselves")
        value = self._value(match[1].strip())
        self.used[value] = match[0]
        return value

    def _value(self, name: str) -> str:
        if name.startswith("file:"):
            return self._secret_file(name.removeprefix("file:").strip())
        if not _NAME.fullmatch(name):
            raise ValueError("a ${…} cannot be read; write ${NAME} or ${file:/run/secrets/name}, or $${ to keep it")
        self.names.add(name)
        value = self._env.get(name)
        if value is None:
            raise ValueError(f"the environment variable {name} is not set")
        if not value.strip():
            raise ValueError(f"the environment variable {name} is empty")
        return value

    def _secret_file(self, name: str) -> str:
        if not name or "\0" in name:
            raise ValueError("${file:} names no file; write ${file:/run/secrets/name}")
        path = self._folder / name
        self._watch.file(path)
        try:
            if path.exists() and not path.is_file():
                raise ValueError(f"{path} is not a file")
            with path.open("rb") as file:
                content = file.read(LARGEST_SECRET + 1)
        except FileNotFoundError:
            raise ValueError(f"there is no file {path}; mount the secret there or correct the path") from None
        except OSError as error:
            raise ValueError(f"the file {path} cannot be read: {(error.strerror or 'unreadable').lower()}") from None
        if len(content) > LARGEST_SECRET:
            raise ValueError(f"the file {path} is larger than {LARGEST_SECRET // 1024} KB; that is no secret")
        try:
            value = content.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"the file {path} is not UTF-8 text") from None
        if not value.strip():
            raise ValueError(f"the file {path} is empty")
        return value
