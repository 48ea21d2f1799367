"""Changes are noticed, good ones are taken, bad ones leave everything as it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from config_case import ENV, GOOD, with_change, write
from pydantic import field_validator

from connector import registry
from connector.config import ConfigProblems, Loaded, changed, load, reload
from connector.options import CrmOptions

SECOND = with_change("client: acme", "client: beta")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two clients, their settings and a mounted secret."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("mounted-one\n")
    write(tmp_path, GOOD.replace("${ACME_MAILCHIMP}", "${file:secret/key}"))
    write(tmp_path, SECOND, "beta.yaml")
    write(tmp_path, "log: {level: debug}\n", "winback.yaml")
    return tmp_path


def key_of(found: Loaded) -> str:
    """The Mailchimp key of the first client."""
    return str(found.client("acme").crms[0].secrets()[0])


def test_nothing_has_changed_until_something_does(folder: Path) -> None:
    assert not changed(load(folder, ENV))


@pytest.mark.parametrize(
    "what", ["edit", "same size", "replace", "new", "delete", "settings", "settings gone", "secret"]
)
def test_every_kind_of_change_is_seen(what: str, folder: Path) -> None:
    found = load(folder, ENV)
    if what == "edit":
        write(folder, SECOND + "# more\n", "beta.yaml")
    elif what == "same size":
        write(folder, SECOND.replace("45m", "46m"), "beta.yaml")
    elif what == "replace":
        os.replace(write(folder, SECOND, "new.txt"), folder / "beta.yaml")
    elif what == "new":
        write(folder, GOOD, "gamma.yml")
    elif what == "delete":
        (folder / "beta.yaml").unlink()
    elif what == "settings":
        write(folder, "log: {level: error}\n", "winback.yaml")
    elif what == "settings gone":
        (folder / "winback.yaml").unlink()
    else:
        (folder / "secret/key").write_text("mounted-two\n")
    assert changed(found)


def test_other_files_in_the_folder_are_no_change(folder: Path) -> None:
    found = load(folder, ENV)
    for name in (".acme.yaml.swp", "notes.txt", ".hidden.yaml"):
        write(folder, "x", name)
    assert not changed(found)


def test_settings_that_appear_beside_a_file_are_a_change(tmp_path: Path) -> None:
    found = load(write(tmp_path, GOOD), ENV)
    write(tmp_path, "log: {level: debug}\n", "winback.yaml")
    assert changed(found)


def test_a_link_that_is_turned_to_other_content_is_a_change(tmp_path: Path) -> None:
    # That is how Kubernetes updates a mounted ConfigMap.
    for version, text in (("one", GOOD), ("two", GOOD.replace("45m", "50m"))):
        (tmp_path / version).mkdir()
        write(tmp_path / version, text)
    clients = tmp_path / "clients"
    clients.mkdir()
    (clients / "..data").symlink_to(tmp_path / "one")
    (clients / "acme.yaml").symlink_to(clients / "..data/acme.yaml")
    found = load(clients, ENV)
    (clients / "..tmp").symlink_to(tmp_path / "two")
    os.replace(clients / "..tmp", clients / "..data")
    assert changed(found)
    assert load(clients, ENV).clients[0].sequence[0].after.total_seconds() == 3000


def test_a_broken_file_is_read_once_and_again_only_when_it_changes(folder: Path) -> None:
    write(folder, "client: [", "beta.yaml")
    with pytest.raises(ConfigProblems) as caught:
        load(folder, ENV)
    assert not changed(caught.value)
    write(folder, SECOND, "beta.yaml")
    assert changed(caught.value)


def test_a_missing_secret_that_is_mounted_later_is_a_change(folder: Path) -> None:
    (folder / "secret/key").unlink()
    with pytest.raises(ConfigProblems) as caught:
        load(folder, ENV)
    assert not changed(caught.value)
    (folder / "secret/key").write_text("back\n")
    assert changed(caught.value)


def test_the_fingerprint_tells_contents_apart_secrets_included(folder: Path) -> None:
    first = load(folder, ENV)
    assert load(folder, ENV).fingerprint == first.fingerprint
    (folder / "secret/key").write_text("mounted-two\n")
    assert load(folder, ENV).fingerprint != first.fingerprint
    (folder / "secret/key").write_text("mounted-one\n")
    assert load(folder, {**ENV, "ACME_SECRET": "another"}).fingerprint != first.fingerprint
    assert load(folder, {**ENV, "WINBACK_LOG__LEVEL": "error"}).fingerprint != first.fingerprint
    assert load(folder, {**ENV, "UNRELATED": "x"}).fingerprint == first.fingerprint


def test_a_good_change_is_taken_and_a_bad_one_keeps_only_its_own_client(folder: Path) -> None:
    first = load(folder, ENV)
    write(folder, "client: [", "beta.yaml")
    write(folder, "engine: none\n", "winback.yaml")
    (folder / "secret/key").write_text("mounted-two\n")
    second = reload(first, ENV)
    assert key_of(second) == "mounted-two"
    assert second.client("beta") == first.client("beta")
    assert second.settings == first.settings
    assert second.files == first.files
    assert [problem.file for problem in second.problems] == ["winback.yaml", "beta.yaml"]
    assert not changed(second)
    write(folder, SECOND.replace("45m", "50m"), "beta.yaml")
    write(folder, "log: {level: error}\n", "winback.yaml")
    third = reload(second, ENV)
    assert third.problems == ()
    assert third.settings.log.level == "error"
    assert third.client("beta").sequence[0].after.total_seconds() == 3000


def test_a_client_whose_file_is_gone_is_gone_even_beside_a_broken_one(folder: Path) -> None:
    first = load(folder, ENV)
    (folder / "beta.yaml").unlink()
    write(folder, "client: [")
    assert [client.client for client in reload(first, ENV).clients] == ["acme"]


def test_a_folder_that_cannot_be_read_changes_nothing(folder: Path) -> None:
    first = load(folder, ENV)
    folder.rename(folder.with_name("away"))
    second = reload(first, ENV)
    assert second.clients == first.clients
    assert second.problems
    folder.with_name("away").rename(folder)
    assert changed(second)
    assert reload(second, ENV).problems == ()


def test_a_new_file_cannot_take_the_name_of_a_client_that_is_there(folder: Path) -> None:
    first = load(folder, ENV)
    write(folder, GOOD.replace("45m", "50m"), "zz.yaml")
    second = reload(first, ENV)
    assert second.files == first.files
    assert second.client("acme").sequence == first.client("acme").sequence
    assert [str(problem) for problem in second.problems] == [
        "zz.yaml:1: client: acme is already the client in acme.yaml"
    ]


class Odd(CrmOptions):
    """Stands for whatever an adapter's check may raise that is no ValidationError."""

    @field_validator("tags")
    @classmethod
    def _never(cls, value: object) -> object:
        raise ZeroDivisionError


def test_whatever_a_check_raises_is_a_refused_change_of_that_file(folder: Path) -> None:
    adapter: Any = type("Adapter", (), {"name": "odd", "title": "Odd", "Options": Odd})
    first = load(folder, ENV)
    registry.CRMS["odd"] = adapter
    try:
        write(folder, SECOND + "  - {id: odd, adapter: odd, tags: [a]}\n", "beta.yaml")
        second = reload(first, ENV)
        with pytest.raises(ConfigProblems) as refused:
            load(folder, ENV)
    finally:
        del registry.CRMS["odd"]
    said = "beta.yaml: cannot be checked: unexpected ZeroDivisionError; change back what you changed"
    assert [str(problem) for problem in second.problems] == [str(refused.value)] == [said]
    assert second.clients == first.clients
    assert not changed(second)
