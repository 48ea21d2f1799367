"""`winback.yaml`, and the environment over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_case import ENV, GOOD, lines_of, write

from connector.config import Settings, load


def settings(folder: Path, text: str | None = None, **env: str) -> Settings:
    """The settings beside a good client's file."""
    if text is not None:
        write(folder, text, "winback.yaml")
    return load(write(folder, GOOD), {**ENV, **env}).settings


def test_without_any_there_are_the_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.database_url.get_secret_value() == "sqlite:///data/winback.db"
    assert (found.engine, found.http.host, found.http.port, found.http.password) == (
        "embedded",
        "127.0.0.1",
        8484,
        None,
    )
    assert (found.public_url, found.log.level, found.log.format) == (None, "info", "auto")
    assert settings(tmp_path, "# nothing yet\n") == found


def test_the_environment_wins_over_the_file_key_by_key(tmp_path: Path) -> None:
    text = "log: {level: debug, format: json}\nhttp: {listen: '127.0.0.1:1'}\n"
    found = settings(tmp_path, text, WINBACK_LOG__LEVEL="error", winback_http__password="pw", WINBACK_ENGINE="")
    assert (found.log.level, found.log.format) == ("error", "json")
    assert found.http.port == 1
    assert found.http.password is not None
    assert found.http.password.get_secret_value() == "pw"


def test_the_file_lies_in_the_folder_too_and_may_hold_references(tmp_path: Path) -> None:
    write(tmp_path, "database_url: postgresql://u:${PG}@db/winback\n", "winback.yml")
    write(tmp_path, GOOD)
    found = load(tmp_path, {**ENV, "PG": "hidden"})
    assert found.settings.database_url.get_secret_value() == "postgresql://u:hidden@db/winback"
    assert "hidden" not in repr(found)
    assert len(found.clients) == 1


def test_the_process_environment_is_not_read_where_another_is_given(tmp_path: Path, tmp_path_factory: object) -> None:
    assert settings(tmp_path, WINBACK_LOG__LEVEL="debug").log.level == "debug"
    assert settings(tmp_path).log.level == "info"


@pytest.mark.parametrize("listen", ["127.0.0.1:8484", "[::1]:80", "localhost:0", "127.8.8.8:65535"])
def test_loopback_needs_no_password(listen: str, tmp_path: Path) -> None:
    assert settings(tmp_path, WINBACK_HTTP__LISTEN=listen).http.password is None


@pytest.mark.parametrize("listen", ["0.0.0.0:8484", "[::]:8484", "192.168.1.5:80", "winback.example:80"])
def test_any_other_address_does(listen: str, tmp_path: Path) -> None:
    write(tmp_path, f"http:\n  listen: '{listen}'\n", "winback.yaml")
    words = f"{listen} can be reached from other machines: set http.password, or listen on 127.0.0.1"
    assert lines_of(write(tmp_path, GOOD)) == [f"winback.yaml:1: http: {words}"]
    assert settings(tmp_path, WINBACK_HTTP__PASSWORD="pw").http.listen == listen


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WINBACK_LOG__LEVEL", "loud", "must be one of debug, info, warning, error"),
        ("WINBACK_LOG__LEVLE", "info", "unknown key; did you mean level?"),
        ("WINBACK_HTTP__LISTEN", "8484", "write an address and a port, such as 127.0.0.1:8484"),
        ("WINBACK_HTTP__LISTEN", "127.0.0.1:99999", "write an address and a port, such as 127.0.0.1:8484"),
        ("WINBACK_HTTP", "8484", "a block of keys is needed here"),
        ("WINBACK_HTTP", "127.0.0.1", "name each key by itself, such as WINBACK_HTTP__KEY"),
        ("WINBACK_DATABSE_URL", "x", "unknown setting; did you mean WINBACK_DATABASE_URL?"),
        ("WINBACK_LOG_LEVEL", "info", "unknown setting; did you mean WINBACK_LOG__LEVEL?"),
        ("WINBACK_ENGINE", "celery", "must be embedded"),
        (
            "WINBACK_PUBLIC_URL",
            "shop",
            "'the value of WINBACK_PUBLIC_URL' is not a web address; write it with https://",
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(name: str, value: str, line: str, tmp_path: Path) -> None:
    assert lines_of(write(tmp_path, GOOD), {**ENV, name: value}) == [f"environment: {name}: {line}"]


def test_other_variables_of_that_beginning_are_let_be(tmp_path: Path) -> None:
    assert settings(tmp_path, WINBACK_ACME_MAILCHIMP="x", WINBACK_CONFIG="y") == settings(tmp_path)


def test_what_is_neither_a_setting_nor_used_is_noted(tmp_path: Path) -> None:
    text = GOOD.replace("${ACME_SECRET}", "${WINBACK_ACME}")
    env = {**ENV, "WINBACK_ACME": "x", "WINBACK_DB_URL": "sesame", "WINBACK_COLOUR": "y", "WINBACK_LOG__LEVEL": "info"}
    notes = [str(note) for note in load(write(tmp_path, text), env).notes]
    nothing = "no setting and used by no file, so it does nothing"
    assert notes == [
        f"environment: WINBACK_COLOUR: {nothing}",
        f"environment: WINBACK_DB_URL: {nothing}; did you mean WINBACK_DATABASE_URL?",
    ]
    assert not load(write(tmp_path, GOOD), ENV).notes


def test_a_password_in_the_database_url_is_never_shown(tmp_path: Path) -> None:
    for url in ("mysql://root:sesame@db/x", "postgresql:/root:sesame@db", "sqlite://sesame"):
        write(tmp_path, f"database_url: {url}\n", "winback.yaml")
        words = "write sqlite:///data/winback.db, or an address that starts with postgresql://"
        assert lines_of(write(tmp_path, GOOD)) == [f"winback.yaml:1: database_url: {words}"]


def test_two_settings_files_are_one_too_many(tmp_path: Path) -> None:
    write(tmp_path, "", "winback.yaml")
    write(tmp_path, "", "winback.yml")
    assert lines_of(write(tmp_path, GOOD)) == ["winback.yml: there is winback.yaml too; keep one of them"]
