"""The JSON Schema that editors check a client's file with, made from the models.

`python -m connector.config.schema > config.schema.json` writes it anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from connector import registry
from connector.config.model import ClientConfig
from connector.options import CrmOptions, StoreOptions

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12), with the keys of every adapter that is installed."""
    stores, crms = registry.options_by_name()
    every: list[type[BaseModel]] = [ClientConfig]
    every += [*(stores[name] for name in sorted(stores)), *(crms[name] for name in sorted(crms))]
    by_model, made = models_json_schema([(model, "validation") for model in every])
    definitions: dict[str, Any] = made["$defs"]
    for key, base, models in (("platform", StoreOptions, stores), ("adapter", CrmOptions, crms)):
        for name, model in models.items():
            keys = _definition(definitions, by_model[model, "validation"])["properties"]
            keys[key] = {"const": name, "description": _first_line(model)}
            _explain(keys, base)
    root = definitions.pop(by_model[ClientConfig, "validation"]["$ref"].rpartition("/")[2])
    definitions["Store"] = _one_of("platform", stores, by_model)
    definitions["Crm"] = _one_of("adapter", crms, by_model)
    whole: dict[str, Any] = _with_references({**root, "$defs": dict(sorted(definitions.items()))})
    return {"$schema": DIALECT, **whole, "title": "One client of Winback"}


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _explain(keys: dict[str, Any], base: type[BaseModel]) -> None:
    """Gives a key that an adapter made narrower the words that it has for every adapter."""
    for name, field in base.model_fields.items():
        if name in keys and field.description:
            keys[name].setdefault("description", field.description)


def _definition(definitions: Mapping[str, Any], reference: Mapping[str, str]) -> Any:
    return definitions[reference["$ref"].rpartition("/")[2]]


def _one_of(key: str, models: Mapping[str, type[BaseModel]], by_model: Mapping[Any, Any]) -> dict[str, Any]:
    """Each adapter's keys where its name stands, so that an editor complains of the wrong key and not of all."""
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"enum": sorted(models), "description": "Which one it is."}},
        "oneOf": [by_model[model, "validation"] for _, model in sorted(models.items())],
    }


def _with_references(node: Any) -> Any:
    """The same schema, with `${NAME}` allowed where a number, a choice or text of a certain form is expected."""
    if isinstance(node, list):
        return [_with_references(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {
        key: each if key in ("default", "examples") else _with_references(each)
        for key, each in node.items()
        if not (key == "title" and isinstance(each, str))  # pydantic's titles only repeat the key
    }
    if not _narrow(node):
        return found
    around = {key: found.pop(key) for key in ("description", "default", "examples") if key in found}
    return {**around, "anyOf": [found, REFERENCE]}


def _narrow(node: Mapping[str, Any]) -> bool:
    kind = node.get("type")
    if kind in ("integer", "number", "boolean"):
        return True
    return kind == "string" and any(key in node for key in ("pattern", "enum", "minLength", "maxLength"))


if __name__ == "__main__":
    json.dump(schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
