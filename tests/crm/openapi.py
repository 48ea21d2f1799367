"""A vendor's OpenAPI document as a measure: which requests and answers it describes, and which of their keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from connector.sandbox import Exchange, Request

Json = dict[str, Any]


def _with_null(schema: Json) -> Json:
    """`nullable` of OpenAPI 3.0 in the words of JSON Schema."""
    if schema.get("nullable") is True and isinstance(schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return schema


class Contract:
    """The document. It allows unknown keys everywhere; this does not. `prefix` comes before its paths in ours."""

    def __init__(self, path: Path, *, prefix: str = "", media: str = "application/json") -> None:
        self.document: Any = json.loads(path.read_text(), object_hook=_with_null)
        self._prefix, self._media = prefix, media
        self._registry: Registry[Any] = Registry().with_resource("k:", DRAFT202012.create_resource(self.document))

    def check(self, request: Request) -> Json:
        """Raises AssertionError if the request does not fit; returns the operation that it asks for."""
        operation = self.operation(request)
        names = {self._resolved(each)["name"] for each in operation.get("parameters", ())}
        assert {name for name, _ in request.query} <= names, request.query
        assert bool(request.body) == ("requestBody" in operation), "a body where there should be none, or none"
        if request.body:
            assert request.headers["content-type"] == self._media
            self._check_body(operation["requestBody"], request.json())
        return operation

    def check_reply(self, exchange: Exchange) -> None:
        """Raises AssertionError if a sandbox answered with what the vendor does not describe for that call."""
        assert exchange.reply is not None
        answers = self.operation(exchange.request)["responses"]
        assert str(exchange.status) in answers, f"{exchange.request.path} is not said to answer {exchange.status}"
        answer = answers[str(exchange.status)]
        if answer.get("content"):
            self._check_body(answer, exchange.reply.body)
        else:
            assert exchange.reply.payload() == b""

    def operation(self, request: Request) -> Json:
        """What the document says of a call. Raises AssertionError if it does not know it."""
        path = request.path.removeprefix(self._prefix)
        literal_first = sorted(self.document["paths"].items(), key=lambda item: item[0].count("{"))
        for template, methods in literal_first:
            if re.fullmatch(re.sub(r"\{\w+\}", r"[^/]+", template), path) and request.method.lower() in methods:
                found: Json = methods[request.method.lower()]
                return found
        raise AssertionError(f"the contract has no {request.method} {path}")

    def _check_body(self, described: Json, body: Any) -> None:
        schema = described["content"][self._media]["schema"]
        validator = Draft202012Validator(self._linked(schema), registry=self._registry)
        assert [error.message for error in validator.iter_errors(body)] == []
        assert list(self._unknown(schema, body, "")) == []

    def _linked(self, schema: Any) -> Any:
        """The same schema with its references into the document."""
        if isinstance(schema, list):
            return [self._linked(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        return {name: f"k:{value}" if name == "$ref" else self._linked(value) for name, value in schema.items()}

    def _resolved(self, described: Json) -> Json:
        if "$ref" not in described:
            return described
        found: Json = self._registry.resolver("k:").lookup(described["$ref"]).contents
        return found

    def _unknown(self, schema: Any, value: Any, where: str) -> Iterator[str]:
        schema = self._resolved(schema)
        if isinstance(value, Mapping) and "properties" in schema:
            for name, inner in value.items():
                if name not in schema["properties"]:
                    yield f"{where}/{name}"
                else:
                    yield from self._unknown(schema["properties"][name], inner, f"{where}/{name}")
        elif isinstance(value, Mapping) and isinstance(schema.get("additionalProperties"), dict):
            for name, inner in value.items():
                yield from self._unknown(schema["additionalProperties"], inner, f"{where}/{name}")
        elif isinstance(value, list) and "items" in schema:
            for inner in value:
                yield from self._unknown(schema["items"], inner, where)
