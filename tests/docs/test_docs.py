"""What README, docs and the example say is held against the code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import config_tables
import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command

from connector import registry
from connector.cli.app import app
from connector.config import ClientConfig, Settings, load
from connector.config.schema import schema
from connector.fields import NAMES
from connector.metrics import Metrics
from connector.rules import State

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENV = re.compile(r"\$\{([A-Z_]+)\}")


def read(page: Path) -> str:
    """The text of a page."""
    return page.read_text(encoding="utf-8")


def command_lines() -> Iterator[tuple[str, str]]:
    """Every `winback …` in a fenced block or between backticks, with its page."""
    for page in PAGES:
        text = read(page)
        fenced = [block for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL) if not language]
        lines = re.findall(r"^.*\b(winback [a-z].*)$", "\n".join(fenced), re.MULTILINE)
        inline = re.findall(r"`(?:docker exec winback )?(winback [^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
        for line in (*lines, *inline):
            yield page.name, line.strip()


def split(line: str) -> tuple[Any, list[str], list[str]]:
    """The command that a line names, its options and its other words."""
    words, command = line.split()[1:], get_command(app)
    while words and isinstance(command, TyperGroup) and (found := command.get_command(Context(command), words[0])):
        command = found
        words.pop(0)
    options = [word for word in words if word.startswith("-")]
    return command, options, words


@pytest.mark.parametrize(("page", "line"), sorted(set(command_lines())))
def test_every_command_exists_with_these_options(page: str, line: str) -> None:
    if re.match(r"winback (COMMAND|python) ", line):
        return  # an image's name, or a placeholder
    command, options, words = split(line)
    if hasattr(command, "commands"):
        assert not words or words[0].startswith("-") or words == line.split()[1:], line
        assert words != line.split()[1:] or options == ["--version"], f"{page}: there is no command in {line!r}"
        command = command.commands.get("list", command)
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
    assert set(options) <= known, f"{page}: {line!r} has no {set(options) - known}"


def test_enough_commands_are_looked_at() -> None:
    lines = {line for _, line in command_lines()}
    assert "winback sync -c config --dry-run" in lines
    assert "winback check -c /config" in lines
    assert "winback forget -c acme.yaml ann@example.com --crms --permanently" in lines
    assert len(lines) > 30


def yaml_blocks() -> Iterator[tuple[str, str]]:
    """Every YAML block, with its page."""
    for page in PAGES:
        for block in re.findall(r"```yaml\n(.*?)```", read(page), re.DOTALL):
            yield page.name, block


FRAME = """client: acme
stores: [{id: acme-shop, platform: woocommerce, url: https://acme.example, consumer_key: k, consumer_secret: s}]
"""
CRM = "crms: [{id: mail, adapter: klaviyo, api_key: pk_1, %s}]\n"


@pytest.mark.parametrize(("page", "block"), list(yaml_blocks()))
def test_every_snippet_loads(page: str, block: str, tmp_path: Path) -> None:
    if block.startswith("# winback.yaml"):
        (tmp_path / "winback.yaml").write_text(block)
        block = FRAME
    elif block.startswith("fields:"):
        block = (
            FRAME
            + "crms:\n  - id: mail\n    adapter: mailchimp\n    api_key: k-us1\n    audience: a1\n"
            + re.sub("^", "    ", block, flags=re.MULTILINE)
        )
    elif not block.startswith("client:"):
        block = FRAME + block
    (tmp_path / "acme.yaml").write_text(block)
    env = dict.fromkeys(ENV.findall("".join(read(page) for page in PAGES)), "0" * 32 + "-us1")
    assert load(tmp_path / "acme.yaml", env).clients[0].client == "acme"


def test_the_example_loads_and_names_every_key_of_leads() -> None:
    text = read(ROOT / "config.example.yaml")
    (client,) = load(ROOT / "config.example.yaml", dict.fromkeys(ENV.findall(text), "0" * 32 + "-us1")).clients
    assert set(re.findall(r"^  (\w+):", text.partition("\nleads:")[2].partition("\nsequence:")[0], re.M)) == set(
        type(client.leads).model_fields
    )
    assert client.leads.model_copy(update={"exclude": ()}) == type(client.leads)(), "what it calls defaults are"
    assert [step.after.total_seconds() for step in client.sequence] == [45 * 60, 24 * 3600, 72 * 3600]


def test_the_examples_in_comments_load_too(tmp_path: Path) -> None:
    text = re.sub(r"^  # (- id|  )", r"  \1", read(ROOT / "config.example.yaml"), flags=re.MULTILINE)
    (tmp_path / "acme.yaml").write_text(text)
    (client,) = load(tmp_path / "acme.yaml", dict.fromkeys(ENV.findall(text), "0" * 32 + "-us1")).clients
    assert {crm.adapter for crm in client.crms} == set(registry.CRMS)


def test_the_tables_are_those_of_the_models() -> None:
    page = read(config_tables.PAGE)
    assert page == config_tables.filled(page), "run: PYTHONPATH=. python tests/docs/config_tables.py"
    assert set(re.findall(r"<!-- keys: ([\w ]+) -->", page)) == set(config_tables.sections())


def keys(node: Any) -> set[str]:
    """Every key that a JSON Schema knows."""
    found: set[str] = set()
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            found |= set(node["properties"])
        for value in node.values():
            found |= keys(value)
    elif isinstance(node, list):
        for value in node:
            found |= keys(value)
    return found


def test_the_page_has_every_key_of_the_schema_and_no_other() -> None:
    page = read(config_tables.PAGE)
    told = set(re.findall(r"^\| `(\w+)` \| .* \|.*\|$", page, re.MULTILINE))
    told -= set(re.findall(r"`(\w+)`", page.partition("## fields")[2].partition("## Settings")[0])) - keys(schema())
    nested = {"journey", "step", "event", "automation", "metric"}  # a campaign's: on the page of its CRM
    of_daemon = {
        name for block in ("settings", "http", "log") for name in config_tables.sections()[block][0].model_fields
    }
    assert told - of_daemon == keys(schema()) - nested
    assert told >= of_daemon
    for key in nested:
        assert any(f"{key}:" in read(ROOT / f"docs/{name}.md") for name in registry.CRMS), key


def test_every_field_name_is_told() -> None:
    section = read(config_tables.PAGE).partition("## fields")[2].partition("## Settings")[0]
    told = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
    assert told == set(NAMES)


def test_every_state_and_rule_is_told() -> None:
    page = read(ROOT / "docs/rules.md")
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {str(state) for state in State}
    assert re.findall(r"^\*\*(R\d+) ", page, re.MULTILINE) == [f"R{number}" for number in range(1, 13)]


def test_every_adapter_has_a_page_that_readme_links() -> None:
    registry.load()
    for name in (*registry.PLATFORMS, *registry.CRMS):
        assert (ROOT / f"docs/{name}.md").exists(), name
        assert f"(docs/{name}.md)" in read(ROOT / "README.md"), name


def test_the_metrics_are_those_that_there_are() -> None:
    told = set(re.findall(r"`(winback_\w+)`", read(ROOT / "docs/operations.md")))
    assert told == {
        metric.name + ("_total" if metric.type == "counter" else "") for metric in Metrics().registry.collect()
    }


def test_links_lead_somewhere() -> None:
    for page in (*PAGES, ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)", read(page)):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_settings_in_the_environment_exist() -> None:
    known = {f"WINBACK_{key.upper()}" for key in Settings.model_fields}
    for page in PAGES:
        for name in set(re.findall(r"\bWINBACK_[A-Z_]+\b", read(page))) - {"WINBACK_PASSWORD", "WINBACK_"}:
            assert name.split("__")[0] in known, f"{page.name}: {name}"


def test_the_schema_in_the_repository_is_current() -> None:
    stored = ROOT / "config.schema.json"
    assert json.loads(read(stored)) == schema(), "run: python -m connector.config.schema > config.schema.json"
    assert set(ClientConfig.model_fields) <= keys(schema())
