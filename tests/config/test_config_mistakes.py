"""Every mistake an owner can make is told in one line with file, line, key and what to do about it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from config_case import ENV, GOOD, SECRETS, lines_of, loaded, with_change, write

from connector import registry


def cases() -> list[tuple[str, str, list[str]]]:
    """The blocks of mistakes.txt: what to replace, by what, and the lines that are printed."""
    found: list[tuple[str, str, list[str]]] = []
    for line in (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("    ") and found and " =>" not in line:
            found[-1][2].append(line[4:])
        elif " =>" in line and not line.startswith("#"):
            old, new = (re.sub(r"\\(.)", _unescaped, part) for part in line.split(" =>"))
            found.append((old, new.removeprefix(" "), []))
    return found


def _unescaped(match: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(match[1], match[1])


def _with_names(line: str) -> str:
    platforms, crms = registry.options_by_name()
    return line.replace("{platforms}", ", ".join(sorted(platforms))).replace("{adapters}", ", ".join(sorted(crms)))


CASES = cases()


def test_the_file_that_the_cases_start_from_is_right(tmp_path: Path) -> None:
    assert len(CASES) > 80
    assert lines_of(write(tmp_path, GOOD)) == []


@pytest.mark.parametrize(("old", "new", "lines"), CASES, ids=[f"{old[:20]}>{new[:30]}" for old, new, _ in CASES])
def test_a_mistake_is_told(old: str, new: str, lines: list[str], tmp_path: Path) -> None:
    found = lines_of(write(tmp_path, with_change(old, new)))
    assert found == [f"acme.yaml:{_with_names(line)}" for line in lines]
    assert not any(secret in "\n".join(found) for secret in SECRETS)


def bomb() -> bytes:
    """Ten lists of ten aliases each, eight times over."""
    levels = [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", *levels]).encode()


def merging_bomb() -> bytes:
    """The same through merge keys, which leave few keys but take as long."""
    levels = [f"{b}: &{b}\n  <<: [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(["a: &a {x: 1}", *levels]).encode()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", ": the file is empty; config.example.yaml shows what goes into it"),
        (b"# only words\n", ": the file is empty; config.example.yaml shows what goes into it"),
        (b"- client: acme\n", ":1: the file must hold keys, such as client: acme, at its top"),
        (b"hello\n", ":1: the file must hold keys, such as client: acme, at its top"),
        (b"client: acme\nx: \xe9\n", ":2: this is not UTF-8 text; save the file as UTF-8"),
        ("client: acme".encode("utf-16"), ":1: this is not UTF-8 text; save the file as UTF-8"),
        (b"client: acme\nx: \x01\n", ":2: not valid YAML: a control character"),
        (b"[" * 5000, ":1: nested more than 20 levels deep"),
        (b"{a: " * 5000, ":1: nested more than 20 levels deep"),
        (bomb(), ":1: more than 20000 values; do aliases multiply?"),
        (merging_bomb(), ":2: more than 20000 keys, also those that come in through <<"),
        (
            b"".join(b"k%d: 1\n" % n for n in range(25_000)),
            ":1: more than 20000 keys, also those that come in through <<",
        ),
        (b"a: &a [*a]\n", ":1: a value that starts with * refers to an anchor; put it in quotes if it is plain text"),
        ("client: acme".encode("utf-16-le"), ":1: not valid YAML: a control character"),
        (b"\0" * 1000, ":1: not valid YAML: a control character"),
        (b"x" * 300_000, ": is larger than 256 KB"),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_file_that_is_no_configuration_at_all(content: bytes, line: str, tmp_path: Path) -> None:
    assert lines_of(write(tmp_path, content)) == [f"acme.yaml{line}"]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    assert lines_of(write(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())) == []


def test_anchors_and_merge_keys_may_be_used_and_own_keys_win(tmp_path: Path) -> None:
    text = GOOD.replace("  - after: 45m\n", "  - &first\n    after: 45m\n").replace(
        "  - after: 24h\n    campaign", "  - <<: *first\n    after: 24h\n    campaign"
    )
    steps = loaded(tmp_path, text).clients[0].sequence
    assert [(step.after.total_seconds(), step.tags) for step in steps] == [
        (2700, ("abandoned-cart-1",)),
        (86400, ("abandoned-cart-1",)),
    ]


def test_problems_of_all_files_and_of_the_settings_come_at_once_in_order(tmp_path: Path) -> None:
    write(tmp_path, with_change("audience:", "audiense:"))
    write(tmp_path, "client: [\n", "beta.yml")
    write(tmp_path, GOOD.replace("30m", "5m"), "gamma.yaml")
    write(tmp_path, "engin: embedded\n", "winback.yaml")
    assert lines_of(tmp_path) == [
        "winback.yaml:1: engin: unknown key; did you mean engine?",
        "acme.yaml:23: crms.0.audience: this key is required",
        "acme.yaml:26: crms.0.audiense: unknown key; did you mean audience?",
        "beta.yml:1: not valid YAML: a [ or { is not closed, or a value inside it needs quotes",
        "gamma.yaml:15: leads.abandoned_after: must be at least 10 minutes",
    ]


def test_several_mistakes_in_one_file_come_at_once(tmp_path: Path) -> None:
    text = (
        with_change("poll_every: 1m", "poll_every: soon").replace("acme-shop]", "other]").replace("1a2b3c4d5e", "1a-2")
    )
    found = lines_of(write(tmp_path, text.replace("${ACME_KEY}", "${ACME_NONE}")))
    assert [line.split(":")[1] for line in found] == ["8", "12", "26", "32"]


def test_two_files_cannot_be_the_same_client(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, with_change("client: acme", "client: ACME"), "b.yaml")
    assert lines_of(tmp_path) == ["b.yaml:1: client: ACME is already the client in acme.yaml"]


def test_places_that_hold_no_client(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "none.yaml") == ["none.yaml: there is no such file or folder"]
    empty = tmp_path / "clients"
    empty.mkdir()
    words = "there is no client's file in this folder; put one in that ends with .yaml"
    assert lines_of(empty) == [f"clients: {words}"]
    write(empty, GOOD, ".hidden.yaml")
    write(empty, GOOD, "notes.txt")
    write(empty, "log: {level: debug}\n", "winback.yaml")
    assert lines_of(empty) == [f"clients: {words}"], "hidden files and the settings are no clients"
    assert lines_of(empty / "winback.yaml") == [
        "winback.yaml: holds the daemon's settings; name a client's file, or the folder of both"
    ]
    (empty / "folder.yaml").mkdir()
    (empty / "loop.yaml").symlink_to("loop.yaml")
    (empty / "lost.yaml").symlink_to("nowhere")
    (empty / "again").symlink_to(".")
    os.mkfifo(empty / "pipe.yaml")
    assert lines_of(empty) == [
        "folder.yaml: is not a file",
        "loop.yaml: there is no such file",
        "lost.yaml: there is no such file",
        "pipe.yaml: is not a file",
    ]


def test_a_folder_of_500_clients(tmp_path: Path) -> None:
    for number in range(500):
        write(tmp_path, GOOD.replace("client: acme", f"client: c{number}"), f"c{number:03}.yaml")
    assert lines_of(tmp_path) == []
    write(tmp_path, GOOD.replace("client: acme", "klient: acme"), "c250.yaml")
    assert {line.split(":")[0] for line in lines_of(tmp_path)} == {"c250.yaml"}


def test_a_written_secret_is_not_shown_by_a_mistake_around_it(tmp_path: Path) -> None:
    secret = "written-in-clear-text"
    for text in (
        with_change("${ACME_SECRET}", f"[{secret}]"),
        with_change("client_secret: ${ACME_SECRET}", f"client_secert: {secret}"),
        with_change("client_secret: ${ACME_SECRET}", f"client_secret:{secret}"),
        with_change("${ACME_SECRET}", f"*{secret}"),
        with_change("${ACME_SECRET}", f"!{secret} x"),
        with_change("${ACME_SECRET}", f"'{secret}"),
        with_change("${ACME_SECRET}", f"{secret}: x"),
        with_change("platform: shopify", "platform: shopfy").replace("${ACME_SECRET}", secret),
    ):
        found = lines_of(write(tmp_path, text), ENV)
        assert found
        assert secret not in "\n".join(found), text


def test_what_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    found = lines_of(write(tmp_path, with_change("client: acme", 'client: acme\n"\\e[2J": 1')))
    assert found == ["acme.yaml:2: \\x1b[2J: unknown key; the keys here are client, stores, leads, sequence, crms"]
