"""The tables of docs/configuration.md, made from the models.

`PYTHONPATH=. python tests/docs/config_tables.py` writes them anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from connector import registry
from connector.config.coupon import StepCoupon
from connector.config.model import ClientConfig, LeadPolicy, Step
from connector.config.settings import HttpSettings, LogSettings, Settings
from connector.durations import format_duration
from connector.inbound.options import Snippet
from connector.options import CrmOptions, OnRecovered, StoreOptions, When

PAGE = Path(__file__).resolve().parents[2] / "docs/configuration.md"
PLACE = re.compile(r"(<!-- keys: (?P<name>[\w ]+) -->\n).*?(<!-- /keys -->)", re.DOTALL)
# What the models leave to the page of the store or CRM, or to the table of the block.
WORDS = {
    "consumer_secret": "The secret beside it.",
    "api_key": "The API key.",
    "campaign": "What enrolment starts there; see the page of the CRM.",
    "engine": "`embedded`: this process does all the work.",
    "http": "See [http](#http).",
    "log": "See [log](#log).",
    "level": "`debug`, `info`, `warning` or `error`.",
    "leads": "When a checkout becomes a lead, and for how long. See [leads](#leads).",
}


def sections() -> dict[str, tuple[type[BaseModel], frozenset[str]]]:
    """Each table's name, its model, and the keys that another table has."""
    registry.load()
    found: dict[str, tuple[type[BaseModel], frozenset[str]]] = {
        "client": (ClientConfig, frozenset()),
        "store": (StoreOptions, frozenset()),
        "leads": (LeadPolicy, frozenset()),
        "step": (Step, frozenset()),
        "coupon": (StepCoupon, frozenset()),
        "when": (When, frozenset()),
        "crm": (CrmOptions, frozenset()),
        "on_recovered": (OnRecovered, frozenset()),
        "snippet": (Snippet, frozenset()),
        "settings": (Settings, frozenset()),
        "http": (HttpSettings, frozenset()),
        "log": (LogSettings, frozenset()),
    }
    for name, platform in sorted(registry.PLATFORMS.items()):
        found[name] = (platform.Options, frozenset(StoreOptions.model_fields))
    for name, crm in sorted(registry.CRMS.items()):
        found[name] = (crm.Options, frozenset(CrmOptions.model_fields) - {"campaign", "base_url"})
    return found


def table(name: str) -> str:
    """One table in Markdown."""
    model, elsewhere = sections()[name]
    lines = ["| key | what it is | default |", "|---|---|---|"]
    for key, field in sorted(model.model_fields.items(), key=lambda item: not item[1].is_required()):
        if key in elsewhere or (key == "base_url" and name in registry.CRMS and not field.is_required()):
            continue
        text = field.description or WORDS[field.alias or key]
        lines.append(f"| `{field.alias or key}` | {text.replace('|', chr(92) + '|')} | {_default(field)} |")
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is PydanticUndefined or value is None or value == "" or isinstance(value, BaseModel):
        return ""
    return f"`{_shown(value)}`" if value != () else ""


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if hasattr(value, "total_seconds"):
        return format_duration(value)
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, float):
        return f"{value * 100:g}%"
    return str(value)


def filled(page: str) -> str:
    """The page with every table as the models have it."""
    return PLACE.sub(lambda match: f"{match[1]}{table(match['name'])}{match[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
