"""Asks the open vulnerability database (https://osv.dev) about every package of the lock files.

`make audit` calls it: `audit.py [--service URL] LOCK…`. Ends with 1 where something is known of a locked version. Where
the service cannot be asked it says so, in words that cannot be taken for a result, and ends with 0: a machine without
the internet must be able to build.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from sbom import read_lock  # beside this file, where Python looks first

SERVICE = "https://api.osv.dev"
# Identifier: why it does not concern us, and until when. Keep it short.
ACCEPTED: dict[str, str] = {}
PATIENCE = 30  # seconds for each answer


class UnreachableError(Exception):
    """The service gave no answer that could be read."""


def ask(url: str, body: Any = None) -> Any:
    """One question, or UnreachableError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", "user-agent": "winback-audit"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)
    except (OSError, ValueError) as error:
        raise UnreachableError(str(error)) from None


def known(service: str, packages: list[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """The identifiers of what is known of each package. Raises UnreachableError for less than a whole answer."""
    queries = [{"package": {"ecosystem": "PyPI", "name": name}, "version": version} for name, version in packages]
    answer = ask(f"{service}/v1/querybatch", {"queries": queries})
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != len(packages):
        raise UnreachableError("it answered with something else")
    found = {}
    for package, result in zip(packages, results, strict=True):
        if not isinstance(result, dict):
            raise UnreachableError("it answered with something else")
        if result.get("vulns"):
            found[package] = [str(one["id"]) for one in result["vulns"]]
    return found


def told(service: str, identifier: str) -> str | None:
    """What it is about, in a line; None where it was withdrawn. What cannot be read counts as valid."""
    try:
        record = ask(f"{service}/v1/vulns/{identifier}")
    except UnreachableError:
        return "no details"
    if not isinstance(record, dict):
        return "no details"
    return None if record.get("withdrawn") else str(record.get("summary") or "no details")


def audit(service: str, locks: list[Path]) -> int:
    """Prints what is known, and returns the exit code."""
    packages = sorted({(one.name, one.version) for lock in locks for one in read_lock(lock)})
    try:
        found = known(service, packages)
    except UnreachableError as error:
        print(f"audit: NOT CHECKED: {service} could not be asked about {len(packages)} packages: {error}")
        return 0
    bad = 0
    for (name, version), identifiers in found.items():
        for identifier in identifiers:
            if identifier in ACCEPTED:
                print(f"audit: {name} {version}: {identifier} accepted: {ACCEPTED[identifier]}")
            elif (about := told(service, identifier)) is not None:
                print(f"audit: {name} {version}: {identifier}: {about}")
                bad += 1
    print(f"audit: {len(packages)} packages checked, {bad} known vulnerabilities")
    return 1 if bad else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--service", default=SERVICE)
    arguments.add_argument("locks", type=Path, nargs="+")
    given = arguments.parse_args()
    sys.exit(audit(given.service.rstrip("/"), given.locks))
