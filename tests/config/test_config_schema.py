"""The schema for editors, the example, and the loader agree."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from config_case import ENV, GOOD, lines_of, loaded, with_change, write

from connector import registry
from connector.config import LeadPolicy, Step
from connector.config.schema import DIALECT, schema
from connector.options import CrmOptions, StoreOptions

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config.example.yaml"


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """The stored schema, which is checked itself."""
    stored = json.loads((ROOT / "config.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(stored)
    return jsonschema.Draft202012Validator(stored)


def data(text: str) -> Any:
    """The file as an editor's YAML 1.2 has it."""
    return yaml.safe_load(text)


def test_the_stored_schema_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "connector.config.schema"], cwd=ROOT, capture_output=True, check=True
    )
    assert printed.stdout == (ROOT / "config.schema.json").read_bytes()


def test_the_example_names_the_schema_in_its_first_line_and_keeps_to_it(
    validator: jsonschema.Draft202012Validator,
) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=./config.schema.json"
    assert json.loads((ROOT / "config.schema.json").read_text())["$schema"] == DIALECT
    assert list(validator.iter_errors(data(text))) == []
    everything = re.sub(r"^  # (- id|  )", r"  \1", text, flags=re.MULTILINE)
    assert list(validator.iter_errors(data(everything))) == []
    assert len(data(everything)["crms"]) > len(data(text)["crms"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("audience:", "audiense:"),
        ("platform: shopify", "platform: shopfy"),
        ("adapter: mailchimp", "adapter: klaviyo"),
        ("client: acme\n", ""),
        ("client: acme", "client: a b"),
        ("45m", "45 minutes"),
        ("consent: not_unsubscribed", "consent: opted-in"),
        ("consent: not_unsubscribed", "consent: {EU: opted-in}"),
        ("consent: not_unsubscribed", "holdout: 100%"),
        ("tags: [abandoned-cart-1]", "coupon: {precent: 10}"),
        ("journey: 12", "journey: twelve"),
        ("stores: [acme-shop]", "min_totl: 5"),
    ],
)
def test_editor_and_loader_refuse_the_same(
    old: str, new: str, validator: jsonschema.Draft202012Validator, tmp_path: Path
) -> None:
    text = with_change(old, new)
    assert list(validator.iter_errors(data(text)))
    assert lines_of(write(tmp_path, text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("journey: 12", 'journey: "${N}"'),
        ("45m", "${WAIT}"),
        ("stores: [acme-shop]", 'min_total: "${N}"'),
        ("client: acme", "client: ${NAME}"),
        ("consent: not_unsubscribed", "consent: {default: not_unsubscribed, EU: opted_in, DE: opted_in}"),
        ("tags: [abandoned-cart-1]", "crm: mail"),
        ("tags: [abandoned-cart-1]", "crm: [mail]"),
        ("    audience:", "    allow_insecure: ${YES}\n    audience:"),
    ],
)
def test_editor_and_loader_take_the_same(
    old: str, new: str, validator: jsonschema.Draft202012Validator, tmp_path: Path
) -> None:
    text = with_change(old, new)
    assert list(validator.iter_errors(data(text))) == []
    assert loaded(tmp_path, text, {**ENV, "N": "5", "WAIT": "50m", "NAME": "acme", "YES": "true"}).problems == ()


def test_the_good_file_is_good_for_the_editor_too(validator: jsonschema.Draft202012Validator) -> None:
    assert list(validator.iter_errors(data(GOOD))) == []


def test_every_adapter_can_be_chosen() -> None:
    definitions = schema()["$defs"]
    assert definitions["Store"]["properties"]["platform"]["enum"] == sorted(registry.PLATFORMS)
    assert definitions["Crm"]["properties"]["adapter"]["enum"] == sorted(registry.CRMS)
    assert len(definitions["Store"]["oneOf"]) == len(registry.PLATFORMS)
    assert len(definitions["Crm"]["oneOf"]) == len(registry.CRMS)


def keys_with_descriptions() -> Iterator[tuple[str, str, str]]:
    """Every key that is ours, and what is said about it."""
    for model in (LeadPolicy, Step, StoreOptions, CrmOptions):
        for name, field in model.model_fields.items():
            yield model.__name__, name, field.description or ""


@pytest.mark.parametrize(("model", "key", "words"), list(keys_with_descriptions()))
def test_every_key_is_explained(model: str, key: str, words: str) -> None:
    assert len(words) > 10, f"{model}.{key}"


def test_secrets_are_text_to_the_editor_and_references_go_with_them() -> None:
    stores = schema()["$defs"]
    key = next(node for name, node in stores.items() if "client_secret" in node.get("properties", {}))
    assert "password" in json.dumps(key["properties"]["client_secret"])
