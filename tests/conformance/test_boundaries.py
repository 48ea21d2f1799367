"""Who may know whom: the connector names no vendor, adapters know only its outside, and a new one is one new file."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from clock import Clock
from conformance_case import ASKED, Moody, a_store, at_once, sandbox_module

import connector
from connector.registry import CRMS, PLATFORMS
from connector.sandbox import Reply, Server, utc_now

ROOT = Path(connector.__file__).resolve().parent.parent
OPEN_TO_ADAPTERS = {"connector.model", "connector.errors", "connector.http", "connector.registry"}
# abilities that some have, each in a file of its own
OPEN_TO_ADAPTERS |= {"connector.merge", "connector.hooks", "connector.coupons"}
# plain judgements that adapters and engine must share: what is a link
OPEN_TO_ADAPTERS |= {"connector.harmless"}
# The site that tells by itself is nobody's product: its API is our own. Its adapter takes its keys from there.
OF_OUR_OWN = "inbound"
OPEN_TO_OUR_OWN = {*OPEN_TO_ADAPTERS, "connector.inbound.options"}
HTTP_LIBRARIES = {"aiohttp", "http", "httpx", "requests", "socket", "ssl", "urllib3", "urllib.request", "websockets"}
ADAPTERS = [path for package in ("platforms", "crm") for path in sorted((ROOT / package).glob("*.py"))]
SANDBOXES = [path for package in ("platforms", "crm") for path in sorted((ROOT / package / "sandbox").glob("*.py"))]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, and every name taken out of a package, with dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{shown(path)} imports relatively"
            packages = ("connector", "platforms", "crm", "platforms.sandbox", "crm.sandbox", "urllib")
            if node.module in packages:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield str(node.module)


def is_in(module: str, places: set[str]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def test_the_connector_names_no_vendor() -> None:
    vendors = {name: cls.title for each in (PLATFORMS, CRMS) for name, cls in each.items() if name != OF_OUR_OWN}
    names = {word.lower() for pair in vendors.items() for word in pair}
    vendor = re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, sorted(names)))})(?![a-z])", re.IGNORECASE)
    found = []
    for path in sorted((ROOT / "connector").rglob("*")):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        lines = [path.name, *path.read_text(encoding="utf-8", errors="replace").splitlines()]
        found += [f"{shown(path)}:{number}: {line.strip()}" for number, line in enumerate(lines) if vendor.search(line)]
    assert not found, "\n".join(["connector/ names a vendor; say what it means in general:", *found])


@pytest.mark.parametrize("path", ADAPTERS, ids=shown)
def test_an_adapter_knows_only_the_outside_of_the_connector(path: Path) -> None:
    other = "crm" if path.parent.name == "platforms" else "platforms"
    for module in imports_of(path):
        allowed = OPEN_TO_OUR_OWN if path.stem == OF_OUR_OWN else OPEN_TO_ADAPTERS
        assert not is_in(module, {"connector"}) or module in allowed, module
        assert not is_in(module, {other, f"{path.parent.name}.sandbox"}), module
        assert not is_in(module, HTTP_LIBRARIES), f"{module}: requests go through the connector's HTTP door"


@pytest.mark.parametrize("path", SANDBOXES, ids=shown)
def test_a_sandbox_knows_only_its_ground(path: Path) -> None:
    package = path.parent.parent.name
    for module in imports_of(path):
        assert not is_in(module, {"connector"}) or module in {*OPEN_TO_ADAPTERS, "connector.sandbox"}, module
        assert not is_in(module, {"platforms", "crm"}) or is_in(module, {f"{package}.sandbox"}), (
            f"{module}: what a sandbox takes from its adapter it cannot hold against it"
        )


@pytest.mark.parametrize("path", ADAPTERS, ids=shown)
def test_an_adapter_does_not_look_at_the_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            call = f"{ast.unparse(node.func.value)}.{node.func.attr}"
            assert node.func.attr not in ("now", "utcnow", "today"), f"line {node.lineno}: {call}"
            assert call != "time.time", f"line {node.lineno}: {call}"


def test_each_adapter_has_a_file_of_its_own_name() -> None:
    for package, found in (("platforms", PLATFORMS), ("crm", CRMS)):
        files = {path.stem for path in (ROOT / package).glob("*.py") if not path.stem.startswith("_")}
        assert set(found) == files


@pytest.mark.parametrize("name", sorted(CRMS))
def test_no_secret_can_be_in_a_campaign(name: str) -> None:
    """A lead keeps the steps that it started with in the database."""
    schema = CRMS[name].Options.model_json_schema()
    campaign = json.dumps(schema["properties"]["campaign"])
    while found := re.search(r'\{"\$ref": "#/\$defs/(\w+)"\}', campaign):
        campaign = campaign.replace(found[0], json.dumps(schema["$defs"][found[1]]))
    assert "password" not in campaign


def test_an_adapter_without_a_sandbox_is_told_what_to_add() -> None:
    with pytest.raises(
        pytest.fail.Exception, match=r"Add crm/sandbox/penpal\.py with a function serve\(clock="
    ) as told:
        sandbox_module("crm", "penpal")
    assert "CrmSandbox; connector/sandbox.py says what it must offer." in str(told.value)


PENPAL = '''"""Penpal: a CRM that exists only here. Endpoint: GET /me, POST /letters. Documentation read: never."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr

from connector.errors import WinbackError
from connector.http import Http, Rate
from connector.model import Enrolment, Health, Identity, Receipt, Withdrawal
from connector.registry import CRMS, PLATFORMS, Cap, CrmOptions, Strict, crm


