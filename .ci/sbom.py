"""Writes winback.cdx.json: what a release is made of, with versions, licences and hashes, in CycloneDX 1.6.

`make sbom` calls it. Everything comes from requirements.lock and from the metadata of what is installed from it, so
that the same lock makes the same file. The file goes into the wheel (PEP 770), and with it into the image, where Python
itself and Debian's packages are not in it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# May be given away beside a program under Apache-2.0: the last two ask that their own files stay as they are.
ALLOWED = frozenset({
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "PSF-2.0", "Unlicense", "MPL-2.0", "LGPL-3.0-only",
})  # fmt: skip
# What packages write in the place of an SPDX identifier.
SPELLINGS = {"MIT License": "MIT", "ISC License": "ISC", "BSD": "BSD-3-Clause"}
# Of packages that are locked and not installed here: they are for Windows.
ELSEWHERE = {"colorama": "BSD-3-Clause", "tzdata": "Apache-2.0"}


@dataclass(frozen=True)
class Locked:
    """One package of a lock file. `marker` says where it is installed, "" for everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


def read_lock(path: Path) -> Iterator[Locked]:
    """The packages of a lock file. Raises ValueError for a line that pins no version or has no hash."""
    for entry in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip()):
        if entry.startswith("#"):
            continue
        match = re.match(r"([a-z0-9][a-z0-9.-]*)==(\S+)(?: ; ([^\\\n]+?))? *(?:\\\n|\Z)", entry)
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry))
        if match is None or not hashes:
            raise ValueError(f"{path.name}: neither version nor hash: {entry.splitlines()[0]}")
        yield Locked(match[1], match[2], match[3] or "", hashes)


def licence(name: str, allowed: frozenset[str] = ALLOWED) -> str:
    """The SPDX expression of a package. Raises ValueError where it names none, or one that is not allowed."""
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise ValueError(f"{name} is not installed here: its licence is unknown") from None
    kinds = (line.split(" :: ") for line in told.get_all("Classifier") or ())
    classifiers = [kind[-1] for kind in kinds if kind[0] == "License"]
    found = [words for words in (told.get("License-Expression"), told.get("License"), *classifiers) if words]
    for words in found:
        expression = SPELLINGS.get(words, words)
        if set(re.split(r" (?:AND|OR) ", expression)) <= allowed:
            return expression
    raise ValueError(f"{name} is under {found[0] if found else 'no licence'}: may it be given away with Apache-2.0?")


def component(package: Locked) -> dict[str, Any]:
    """The package as CycloneDX has it. Its hashes are those of its files, any of which may be installed."""
    purl = f"pkg:pypi/{package.name}@{package.version}"
    terms = licence(package.name)
    made = {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "licenses": [{"expression": terms} if " " in terms else {"license": {"id": terms}}],
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{package.name}/{package.version}/",
                "hashes": [{"alg": "SHA-256", "content": one} for one in package.hashes],
            }
        ],
    }
    if package.marker:
        made["properties"] = [{"name": "python:environment-marker", "value": package.marker}]
    return made


def build(lock: Path, version: str) -> dict[str, Any]:
    """The document. It has no date and no random number in it."""
    parts = [component(package) for package in read_lock(lock)]
    purl = f"pkg:pypi/winback@{version}"
    ours = {"type": "application", "bom-ref": purl, "name": "winback", "version": version, "purl": purl}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**ours, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": parts,
    }


def text() -> str:
    """The file as it should be now."""
    version = re.search(r'__version__ = "([^"]+)"', (ROOT / "connector" / "__init__.py").read_text(encoding="utf-8"))
    if version is None:
        raise ValueError("connector/__init__.py names no version")
    document = build(ROOT / "requirements.lock", version[1])
    head = json.dumps({**document, "components": []}, indent=1)
    parts = ",\n".join(f"  {json.dumps(part)}" for part in document["components"])  # a line each, for who compares two
    return head.replace('"components": []', f'"components": [\n{parts}\n ]') + "\n"


if __name__ == "__main__":
    try:
        (ROOT / "winback.cdx.json").write_text(text(), encoding="utf-8")
    except ValueError as error:
        sys.exit(f"sbom: {error}")
