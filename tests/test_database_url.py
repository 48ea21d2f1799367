"""The database's address: what is refused, what is shown of it, and that a file's name means that file."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from connector import log, tables
from connector.database_url import file_of, is_there, name_of, parse_url, passwords, sqlite_url
from connector.db import Database, table, words_of
from connector.errors import ConfigError

BOTH_WAYS = ("postgresql://u:sesame@db.invalid/winback", "postgresql://db.invalid/winback?user=u&password=sesame")


@pytest.mark.parametrize(
    "url", [*BOTH_WAYS, "postgresql+psycopg://u:x@db.invalid/winback?sslpassword=sesame&password=y"]
)
def test_the_name_of_a_database_holds_no_password(url: str) -> None:
    assert name_of(parse_url(url)) == "postgresql://db.invalid/winback"
    assert "sesame" in passwords(parse_url(url))


def test_an_escaped_password_is_known_as_it_is() -> None:
    assert passwords(parse_url("postgresql://u:Sup%40r%3F@h/db")) == ("Sup@r?",)
    assert passwords(parse_url("postgresql://h/db?password=one&password=two")) == ("one", "two")
    assert passwords(parse_url("sqlite:///winback.db")) == ()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:Sup@sesame@db.invalid/winback",
        "postgresql://u:Sup@sesame/99@db.invalid/winback",
        "postgresql://u:Sup@sesame?x=9@db.invalid/winback",
        "postgresql://u:Sup@sesame:9@db.invalid/winback",
        "postgresql://db.invalid:5432/winback?user=u&password=Sup@sesame",
        "postgresql://db.invalid/winback?user=sesame@u",
        "postgresql://u:sesame@db.invalid:sesame/winback",
        "postgresql://u:sesame@[::1/winback",
        "postgresql://u:sesame@db.invalid:0/winback",
        "postgresql://u:sesame@db.invalid:65536/winback",
        "postgresql://u:sesame@db.invalid/win%00back",
        "sqlite:///sesame\0.db",
        "sqlite:///sesame%00.db",
        "sqlite:///sesame\udcff.db",
        "mysql://sesame",
        "sqlite:///",
    ],
)
def test_what_is_unclear_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_url(url)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["q?x.db", "Kunde%20A.db", "p%41.db", "a+b c&d=e#f@g:h.db", "%.db", "%00.db", "é日.db", "?mode=ro", "file:x.db"],
)
def test_a_files_name_means_that_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    assert file_of(parse_url(sqlite_url(file))) == file
    Database(sqlite_url(file)).open().close()
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert is_there(file)


def test_a_file_that_cannot_be_is_said(tmp_path: Path) -> None:
    assert not is_there(tmp_path / "winback.db")
    with pytest.raises(ConfigError, match="File name too long"):
        is_there(tmp_path / ("a" * 300))
    with pytest.raises(ConfigError, match="File name too long"):
        Database(sqlite_url(tmp_path / ("a" * 300)))
    (tmp_path / "winback.db.lock").mkdir()
    with pytest.raises(ConfigError, match=r"winback\.db\.lock cannot be written: Is a directory"):
        Database(sqlite_url(tmp_path / "winback.db")).open().lock()


def test_an_error_shows_nobody_who_was_written_about(database_url: str) -> None:
    database = Database(database_url).open()
    settings, phone = table(tables.Setting), "+43 660 1234567"
    with pytest.raises(IntegrityError) as failed, database.write() as connection:
        connection.execute(settings.insert(), [{"name": phone, "value": None}])
    logged = "".join(traceback.format_exception(failed.value))
    assert "settings" in logged
    assert phone not in logged
    database.close()


def test_the_database_may_say_no_password() -> None:
    log.hide(["Sesame-of-this-test"])
    said = words_of(RuntimeError("failed to resolve host 'Sesame-of-this-test'\n" + "x" * 300))
    assert said.startswith("failed to resolve host '***' x")
    assert len(said) == 200
