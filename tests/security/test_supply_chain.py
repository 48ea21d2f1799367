"""What a release is made of: locked with hashes, under licences that allow it, listed, and asked about."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector import __version__
from connector.sandbox import Reply, Request, Server

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".ci"))

import sbom

ROOT = Path(__file__).resolve().parent.parent.parent
CI = ROOT / ".ci"
LOCKS = sorted(ROOT.glob("requirements*.lock"))


def document() -> Any:
    return json.loads((ROOT / "winback.cdx.json").read_text())


def test_every_package_is_locked_to_a_version_and_its_hashes() -> None:
    assert [lock.name for lock in LOCKS] == ["requirements-build.lock", "requirements-dev.lock", "requirements.lock"]
    for lock in LOCKS:
        text = lock.read_text()
        locked = list(sbom.read_lock(lock))
        assert len(locked) == len(re.findall(r"^\S", text, re.MULTILINE))
        assert not re.search(r"://|^-|@ ", text, re.MULTILINE), "nothing comes from anywhere but the index"
    installs = (ROOT / "Makefile").read_text() + (ROOT / "Dockerfile").read_text()
    for line in re.findall(r"(?:pip|PIP\)) (?:install|wheel) [^&]*?-r \S+", installs.replace("\\\n", " ")):
        assert "--require-hashes" in line.replace("$(LOCKED)", "--require-hashes").replace(
            "$(LOCKED_SOURCES)", "--require-hashes"
        ), line


@pytest.mark.parametrize("entry", ["x==1.0", "x>=1.0 \\\n    --hash=sha256:" + "a" * 64, "x==1 --hash=md5:abc", "-e ."])
def test_a_lock_without_version_or_hash_is_refused(tmp_path: Path, entry: str) -> None:
    lock = tmp_path / "x.lock"
    lock.write_text(f"a==1 \\\n    --hash=sha256:{'b' * 64}\n{entry}\n")
    with pytest.raises(ValueError, match="neither version nor hash"):
        list(sbom.read_lock(lock))


def test_the_list_of_parts_is_current() -> None:
    assert (ROOT / "winback.cdx.json").read_text() == sbom.text(), "run make sbom"


def test_the_list_names_every_locked_package_with_version_licence_and_hashes() -> None:
    parts = {part["name"]: part for part in document()["components"]}
    text = (ROOT / "requirements.lock").read_text()
    assert set(parts) == set(re.findall(r"^([a-z0-9.-]+)==", text, re.MULTILINE))
    listed = [one["content"] for part in parts.values() for ref in part["externalReferences"] for one in ref["hashes"]]
    assert sorted(listed) == sorted(re.findall(r"sha256:([0-9a-f]{64})", text))
    for name, part in parts.items():
        assert f"{name}=={part['version']}" in text
        assert part["purl"] == f"pkg:pypi/{name}@{part['version']}"
        assert part["licenses"]
    about = document()
    assert (about["bomFormat"], about["specVersion"]) == ("CycloneDX", "1.6")
    assert about["metadata"]["component"]["version"] == __version__


def test_the_list_of_parts_goes_into_wheel_and_image(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", tmp_path, ROOT], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/sboms/winback.cdx.json")]
        assert archive.read(name) == (ROOT / "winback.cdx.json").read_bytes()
    copied = re.search(r"^COPY pyproject.toml .*", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert copied is not None
    assert "winback.cdx.json" in copied[0]
    assert "!winback.cdx.json" in (ROOT / ".dockerignore").read_text().splitlines()


def test_a_licence_that_is_not_known_to_be_fine_is_refused() -> None:
    assert sbom.licence("sqlalchemy") == "MIT"
    with pytest.raises(ValueError, match="its licence is unknown"):
        sbom.licence("no-such-package")
    with pytest.raises(ValueError, match="sqlalchemy is under MIT: may it be given away"):
        sbom.licence("sqlalchemy", frozenset({"BSD-3-Clause"}))
    assert not {"GPL-2.0-only", "GPL-3.0-only", "AGPL-3.0-only"} & sbom.ALLOWED


class Osv:
    """A stand-in for osv.dev on loopback."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.withdrawn: set[str] = set()
        self.answer: Reply | None = None
        self.asked: list[Any] = []
        self.server = Server(self._reply)

    def _reply(self, request: Request) -> Reply:
        if self.answer:
            return self.answer
        if request.path == "/v1/querybatch":
            self.asked += request.json()["queries"]
            names = [query["package"]["name"] for query in request.json()["queries"]]
            rows = [
                {"vulns": [{"id": one} for one in self.known[name]]} if name in self.known else {} for name in names
            ]
            return Reply(200, {"results": rows})
        identifier = request.path.rpartition("/")[2]
        gone = {"withdrawn": "2026-01-01T00:00:00Z"} if identifier in self.withdrawn else {}
        return Reply(200, {"id": identifier, "summary": "requests can be smuggled", **gone})


@pytest.fixture
def osv() -> Iterator[Osv]:
    made = Osv()
    yield made
    made.server.close()


def audit(service: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(CI / "audit.py"), "--service", service, *map(str, LOCKS)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_every_locked_package_is_asked_about(osv: Osv) -> None:
    code, said = audit(osv.server.url)
    locked = {(one.name, one.version) for lock in LOCKS for one in sbom.read_lock(lock)}
    assert {(query["package"]["name"], query["version"]) for query in osv.asked} == locked
    assert {query["package"]["ecosystem"] for query in osv.asked} == {"PyPI"}
    assert (code, said) == (0, f"audit: {len(locked)} packages checked, 0 known vulnerabilities\n")


def test_a_known_vulnerability_fails_unless_it_was_withdrawn(osv: Osv) -> None:
    osv.known = {"urllib3": ["GHSA-aaaa", "GHSA-bbbb"], "pytest": ["GHSA-cccc"]}
    osv.withdrawn = {"GHSA-bbbb", "GHSA-cccc"}
    code, said = audit(osv.server.url)
    assert code == 1
    assert "GHSA-aaaa: requests can be smuggled\n" in said
    assert "GHSA-bbbb" not in said
    assert said.endswith("1 known vulnerabilities\n")
    osv.withdrawn |= {"GHSA-aaaa"}
    assert audit(osv.server.url)[0] == 0


@pytest.mark.parametrize(
    "answer",
    [
        Reply(503, {}),
        Reply(200, b"<html>log in to this network</html>"),
        Reply(200, {"results": []}),
        Reply(200, {"results": None}),
        Reply(200, []),
        Reply(200, {"results": [[]] * 1000}),
        None,
    ],
)
def test_what_could_not_be_asked_is_not_called_clean(osv: Osv, answer: Reply | None) -> None:
    osv.answer = answer
    if answer is None:
        osv.server.close()
    code, said = audit(osv.server.url)
    assert code == 0
    assert said.startswith("audit: NOT CHECKED: ")
    assert "packages checked" not in said


def test_ci_asks() -> None:
    run = (CI / "run").read_text()
    assert re.search(r"^make audit$", run, re.MULTILINE)
    assert "requirements*.lock" in (ROOT / "Makefile").read_text().partition("audit:")[2].partition("\n\n")[0]
