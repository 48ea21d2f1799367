"""`${NAME}` and `${file:…}`: what they bring is a value, never YAML, and is shown nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from config_case import ENV, GOOD, lines_of, loaded, with_change, write
from pydantic import SecretStr, field_validator

from connector import registry
from connector.options import CrmOptions

TAGS = "[abandoned-cart-1]"


def tag(folder: Path, written: str, **env: str) -> str:
    """What a tag written like this becomes."""
    return loaded(folder, with_change(TAGS, f"\n      - {written}"), {**ENV, **env}).clients[0].sequence[0].tags[0]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${X}", "one: two"),
        ("a ${X} b ${X}", "a one: two b one: two"),
        ('"${X}"', "one: two"),
        ("'${X}'", "one: two"),
        ("${ X }", "one: two"),
        ("$${X}", "${X}"),
        ("$$${X}", "$${X}"),
        ("$X", "$X"),
        ("costs 5$", "costs 5$"),
    ],
)
def test_a_reference_is_filled_in(written: str, value: str, tmp_path: Path) -> None:
    assert tag(tmp_path, written, X="one: two") == value


@pytest.mark.parametrize(
    "value", ["a\n  - b: c", "[1, 2]", "{a: b}", "&x y", "*x", "!!int 3", "null", "true", "# no", "'"]
)
def test_what_a_reference_brings_is_text_and_no_yaml(value: str, tmp_path: Path) -> None:
    assert tag(tmp_path, "${X}", X=value) == value


def test_what_a_reference_brings_holds_no_further_reference(tmp_path: Path) -> None:
    assert tag(tmp_path, "${X}", X="${ACME_SECRET}") == "${ACME_SECRET}"


def test_a_number_may_come_from_the_environment(tmp_path: Path) -> None:
    text = with_change("{journey: 12, step: 34}", '{journey: "${N}", step: 34}').replace("45m", "${WAIT}")
    config = loaded(tmp_path, text, {**ENV, "N": "77", "WAIT": "50m"}).clients[0]
    assert config.crms[0].campaign.journey == 77
    assert config.sequence[0].after.total_seconds() == 3000


def test_a_mounted_secret_loses_its_line_end_and_nothing_else(tmp_path: Path) -> None:
    for content, value in ((b"s3cret\n", "s3cret"), (b" s3cret \r\n", " s3cret "), (b"\xef\xbb\xbfx\n", "x")):
        (tmp_path / "secret").write_bytes(content)
        assert tag(tmp_path, f"${{file:{tmp_path}/secret}}") == value
        assert tag(tmp_path, "${file:secret}") == value, "counted from the file that names it"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file {path}; mount the secret there or correct the path"),
        (b"", "the file {path} is empty"),
        (b"\n", "the file {path} is empty"),
        (b"\xff\xfe\xfa", "the file {path} is not UTF-8 text"),
        (b"x" * 70_000, "the file {path} is larger than 64 KB; that is no secret"),
        ("folder", "{path} is not a file"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told_with_its_line(content: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    found = lines_of(write(tmp_path, with_change("${ACME_SECRET}", f"${{file:{path}}}")))
    assert found == [f"acme.yaml:7: stores.0.client_secret: {words.format(path=path)}"]


def test_an_empty_variable_is_as_bad_as_none(tmp_path: Path) -> None:
    found = lines_of(write(tmp_path, GOOD), {**ENV, "ACME_SECRET": " "})
    assert found == ["acme.yaml:7: stores.0.client_secret: the environment variable ACME_SECRET is empty"]


@pytest.mark.parametrize("secret", ["abc", "hunter2", "line\nbreak\\and 'quotes' \"two\"", "https://secret.example/x/"])
@pytest.mark.parametrize("key", ["poll_every", "base_url", "requests_per_second", "id", "platform", "allow_insecure"])
def test_a_value_from_outside_is_shown_as_its_reference(key: str, secret: str, tmp_path: Path) -> None:
    text = GOOD.replace(f"    {key}: ", "    was: ", 1) if f"    {key}: " in GOOD[:240] else GOOD
    text = text.replace("    poll_every: 1m\n", "    poll_every: 1m\n" if key != "poll_every" else "")
    text = text.replace("    shop: acme", f"    {key}: ${{PLANTED}}\n    shop: acme").replace(
        "  - id: acme-shop", "  - id: a"
    )
    text = text.replace("    was: shopify\n", "")
    if key == "id":  # an id is listed where another one is not found; it is taken out from six letters on
        secret = secret.replace("abc", "abcdef")
        text = text.replace("  - id: a\n    platform: shopify", "  - platform: shopify")
    found = "\n".join(lines_of(write(tmp_path, text), {**ENV, "PLANTED": secret}))
    for form in (secret, repr(secret)[1:-1], secret.rstrip("/")):
        assert form not in found
    assert "Traceback" not in found


class Loose(CrmOptions):
    """The options of an adapter whose own message repeats what it was given."""

    adapter: Literal["loose"]
    api_key: SecretStr

    @field_validator("api_key", mode="before")
    @classmethod
    def _refuse(cls, value: object) -> object:
        raise ValueError(f"{value} is no key")


@pytest.fixture
def loose() -> Iterator[None]:
    """That adapter, on the list for one test."""
    registry.load()
    registry.CRMS["loose"] = cast(Any, SimpleNamespace(name="loose", Options=Loose))
    yield
    del registry.CRMS["loose"]


@pytest.mark.usefixtures("loose")
def test_a_secret_written_in_the_file_is_not_shown_even_if_an_adapter_says_it(tmp_path: Path) -> None:
    text = GOOD + "  - id: other\n    adapter: loose\n    api_key: in-clear\n"
    assert lines_of(write(tmp_path, text)) == ["acme.yaml:35: crms.1.api_key: *** is no key"]
