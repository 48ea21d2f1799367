"""The JSON Schema of what is sent. `python -m connector.inbound.schema > docs/inbound.schema.json` writes it anew."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import models_json_schema

from connector.config.schema import DIALECT
from connector.inbound.records import Checkouts, Orders, Typed


def schema() -> dict[str, Any]:
    """A body is one of the three; each has a definition of its own."""
    by_model, made = models_json_schema([(model, "validation") for model in (Checkouts, Orders, Typed)])
    bodies = [by_model[model, "validation"] for model in (Checkouts, Orders, Typed)]
    whole: dict[str, Any] = _without_titles({"anyOf": bodies, **made})
    return {"$schema": DIALECT, "title": "What a site tells Winback", **whole}


def _without_titles(node: Any) -> Any:
    """pydantic's titles only repeat the key."""
    if isinstance(node, list):
        return [_without_titles(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_titles(each) for key, each in node.items() if key != "title" or not isinstance(each, str)}


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
