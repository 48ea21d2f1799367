"""The program as the container runs it: no root, no capability, no new privilege, and nothing to write but its data."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confined
import pytest
from processes import ROOT, Ended, LateClock, Process, Site, client, due_store, until

from connector.sandbox import Server
from crm.sandbox import klaviyo

NOTHING = "0000000000000000"


class Box(Site):
    """A configuration that is only read, and one folder for data, where every command stands: as in the image."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.data, config_folder = folder / "data", folder / "config"
        self.writable = [str(self.data)]
        for each in (folder, self.data, config_folder):
            each.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self.data.chmod(0o777)  # whoever the program becomes
        super().__init__(config_folder, f"sqlite:///{self.data}/winback.db", config)

    def start(self, *arguments: str, extra_env: Any = None, **options: Any) -> Process:
        """`winback ARGUMENTS -c FILE`, held."""
        return self.held(sys.executable, "-m", "connector", *arguments, "-c", str(self.file))

    def held(self, *command: str) -> Process:
        """Any command, held."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("WINBACK_", "TMP"))}
        env |= {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
        process = Process([sys.executable, confined.__file__, *self.writable, "--", *command], self.data, env)
        self._started.append(process)
        return process


@pytest.fixture
def store() -> Iterator[Any]:
    made = due_store(LateClock(), 5)
    yield made
    made.server.close()


@pytest.fixture
def crm() -> Iterator[Any]:
    made = klaviyo.serve()
    yield made
    made.server.close()


@pytest.fixture
def box(store: Any, crm: Any) -> Iterator[Box]:
    if confined.version() < 1:
        pytest.skip("this kernel has no Landlock: Linux 5.13 or newer, with landlock in /sys/kernel/security/lsm")
    folder = Path(tempfile.mkdtemp(prefix="winback-box-"))  # pytest's own folder is closed to other users
    made = Box(folder, client({"woo": store}, {"bulk": crm}))
    yield made
    made.close()
    shutil.rmtree(folder)


def rights(process: Process) -> dict[str, str]:
    """What the kernel says that a process may do."""
    lines = Path(f"/proc/{process.popen.pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def health_check(port: int) -> list[str]:
    """The command of the image's health check, at a port."""
    text = (ROOT / "Dockerfile").read_text()
    command: list[str] = json.loads(text.partition("HEALTHCHECK")[2].partition("CMD ")[2].splitlines()[0])
    return [sys.executable, *(word.replace("8484", str(port)) for word in command[1:])]


def free_port() -> int:
    with Server(lambda _: None) as server:  # type: ignore[arg-type,return-value]
        return server.port


def test_the_daemon_works_with_nothing_but_its_data(box: Box, crm: Any) -> None:
    port = free_port()
    box.settings({"database_url": box.url, "http": {"listen": f"127.0.0.1:{port}"}})
    assert box.held(*health_check(port)).end().code == 1, "nothing answers yet"
    daemon = box.daemon()
    until(lambda: len(crm.effects) == 5, "everybody is enrolled")
    held = rights(daemon)
    assert [held[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == [NOTHING] * 5
    assert held["NoNewPrivs"] == "1"
    assert box.held(*health_check(port)).end().code == 0
    commands = (
        ["leads"], ["sync", "--dry-run"], ["backup", "-o", str(box.data / "b.db")], ["templates", "preview"],
        ["suppress", "x@example.com"],
    )  # fmt: skip
    for said in [begun.end() for begun in [box.start(*words) for words in commands]]:
        assert (said.code, said.err) == (0, ""), said
    started = time.monotonic()
    ended = daemon.terminate()
    assert time.monotonic() - started < 10
    assert ended.code == 0
    assert not re.search("denied|read-only|Traceback", ended.err, re.IGNORECASE), ended.err
    assert box.run("restore", "--force", str(box.data / "b.db")).code == 0


def test_the_box_is_closed(box: Box) -> None:
    """It could not have written elsewhere, nor can what it starts."""
    places = [str(box.file), "/tmp/winback-was-here", str(ROOT / "was-here"), "/dev/shm/was-here"]
    code = f"import os\nfor place in {places}:\n try: open(place, 'a'); print(place)\n except PermissionError: pass\n"
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    for script in (code, nested, f"import tempfile; assert tempfile.gettempdir() == {str(box.data)!r}"):
        ended = box.held(sys.executable, "-c", script).end()
        assert (ended.code, ended.out, ended.err) == (0, "", "")


def one_line(ended: Ended) -> str:
    """Its end is one line on stderr and code 2."""
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), ended
    return ended.err


@pytest.mark.parametrize("exists", [False, True])
def test_data_that_cannot_be_written_is_one_line(box: Box, exists: bool) -> None:
    if exists:
        assert box.run("sync").code == 0
    box.writable = []
    box.data.chmod(0o555)
    assert f"the database folder {box.data} cannot be written: Permission denied" in one_line(box.run("run"))


def test_a_configuration_that_cannot_be_read_is_one_line(box: Box) -> None:
    box.file.chmod(0)
    assert re.search("acme.yaml.* (?:is not readable|cannot be read)", one_line(box.run("run")))
