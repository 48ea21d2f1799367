"""The configuration as it is in force, without its secrets."""

from __future__ import annotations

from typing import Any

from connector.config.model import ClientConfig
from connector.config.settings import Settings
from connector.redact import redact


def describe(config: ClientConfig | Settings) -> dict[str, Any]:
    """Every key with its value, defaults included, as JSON can hold it; secrets and addresses are masked."""
    found: dict[str, Any] = _masked(config.model_dump(mode="json"))
    return found


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return redact(value) if isinstance(value, str) else value
