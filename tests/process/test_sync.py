"""`winback sync` as a process: what it says, what it returns, and what its dry run leaves alone."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from processes import Ended, LateClock, Site, client, due_store, until
from sqlalchemy import MetaData, create_engine, select

from connector.sandbox import Fault, Reply
from crm.sandbox import activecampaign, klaviyo

MakeSite = Callable[[dict[str, Any]], Site]
SHOPPERS = ["shopper0@example.com", "shopper1@example.com"]


@pytest.fixture
def store() -> Iterator[Any]:
    """A store with two due checkouts."""
    made = due_store(LateClock(), len(SHOPPERS))
    yield made
    made.server.close()


@pytest.fixture
def crms() -> Iterator[dict[str, Any]]:
    """Two accounts."""
    made: dict[str, Any] = {"bulk": klaviyo.serve(), "contacts": activecampaign.serve()}
    yield made
    for each in made.values():
        each.server.close()


def content(url: str) -> dict[str, Sequence[Any]]:
    """Everything in a database, its tables and their rows."""
    engine, found = create_engine(url), MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        rows = {
            each.name: connection.execute(select(each).order_by(*each.columns)).all() for each in found.sorted_tables
        }
    engine.dispose()
    return rows


def effects(crms: dict[str, Any]) -> list[str]:
    """Who was enrolled anywhere."""
    return [effect.email for crm in crms.values() for effect in crm.effects if effect.what == "enrolled"]


def requests(crms: dict[str, Any]) -> int:
    """How many requests any CRM got."""
    return sum(len(crm.server.journal) for crm in crms.values())


def assert_discreet(ended: Ended, site: Site) -> None:
    """No secret on either stream, and no address in the log."""
    for account in site.config["stores"] + site.config["crms"]:
        for key in ("api_key", "consumer_key", "consumer_secret"):
            assert account.get(key, "\n\n") not in ended.out + ended.err
    for email in SHOPPERS:
        assert email not in ended.err
    assert "Traceback" not in ended.err


def test_a_dry_run_lists_who_would_be_enrolled_and_changes_nothing(
    site: MakeSite, store: Any, crms: dict[str, Any]
) -> None:
    acme = site(client({"woo": store}, crms))
    empty = acme.run("sync", "--dry-run")
    assert empty.code == 0, empty.err
    for email in SHOPPERS:
        listed = [line for line in empty.out.splitlines() if email in line]
        assert len(listed) == len(crms)  # once for each CRM
    assert requests(crms) == 0
    assert content(acme.url) == {} if "postgresql" in acme.url else not (acme.folder / "winback.db").exists()
    assert_discreet(empty, acme)


def test_a_dry_run_over_a_used_database_changes_not_a_byte_of_it(
    site: MakeSite, store: Any, crms: dict[str, Any]
) -> None:
    acme = site(client({"woo": store}, crms))
    real = acme.run("sync")
    assert real.code == 0, real.err
    assert_discreet(real, acme)
    assert sorted(effects(crms)) == sorted(SHOPPERS * len(crms))
    with store_clock(store).ago(minutes=40):
        store.abandon("new@example.com")
    before, asked = content(acme.url), requests(crms)
    dry = acme.run("sync", "--dry-run")
    assert dry.code == 0, dry.err
    assert "new@example.com" in dry.out
    assert not any(email in dry.out for email in SHOPPERS)
    assert content(acme.url) == before
    assert requests(crms) == asked


def store_clock(store: Any) -> LateClock:
    """The clock that a store was made with."""
    clock = store.server.clock
    assert isinstance(clock, LateClock)
    return clock


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_store_or_a_crm_that_fails_is_named_and_the_rest_is_done(
    site: MakeSite, store: Any, crms: dict[str, Any]
) -> None:
    broken = due_store(LateClock(), 1, name="broken")
    broken.server.fault = lambda _: Fault(reply=Reply(401, {"message": f"bad key of {SHOPPERS[0]}"}))
    refusing = crms["contacts"]
    refusing.server.fault = lambda _: Fault(reply=Reply(403, {"message": f"no: {refusing.options()['api_key']}"}))
    acme = site(client({"woo": store, "closed": broken}, crms))
    ended = acme.run("sync")
    assert ended.code == 1
    assert any(line.startswith("acme/closed: ") for line in ended.log)
    assert any(line.startswith("acme/contacts: ") for line in ended.log)
    assert not any(line.startswith(("acme/woo: ", "acme/bulk: ")) for line in ended.log)
    for name in ("acme/closed: ", "acme/contacts: "):
        assert sum(line.startswith(name) for line in ended.log) == 1, ended.log
    assert sorted(effects(crms)) == SHOPPERS  # a paused sister store holds nobody, and the other CRM goes on
    assert_discreet(ended, acme)
    broken.server.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("command", [["sync", "--dry-run"], ["run"]])
def test_a_bad_configuration_ends_with_two_and_its_line(
    site: MakeSite, store: Any, crms: dict[str, Any], command: list[str]
) -> None:
    acme = site(client({"woo": store}, crms))
    acme.write(acme.file.read_text().replace("client: acme", "klient: acme"))
    ended = acme.run(*command)
    assert ended.code == 2
    assert "acme.yaml:1: klient" in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert not (acme.folder / "winback.db").exists()
    assert requests(crms) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_pass_promises_nothing_that_it_does_not_do(site: MakeSite, store: Any, crms: dict[str, Any]) -> None:
    """It ends: nobody tries again in 51 seconds."""
    shut = due_store(LateClock(), 1, name="shut")
    shut.server.close()
    acme = site(client({"woo": store, "shut": shut}, crms))
    for _ in range(2):
        ended = acme.run("sync")
        assert ended.code == 1
        assert sum(line.startswith("acme/shut: ") for line in ended.log) == 1, ended.log
        assert ended.log[-1] == "what failed was left as it is: the next pass tries it again"
        assert "tries again in" not in ended.err


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("number", "hangs"), [(signal.SIGINT, "contacts"), (signal.SIGTERM, "store")])
def test_a_signal_ends_it_within_ten_seconds_also_while_somebody_hangs(
    site: MakeSite, store: Any, crms: dict[str, Any], number: signal.Signals, hangs: str
) -> None:
    acme = site(client({"woo": store}, crms))
    server = store.server if hangs == "store" else crms[hangs].server
    hanging: list[str] = []

    def hang(request: Any) -> Fault | None:
        hanging.append(request.path)
        return Fault(delay=40, reset=True)

    server.fault = hang
    process = acme.start("sync")
    until(lambda: hanging, "it waits for an answer")
    begun = time.monotonic()
    process.popen.send_signal(number)
    ended = process.end()
    assert time.monotonic() - begun < 10
    assert (ended.code, ended.out) == (128 + number, "")
    (line,) = ended.log
    assert line.startswith(f"{number.name}: stopping;")
    server.fault = None
    assert acme.run("sync").code == 0
    assert sorted(effects(crms)) == sorted(SHOPPERS * 2), "and nothing twice"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_dry_run_that_is_stopped_leaves_no_copy_behind(
    site: MakeSite, store: Any, crms: dict[str, Any], tmp_path: Path
) -> None:
    acme = site(client({"woo": store}, crms))
    place = tmp_path / "copies"
    place.mkdir()
    store.server.fault = lambda _: Fault(delay=40, reset=True)
    process = acme.start("sync", "--dry-run", extra_env={"TMPDIR": str(place)})
    until(lambda: store.server.journal or any(place.iterdir()), "it is at work")
    time.sleep(1)
    process.popen.send_signal(signal.SIGINT)
    assert process.end().code == 130
    assert list(place.iterdir()) == []
