"""Our documents, and the pretend shop's answers to them, against Shopify's own schema of 2026-10."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
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

from connector.coupons import Discount, Offer
from connector.errors import TransientError
from connector.http import Http
from platforms._shopify_queries import (
    CHECK,
    CHECKOUTS,
    CUSTOMERS,
    DELETE_COUPON,
    FIND_COUPON,
    HOOK_CREATE,
    HOOK_DELETE,
    HOOKS,
    LINES,
    MAKE_DISCOUNT,
    MAKE_FREE_SHIPPING,
    ORDERS,
    SCOPES,
)
from platforms.sandbox.shopify import serve
from platforms.shopify import Shopify, ShopifyOptions

READS = {
    "checkouts": CHECKOUTS,
    "lines": LINES,
    "orders": ORDERS,
    "customers": CUSTOMERS,
    "check": CHECK,
    "hooks": HOOKS,
    "hook create": HOOK_CREATE,
    "hook delete": HOOK_DELETE,
}
COUPONS = {
    "make": MAKE_DISCOUNT,
    "free shipping": MAKE_FREE_SHIPPING,
    "find": FIND_COUPON,
    "delete": DELETE_COUPON,
    "scopes": SCOPES,
}
DOCUMENTS = {**READS, **COUPONS}
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
            if node.name.value == "__typename":
                continue
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
        read = [one for page in store.checkouts(None, now - timedelta(days=1)) for one in page.items]
        ids = {one.customer.id for one in read if one.customer.id}
        found = store.consents([*ids, "gid://shopify/Customer/1"])
        assert {customer.id for customer, _ in found} == ids
        list(store.orders(None, now - timedelta(days=1)))
        store.install_hooks("https://winback.example/hooks/acme/acme-shop")
        store.remove_hooks("https://winback.example/hooks/acme/acme-shop")
        asked = [entry for entry in shop.server.journal if entry.request.path.endswith("graphql.json")]
        assert {document_name(entry.request.json()["query"]) for entry in asked} == set(READS)
        for entry in asked:
            assert entry.reply is not None
            sent = entry.request.json()
            check_variables(schema, sent["query"], sent["variables"])
            check_answer(schema, sent["query"], sent["variables"], entry.reply.body)
    finally:
        http.close()
        shop.server.close()


OFF = (Discount(percent=Decimal("12.5")), Discount(amount=Decimal("5.00")), Discount(free_shipping=True))


@pytest.mark.parametrize("customer", ["", "gid://shopify/Customer/1"])
@pytest.mark.parametrize("discount", OFF)
def test_coupons_are_asked_for_and_answered_as_the_schema_says(
    schema: GraphQLSchema, discount: Discount, customer: str
) -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    shop, http = serve(lambda: now), Http()
    try:
        shop.allow_coupons()
        coupons = Shopify(ShopifyOptions(id="acme-shop", **shop.options()), http).coupons
        offer = Offer("BACK-1", discount, now, now + timedelta(hours=48), customer)
        made = coupons.make(offer)
        assert coupons.make(offer) == made  # refused as TAKEN, and looked for
        assert coupons.find("BACK-2") is None
        coupons.delete(made.id)
        with pytest.raises(TransientError, match="does not exist"):
            coupons.delete(made.id)
        assert coupons.check() == ()
        asked = [entry for entry in shop.server.journal if entry.request.path.endswith("graphql.json")]
        unasked = "make" if discount.free_shipping else "free shipping"
        assert {document_name(entry.request.json()["query"]) for entry in asked} == set(COUPONS) - {unasked}
        for entry in asked:
            assert entry.reply is not None
            sent = entry.request.json()
            check_variables(schema, sent["query"], sent["variables"])
            check_answer(schema, sent["query"], sent["variables"], entry.reply.body)
    finally:
        http.close()
        shop.server.close()


def check_variables(schema: GraphQLSchema, document: str, variables: dict[str, Any]) -> None:
    """Shopify takes the values, and none of the keys in them is deprecated."""
    defined = operation(document).variable_definitions or ()
    found = get_variable_values(schema, defined, variables)
    assert not isinstance(found, list), found  # of errors
    for node in defined:
        check_input(type_from_ast(schema, node.type), variables[node.variable.name.value])


def check_input(kind: Any, value: Any) -> None:
    kind = bare(kind)
    if isinstance(kind, GraphQLInputObjectType):
        for name, inner in value.items():
            assert kind.fields[name].deprecation_reason is None, name
            check_input(kind.fields[name].type, inner)
    elif isinstance(kind, GraphQLScalarType) and kind.name in SCALARS:
        for one in value if isinstance(value, list) else [value]:
            assert re.fullmatch(SCALARS[kind.name], one), f"{one} is no {kind.name}"


def document_name(query: str) -> str:
    return next(name for name, document in DOCUMENTS.items() if document == query)


def root_type(schema: GraphQLSchema, document: str) -> GraphQLObjectType:
    found = schema.get_root_type(operation(document).operation)
    assert found is not None
    return found


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
        if name == "__typename":
            assert found[name] == kind.name
            continue
        check_value(schema, kind.fields[name].type, node, variables, found[name])


def fields(schema: GraphQLSchema, kind: Any, selection: SelectionSetNode, variables: dict[str, Any]) -> list[FieldNode]:
    found: list[FieldNode] = []
    for node in selection.selections:
        if isinstance(node, InlineFragmentNode):
            if node.type_condition and node.type_condition.name.value == kind.name:
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
        concrete = kind if isinstance(kind, GraphQLObjectType) else schema.get_type(concrete_name(found))
        check_object(schema, concrete, node.selection_set, variables, found)


def concrete_name(found: dict[str, Any]) -> str:
    """The type behind an interface or a union; a customer and the lines of a checkout are asked for without it."""
    return str(found.get("__typename", "Customer" if "defaultEmailAddress" in found else "AbandonedCheckout"))


def check_scalar(kind: GraphQLScalarType, found: Any) -> None:
    if kind.name in SCALARS:
        assert isinstance(found, str)
        assert re.fullmatch(SCALARS[kind.name], found), f"{found} is no {kind.name}"
    else:
        expected = {"String": str, "Int": int, "Boolean": bool}[kind.name]
        assert type(found) is expected, f"{found} is no {kind.name}"
