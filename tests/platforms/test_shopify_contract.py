"""Our documents, and the pretend shop's answers to them, against Shopify's own schema of 2026-10."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    build_client_schema,
    parse,
    type_from_ast,
    validate,
)
from graphql.execution.values import get_variable_values

from connector.http import Http
from platforms._shopify_queries import CHECK, CHECKOUTS, HOOK_CREATE, HOOK_DELETE, HOOKS, LINES, ORDERS
from platforms.sandbox.shopify import serve
from platforms.shopify import Shopify, ShopifyOptions

DOCUMENTS = {
    "checkouts": CHECKOUTS,
    "lines": LINES,
    "orders": ORDERS,
    "check": CHECK,
    "hooks": HOOKS,
    "hook create": HOOK_CREATE,
    "hook delete": HOOK_DELETE,
}
SCALARS = {
    "ID": r"gid://shopify/\w+/\d+",
    "DateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "URL": r"https?://\S+",
    "Decimal": r"-?\d+(\.\d+)?",
}


@pytest.fixture(scope="module")
def schema(contracts_dir: Path) -> GraphQLSchema:
    file = contracts_dir / "shopify" / "admin_2026-10.json.gz"
    if not file.is_file():
        pytest.skip(f"contracts: there is no {file}")
    loaded = json.loads(gzip.decompress(file.read_bytes()))
    # The published schema deprecates fields that an interface requires, which a strict build refuses.
    return build_client_schema(loaded["data"], assume_valid=True)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_shopify_understands_the_document(schema: GraphQLSchema, name: str) -> None:
    assert validate(schema, parse(DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_field_of_the_document_is_deprecated(schema: GraphQLSchema, name: str) -> None:
    def walk(kind: Any, selection: SelectionSetNode) -> None:
        for node in selection.selections:
            if isinstance(node, InlineFragmentNode):
                assert node.type_condition
                walk(schema.get_type(node.type_condition.name.value), node.selection_set)
                continue
            assert isinstance(node, FieldNode)
            known = kind.fields[node.name.value]
            assert known.deprecation_reason is None, node.name.value
            if node.selection_set:
                walk(bare(known.type), node.selection_set)

    walk(root_type(schema, DOCUMENTS[name]), operation(DOCUMENTS[name]).selection_set)


@pytest.mark.parametrize("case", ["everything", "little", "refused"])
def test_the_pretend_shop_answers_as_the_schema_says(schema: GraphQLSchema, case: str) -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    shop, http = serve(lambda: now), Http()
    try:
        known = shop.abandon("jane@example.com", lines=12, currency="EUR")
        shop.abandon("", with_address=False)
        shop.touch(shop.abandon("joe@example.com"), quantity=0)
        now += timedelta(minutes=20)
        shop.buy(checkout_id=known)
        shop.cancel(shop.buy(email="", source="pos"))
        if case == "little":
            shop.scopes -= {"read_products"}
        elif case == "refused":
            shop.protected = {"email", "name"}
        store = Shopify(ShopifyOptions(id="acme-shop", **shop.options()), http)
        store.check()
        list(store.checkouts(None, now - timedelta(days=1)))
        list(store.orders(None, now - timedelta(days=1)))
        store.install_hooks("https://winback.example/hooks/acme/acme-shop")
        store.remove_hooks("https://winback.example/hooks/acme/acme-shop")
        asked = [entry for entry in shop.server.journal if entry.request.path.endswith("graphql.json")]
        assert {document_name(entry.request.json()["query"]) for entry in asked} == set(DOCUMENTS)
        for entry in asked:
            assert entry.reply is not None
            sent = entry.request.json()
            check_variables(schema, sent["query"], sent["variables"])
            check_answer(schema, sent["query"], sent["variables"], entry.reply.body)
    finally:
        http.close()
        shop.server.close()


def document_name(query: str) -> str:
    return next(name for name, document in DOCUMENTS.items() if document == query)


def root_type(schema: GraphQLSchema, document: str) -> GraphQLObjectType:
    found = schema.get_root_type(operation(document).operation)
    assert found is not None
    return found


def check_variables(schema: GraphQLSchema, document: str, variables: dict[str, Any]) -> None:
    """Whether Shopify takes the values, and none stands in an input field that is on its way out."""
    definitions = operation(document).variable_definitions
    assert not isinstance(get_variable_values(schema, definitions or (), variables), list)
    for definition in definitions or ():
        kind = bare(type_from_ast(schema, definition.type))
        if isinstance(kind, GraphQLInputObjectType):
            for name in variables[definition.variable.name.value]:
                assert kind.fields[name].deprecation_reason is None, name


def operation(document: str) -> OperationDefinitionNode:
    [found] = parse(document).definitions
    assert isinstance(found, OperationDefinitionNode)
    return found


def bare(kind: Any) -> Any:
    while isinstance(kind, GraphQLNonNull | GraphQLList):
        kind = kind.of_type
    return kind


def check_answer(schema: GraphQLSchema, document: str, variables: dict[str, Any], body: dict[str, Any]) -> None:
    if body["data"] is None:
        assert body["errors"]
        return
    check_object(schema, root_type(schema, document), operation(document).selection_set, variables, body["data"])


def check_object(
    schema: GraphQLSchema, kind: Any, selection: SelectionSetNode, variables: dict[str, Any], found: dict[str, Any]
) -> None:
    wanted = {node.name.value: node for node in fields(schema, kind, selection, variables)}
    assert set(found) == set(wanted), kind
    for name, node in wanted.items():
        check_value(schema, kind.fields[name].type, node, variables, found[name])


def fields(schema: GraphQLSchema, kind: Any, selection: SelectionSetNode, variables: dict[str, Any]) -> list[FieldNode]:
    found: list[FieldNode] = []
    for node in selection.selections:
        if isinstance(node, InlineFragmentNode):
            found += fields(schema, kind, node.selection_set, variables)
        elif isinstance(node, FieldNode) and all(included(rule, variables) for rule in node.directives or ()):
            found.append(node)
    return found


def included(rule: Any, variables: dict[str, Any]) -> bool:
    return bool(variables[rule.arguments[0].value.name.value])


def check_value(schema: GraphQLSchema, kind: Any, node: FieldNode, variables: dict[str, Any], found: Any) -> None:
    if isinstance(kind, GraphQLNonNull):
        assert found is not None, node.name.value
        kind = kind.of_type
    if found is None:
        return
    if isinstance(kind, GraphQLList):
        assert isinstance(found, list)
        for item in found:
            check_value(schema, kind.of_type, node, variables, item)
    elif isinstance(kind, GraphQLEnumType):
        assert found in kind.values, node.name.value
    elif isinstance(kind, GraphQLScalarType):
        check_scalar(kind, found)
    else:
        assert node.selection_set is not None
        concrete = kind if isinstance(kind, GraphQLObjectType) else schema.get_type("AbandonedCheckout")
        check_object(schema, concrete, node.selection_set, variables, found)


def check_scalar(kind: GraphQLScalarType, found: Any) -> None:
    if kind.name in SCALARS:
        assert isinstance(found, str)
        assert re.fullmatch(SCALARS[kind.name], found), f"{found} is no {kind.name}"
    else:
        expected = {"String": str, "Int": int, "Boolean": bool}[kind.name]
        assert type(found) is expected, f"{found} is no {kind.name}"
