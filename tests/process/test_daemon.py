"""The daemon as a process: it stops in time, works alone, lets commands work beside it, and reads its files again."""

from __future__ import annotations

import json
import resource
import signal
import socket
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest
from processes import Ended, LateClock, Site, client, due_store, until

from connector.sandbox import Fault
from crm.sandbox import mailchimp

MakeSite = Callable[[dict[str, Any]], Site]
ANN = "ann@example.com"


@pytest.fixture
def clock() -> LateClock:
    """The machine's clock, that can be set back for a while."""
    return LateClock()


@pytest.fixture
def store(clock: LateClock) -> Iterator[Any]:
    """A store where Ann's checkout is due."""
    made = due_store(clock, 0)
    with clock.ago(minutes=40):
        made.abandon(ANN)
    yield made
    made.server.close()


@pytest.fixture
def crm() -> Iterator[Any]:
    """An account that is asked for one shopper at a time."""
    made = mailchimp.serve(path="journey")
    yield made
    made.server.close()


def enrolled(crm: Any) -> Counter[str]:
    """How often each shopper was."""
    return Counter(effect.email for effect in crm.effects if effect.what == "enrolled")


def assert_plain(ended: Ended, code: int) -> str:
    """Its end is one line on stderr, which is returned."""
    assert ended.code == code, ended.err
    assert ended.err.count("\n") == 1, ended.err
    assert "Traceback" not in ended.err
    return ended.err


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sigterm_ends_it_within_ten_seconds_even_while_a_crm_hangs(site: MakeSite, clock: LateClock, crm: Any) -> None:
    names = [f"shopper{n}@example.com" for n in range(9)]
    store = due_store(clock, len(names))
    acme = site(client({"woo": store}, {"mail": crm}))
    hanging: list[str] = []

    def hang(request: Any) -> Fault | None:
        if "trigger" not in request.path or not enrolled(crm):
            return None
        hanging.append(request.path)
        return Fault(delay=15, reset=True)

    crm.server.fault = hang
    daemon = acme.daemon()
    until(lambda: hanging, "the CRM hangs")
    begun = time.monotonic()
    ended = daemon.terminate()
    assert time.monotonic() - begun < 10
    assert ended.code == 0
    assert ended.log[-1] == "stopped; what was still in flight is looked at again at the next start"
    assert "Traceback" not in ended.err
    before = enrolled(crm)
    crm.server.fault = None
    assert acme.run("sync").code == 0
    assert enrolled(crm) == Counter(names)  # nobody twice: not even those who were claimed, and not begun
    assert len(before) < len(names)
    store.server.close()


def test_one_daemon_at_a_time_and_the_next_may_start_at_once(site: MakeSite, store: Any, crm: Any) -> None:
    acme = site(client({"woo": store}, {"mail": crm}))
    first = acme.daemon()
    second, pass_ = acme.start("run"), acme.start("sync")
    for refused in (second.end(), pass_.end()):
        line = assert_plain(refused, 2)
        assert "another winback already works on" in line
        assert "secret" not in line
    until(lambda: enrolled(crm), "the first goes on")
    first.kill()
    heir = acme.daemon()
    begun = time.monotonic()
    ended = heir.terminate()
    assert time.monotonic() - begun < 5
    assert ended.code == 0
    assert ended.log[-2:] == ["SIGTERM: finishing what is in flight", "stopped"]
    assert enrolled(crm) == Counter([ANN])