class Campaign(Strict):
    """The letter to send."""

    letter: int = Field(gt=0)


class PenpalOptions(CrmOptions):
    """The keys of a Penpal account."""

    adapter: Literal["penpal"]
    api_key: SecretStr
    colour: Literal["blue", "black"] = Field("blue", description="Of the ink.")
    campaign: Campaign | None = None


@crm
class Penpal:
    name: ClassVar[str] = "penpal"
    title: ClassVar[str] = "Penpal"
    capabilities: ClassVar[frozenset[Cap]] = frozenset({Cap.CAMPAIGN})
    rate: ClassVar[Rate] = Rate(per_second=5)
    batch: ClassVar[int] = 1
    exit_condition: ClassVar[str] = "Nothing has to be set in Penpal."
    repeats: ClassVar[str] = "If an answer is lost, a letter may be sent twice."
    Options: ClassVar[type[CrmOptions]] = PenpalOptions

    def __init__(self, options: PenpalOptions, http: Http) -> None:
        key = options.api_key.get_secret_value()
        origin = options.base_url or "https://penpal.example"
        headers = {"authorization": f"Bearer {key}"}
        rate = options.limit(self.rate)
        self._door = http.door(origin, name="Penpal", rate=rate, headers=headers, secrets=options.secrets())

    def check(self) -> Health:
        return Health(Identity(str(self._door.request("GET", "/me").json()["id"])))

    def prepare(self, fields: Sequence[str], tags: Sequence[str]) -> None: ...

    def enrol(self, enrolment: Enrolment) -> Receipt:
        self._door.request("POST", "/letters", json={"to": enrolment.email})
        return Receipt()

    def enrol_many(self, enrolments: Sequence[Enrolment]) -> Sequence[Receipt | WinbackError]:
        return [self.enrol(one) for one in enrolments]

    def refresh(self, enrolment: Enrolment) -> Receipt:
        return Receipt()

    def withdraw(self, withdrawal: Withdrawal) -> None: ...

    def forget(self, email: str, *, permanently: bool) -> None: ...
'''


class Tree:
    """A copy of the packages and of this suite, with one new file in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("connector", "platforms", "crm", "tests/conformance"):
            shutil.copytree(ROOT / name, folder / name)
        for name in ("pyproject.toml", "tests/conftest.py", "tests/clock.py"):
            shutil.copy2(ROOT / name, folder / name)
        (folder / "crm" / "penpal.py").write_text(PENPAL, encoding="utf-8")

    def client(self, name: str, stores: list[dict[str, Any]], **keys: Any) -> str:
        """Writes a client's file with a Penpal account that has these keys."""
        account = {"id": "letters", "adapter": "penpal", "api_key": "pp_0123456789", **keys}
        config = {"client": "acme", "crms": [account], "stores": stores}
        (self.folder / name).write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return name

    def line(self, name: str, text: str) -> int:
        """The number of the first line of a file that holds this text."""
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m …` on the copy."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WINBACK_"))}
        env |= {"PYTHONPATH": str(self.folder), "NO_COLOR": "1"}
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_a_new_adapter_is_one_new_file(tree: Tree, http: Moody) -> None:
    penpal = Server(lambda request: Reply(200, {"id": "penpal-1"}) if request.path == "/me" else Reply(404))
    with penpal, a_store(min(ASKED), Clock(utc_now()), http) as store:
        stores = [{"id": "shop", **store.sandbox.options()}]
        good = tree.client("good.yaml", stores, base_url=penpal.url, colour="black", campaign={"letter": 7})
        wrong = tree.client("wrong.yaml", stores, color="black", campaign={"letter": 0})
        listed, schema, offline, refused, live = at_once(
            [
                lambda: tree.python("connector", "adapters", "--json"),
                lambda: tree.python("connector.config.schema"),
                lambda: tree.python("connector", "check", "--offline", "-c", good),
                lambda: tree.python("connector", "check", "--offline", "-c", wrong),
                lambda: tree.python("connector", "check", "-c", good),
            ]
        )
    (row,) = [row for row in json.loads(listed.stdout) if row["name"] == "penpal"]
    assert (row["title"], row["kind"], row["capabilities"]) == ("Penpal", "crm", ["campaign"])
    keys = json.loads(schema.stdout)["$defs"]["PenpalOptions"]["properties"]
    assert keys["colour"]["description"] == "Of the ink."
    assert (offline.returncode, offline.stderr) == (0, ""), offline
    assert refused.returncode == 2
    said = refused.stderr.splitlines()
    misspelt, odd = tree.line(wrong, "color"), tree.line(wrong, "letter: 0")
    assert [one for one in said if one.startswith(f"wrong.yaml:{misspelt}:") and "color" in one and "colour" in one]
    assert [one for one in said if one.startswith(f"wrong.yaml:{odd}:") and "letter" in one], "the campaign too"
    assert live.returncode == 0, live
    assert "acme/letters: ok, Penpal: penpal-1" in live.stdout
    assert "pp_0123456789" not in live.stdout + live.stderr


def test_a_new_adapter_gets_this_suite(tree: Tree) -> None:
    run = ("pytest", "-q", "-p", "no:xdist", "tests/conformance/test_crms.py", "-k", "penpal and (opted or class)")
    said = tree.python(*run)
    assert "1 passed" in said.stdout, said
    assert "The adapter penpal has no sandbox. Add crm/sandbox/penpal.py with a function serve" in said.stdout
    assert said.returncode == 1
