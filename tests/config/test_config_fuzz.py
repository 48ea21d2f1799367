"""Whatever stands in a file: it loads, or every problem is told in a line, and no secret is in it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from config_case import ENV, GOOD, SECRETS, lines_of, write
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PLANTED = "written-in-the-file-itself"
WRITTEN = GOOD.replace("${ACME_SECRET}", PLANTED)
PIECES = st.sampled_from(
    [
        *(
            "client",
            "stores",
            "crms",
            "leads",
            "sequence",
            "platform",
            "adapter",
            "fields",
            "campaign",
            "when",
            "consent",
        ),
        *(
            ": ",
            ":",
            "\n",
            "\n  ",
            "\n  - ",
            "- ",
            "{",
            "}",
            "[",
            "]",
            ", ",
            "&a ",
            "*a",
            "<<: ",
            "!x ",
            "|\n",
            ">\n",
            "? ",
        ),
        *("'", '"', "#", "---\n", "...\n", "%YAML", "\t", "@", "`", "\\", "null", "~", "true", "no", "1e9999", "0x1f"),
        *(
            "shopify",
            "mailchimp",
            "30m",
            "-1",
            "9" * 30,
            "{{ email }}",
            "{{",
            "}}",
            "${ACME_SECRET}",
            "${",
            "$${",
            "\x00",
        ),
        *("\ufeff", "\u2028", "\ud800", "é", "${file:/dev/zero}", "${file:\x00}", ".nan", ".inf", "2020-01-01", "1:30"),
    ]
)
ODD = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=20))
FUZZ = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def check(text: str, name: str = "acme.yaml") -> None:
    """Nothing but plain lines, none of which holds a secret."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text.encode("utf-8", "surrogatepass"), name)
        other = write(Path(folder), GOOD) if name != "acme.yaml" else path
        for line in lines_of(other):
            assert line.startswith((f"{name}:", "acme.yaml:"))
            assert line.isprintable()
            for secret in (*SECRETS, PLANTED):
                assert secret not in line
            assert "pydantic" not in line


@FUZZ
@given(st.lists(PIECES, max_size=40).map("".join) | st.text())
def test_any_text(text: str) -> None:
    check(text)


@FUZZ
@given(st.integers(0, len(WRITTEN)), st.integers(0, 60), ODD)
@example(0, 0, "client: {a: {")
@example(74, 60, "")  # a lost line break: the secret stands behind the shop's name
def test_a_good_file_with_something_odd_in_the_middle(start: int, gone: int, odd: str) -> None:
    check(WRITTEN[:start] + odd + WRITTEN[start + gone :])


@FUZZ
@given(st.integers(0, WRITTEN.count("\n") - 1), st.integers(0, WRITTEN.count("\n") - 1), st.booleans())
def test_a_good_file_with_its_lines_in_disorder(first: int, second: int, deeper: bool) -> None:
    lines = WRITTEN.splitlines()
    lines[first], lines[second] = lines[second], ("  " if deeper else "") + lines[first]
    check("\n".join(lines))


@FUZZ
@given(st.sampled_from([line for line in WRITTEN.splitlines() if ":" in line]), ODD)
def test_any_value_for_any_key(line: str, odd: str) -> None:
    key = line.split(":")[0]
    check(WRITTEN.replace(line, f"{key}: {odd}"))


@FUZZ
@given(st.sampled_from(["database_url", "engine", "http", "log", "public_url", "http: {listen", "log: {level"]), ODD)
def test_any_settings(key: str, odd: str) -> None:
    check(f"{key}: {odd}" + ("}" if "{" in key else ""), "winback.yaml")


@FUZZ
@given(
    st.sampled_from(
        ["HTTP", "HTTP__LISTEN", "HTTP__X", "LOG__LEVEL", "ENGINE", "DATABASE_URL", "__", "HTTP__LISTEN__X"]
    ),
    ODD,
)
def test_any_environment(name: str, value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for line in lines_of(write(Path(folder), GOOD), {**ENV, f"WINBACK_{name}": value + "planted-by-mistake"}):
            assert line.startswith("environment: WINBACK_")
            assert "planted-by-mistake" not in line