def test_commands_work_beside_the_daemon(site: MakeSite, store: Any, clock: LateClock, crm: Any) -> None:
    with clock.ago(hours=60):
        store.abandon("old@example.com")
        store.abandon("bob@example.com")
    acme = site(client({"woo": store}, {"mail": crm}))
    daemon = acme.daemon()
    until(lambda: enrolled(crm), "Ann is enrolled")
    writing = [["leads", "enrol", "old@example.com"], ["suppress", "bob@example.com"], ["forget", ANN, "--crms"]]
    reading = [["sync", "--dry-run"], ["check"], ["explain", "old@example.com"], ["deliveries"]]
    together = writing + (reading if "sqlite" in acme.url else [])
    for process in [acme.start(*command) for command in together]:
        ended = process.end()
        assert ended.code == 0, (process.popen.args, ended.err)
        assert ended.err == ""
    until(lambda: enrolled(crm)["old@example.com"], "enrolled by hand")
    until(lambda: crm.status(ANN) == "archived", "forgotten in the CRM")
    assert acme.json("explain", "bob@example.com")["state"] == "suppressed"
    assert enrolled(crm) == Counter([ANN, "old@example.com"])
    ended = daemon.terminate()
    assert ended.code == 0
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_changed_file_is_read_again_and_a_bad_one_refused(
    site: MakeSite, store: Any, clock: LateClock, crm: Any
) -> None:
    acme = site(client({"woo": store}, {"mail": crm}))
    daemon = acme.daemon()
    until(lambda: enrolled(crm), "Ann is enrolled")
    other, third = due_store(clock, 1, name="other"), due_store(clock, 1, name="third")
    acme.config["stores"].append({"id": "second", **other.options()})
    acme.write()
    until(lambda: enrolled(crm)["other0@example.com"], "the new store is polled")
    good = acme.file.read_text()
    acme.write(good.replace("consumer_secret", "konsumer_secret", 1))
    daemon.wait_for("is refused, the old one stays in force")
    said = next(line for line in reversed(daemon.err.splitlines()) if "is refused" in line)
    line = 1 + next(n for n, text in enumerate(good.splitlines()) if "consumer_secret" in text)
    assert f"acme.yaml:{line}" in json.loads(said)["message"]
    assert "konsumer_secret" in said
    assert store.key.consumer_secret not in daemon.err
    with clock.ago(minutes=40):
        other.abandon("late@example.com")
    acme.config["stores"].append({"id": "third", **third.options()})
    acme.write()
    until(lambda: enrolled(crm)["third0@example.com"], "the corrected file is in force")
    until(lambda: enrolled(crm)["late@example.com"], "the stores of before are still polled")
    ended = daemon.terminate()
    assert "Traceback" not in ended.err
    assert max(enrolled(crm).values()) == 1
    for each in (other, third):
        each.server.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_store_that_is_added_while_the_disk_is_full_is_polled_once_there_is_room(
    site: MakeSite, store: Any, crm: Any
) -> None:
    acme = site(client({"woo": store}, {"mail": crm}))
    daemon = acme.daemon()
    until(lambda: enrolled(crm) and not acme.json("deliveries", "list"), "Ann's enrolment is written down")
    room = resource.prlimit(daemon.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.popen.pid, resource.RLIMIT_FSIZE, (4096, room[1]))
    other = due_store(LateClock(), 1, name="other")
    acme.config["stores"].append({"id": "second", **other.options()})
    acme.write()
    daemon.wait_for("Winback goes on when it does")
    resource.prlimit(daemon.popen.pid, resource.RLIMIT_FSIZE, room)
    daemon.wait_for("the database answers again")
    until(lambda: enrolled(crm)["other0@example.com"], "the new store is polled", 15)
    ended = daemon.terminate()
    assert "Traceback" not in ended.err
    assert sum(line.startswith("the configuration was read again") for line in ended.log) == 1
    other.server.close()


def get_metrics(port: int, login: str) -> int:
    """The status that the daemon answers with."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    word = b64encode(login.encode()).decode()
    connection.request("GET", "/metrics", headers={"Authorization": f"Basic {word}"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_new_password_counts_at_once_and_what_wants_a_restart_is_named(site: MakeSite, store: Any, crm: Any) -> None:
    acme = site(client({"woo": store}, {"mail": crm}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    web = {"listen": f"127.0.0.1:{port}", "username": "owner", "password": "sesame-one"}
    acme.settings({"database_url": acme.url, "http": web})
    daemon = acme.daemon()
    assert get_metrics(port, "owner:sesame-one") == 200
    acme.settings({"database_url": acme.url, "http": {**web, "username": "boss", "password": "sesame-two"}})
    daemon.wait_for("the settings were read again: http.username, http.password")
    assert get_metrics(port, "owner:sesame-one") == 401
    assert get_metrics(port, "boss:sesame-two") == 200
    moved = {"listen": "127.0.0.1:1", "password": "sesame-three"}
    acme.settings({"database_url": "sqlite:///elsewhere.db", "http": moved, "log": {"level": "warning"}})
    daemon.wait_for("database_url, http.listen changed in the settings: restart winback to put that in force")
    assert get_metrics(port, "winback:sesame-three") == 200
    ended = daemon.terminate()
    assert ended.code == 0
    assert "sesame" not in ended.err
    assert "elsewhere" not in ended.err
    assert "stopped" not in ended.log, "that is below the level that was set"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sighup_reads_the_files_again_and_ends_nothing(site: MakeSite, store: Any, crm: Any) -> None:
    acme = site(client({"woo": store}, {"mail": crm}))
    daemon = acme.daemon()
    daemon.popen.send_signal(signal.SIGHUP)
    daemon.wait_for("the configuration was read again, of acme")
    until(lambda: enrolled(crm), "it goes on")
    assert daemon.popen.poll() is None
    ended = daemon.terminate()
    assert (ended.code, ended.log[-1]) == (0, "stopped")
