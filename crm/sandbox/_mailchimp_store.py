"""The e-commerce half of the pretend Mailchimp: stores, products, customers, carts and orders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connector.sandbox import Reply, Request
from crm.sandbox._mailchimp_wire import Body, Route, bad, body_of, not_found, page, route

STORE, PRODUCT, CART = "/ecommerce/stores/*", "/ecommerce/stores/*/products", "/ecommerce/stores/*/carts"


@dataclass
class Shop:
    """One store: rows by their own ids. A product's variants are by id, too."""

    row: Body
    products: dict[str, dict[str, Body]] = field(default_factory=dict)
    customers: dict[str, Body] = field(default_factory=dict)
    carts: dict[str, Body] = field(default_factory=dict)
    orders: dict[str, Body] = field(default_factory=dict)


class Commerce:
    """All stores of the account. `customer` is told of everybody written, `changed` of what becomes of a cart."""

    def __init__(self, customer: Callable[[Body], None], changed: Callable[[Body, str], None]) -> None:
        self.shops: dict[str, Shop] = {}
        self._customer, self._changed = customer, changed

    def routes(self) -> list[Route]:
        """The paths below /3.0/ecommerce that Winback uses."""
        return [
            route("POST", "/ecommerce/stores", self._add_store),
            route("GET", STORE, lambda _, shop: Reply(200, self._shop(shop).row)),
            route("POST", PRODUCT, self._add_product),
            route("PUT", f"{PRODUCT}/*/variants/*", self._put_variant),
            route("GET", CART, self._list_carts),
            route("POST", CART, self._add_cart),
            route("GET", f"{CART}/*", lambda _, shop, cart: Reply(200, self._cart(shop, cart))),
            route("PATCH", f"{CART}/*", self._patch_cart),
            route("DELETE", f"{CART}/*", self._delete_cart),
            route("POST", f"{CART}/*/lines", self._add_line),
            route("PATCH", f"{CART}/*/lines/*", self._patch_line),
            route("DELETE", f"{CART}/*/lines/*", self._delete_line),
            route("POST", f"{STORE}/orders", self._add_order),
            route("DELETE", f"{STORE}/customers/*", self._delete_customer),
        ]

    def _shop(self, name: str) -> Shop:
        if name not in self.shops:
            raise not_found()
        return self.shops[name]

    def _cart(self, shop: str, name: str) -> Body:
        carts = self._shop(shop).carts
        if name not in carts:
            raise not_found()
        return carts[name]

    def _add_store(self, request: Request) -> Reply:
        body = body_of(request, "id", "list_id", "name", "currency_code")
        if body["id"] in self.shops:
            raise bad("A store with the provided ID already exists in the account.")
        cart_email = {"is_supported": True, "id": "9b2c1d", "status": "sending"}
        self.shops[body["id"]] = Shop({**body, "automations": {"abandoned_cart": cart_email}})
        return Reply(200, self.shops[body["id"]].row)

    def _add_product(self, request: Request, shop: str) -> Reply:
        products = self._shop(shop).products
        body = body_of(request, "id", "title", "variants")
        if body["id"] in products:
            raise bad("A product with the provided ID already exists in the account for this list.")
        if not body["variants"]:
            raise bad("A product must have at least one variant.")
        products[body["id"]] = {variant["id"]: variant for variant in body["variants"]}
        return Reply(200, body)

    def _put_variant(self, request: Request, shop: str, product: str, name: str) -> Reply:
        products = self._shop(shop).products
        if product not in products:
            raise not_found()
        products[product][name] = body_of(request, "id", "title")
        return Reply(200, products[product][name])

    def _check_line(self, shop: str, line: Body) -> None:
        variants = self._shop(shop).products.get(line["product_id"])
        if variants is None:
            raise bad("A product with the provided ID does not exist in the account for this list.")
        if line["product_variant_id"] not in variants:
            raise bad("A product with the provided variant ID does not exist in the account for this list.")

    def _put_customer(self, shop: Shop, customer: Body) -> None:
        known = shop.customers.get(customer["id"])
        if known is None and not customer.get("email_address"):
            raise bad("A customer with the provided ID does not exist in the account for this list.")
        shop.customers[customer["id"]] = {**(known or {}), **customer}
        self._customer(customer)

    def _add_cart(self, request: Request, shop: str) -> Reply:
        store = self._shop(shop)
        body = body_of(request, "id", "customer", "currency_code", "order_total", "lines")
        if body["id"] in store.carts:
            raise bad("A cart with the provided ID already exists in the account for this list.")
        if not body["lines"]:
            raise bad("A cart must have at least one line item.")
        for line in body["lines"]:
            self._check_line(shop, line)
        self._put_customer(store, body["customer"])
        store.carts[body["id"]] = body
        if body.get("checkout_url"):
            self._changed(body, "enrolled")
        return Reply(200, body)

    def _list_carts(self, request: Request, shop: str) -> Reply:
        carts = list(self._shop(shop).carts.values())
        return Reply(200, {"store_id": shop, "carts": page(request, carts), "total_items": len(carts)})

    def _patch_cart(self, request: Request, shop: str, name: str) -> Reply:
        cart, body = self._cart(shop, name), body_of(request)
        if any(cart.get(key) != value for key, value in body.items()):
            cart.update(body)
            self._changed(cart, "refreshed")
        return Reply(200, cart)

    def _delete_cart(self, _: Request, shop: str, name: str) -> Reply:
        self._changed(self._cart(shop, name), "withdrawn")
        del self._shop(shop).carts[name]
        return Reply(204)

    def _add_line(self, request: Request, shop: str, name: str) -> Reply:
        cart, body = self._cart(shop, name), body_of(request, "id", "product_id", "product_variant_id", "quantity")
        if any(line["id"] == body["id"] for line in cart["lines"]):
            raise bad("A cart line with the provided ID already exists in the account for this list.")
        self._check_line(shop, body)
        cart["lines"].append(body)
        return Reply(200, body)

    def _line(self, cart: Body, name: str) -> Body:
        for line in cart["lines"]:
            if line["id"] == name:
                found: Body = line
                return found
        raise not_found()

    def _patch_line(self, request: Request, shop: str, name: str, line_id: str) -> Reply:
        line, body = self._line(self._cart(shop, name), line_id), body_of(request)
        self._check_line(shop, {**line, **body})
        line.update(body)
        return Reply(200, line)

    def _delete_line(self, _: Request, shop: str, name: str, line_id: str) -> Reply:
        cart = self._cart(shop, name)
        cart["lines"].remove(self._line(cart, line_id))
        return Reply(204)

    def _add_order(self, request: Request, shop: str) -> Reply:
        store = self._shop(shop)
        body = body_of(request, "id", "customer", "currency_code", "order_total", "lines")
        if body["id"] in store.orders:
            raise bad("An order with the provided ID already exists in the account for this list.")
        for line in body["lines"]:
            self._check_line(shop, line)
        self._put_customer(store, body["customer"])
        store.orders[body["id"]] = body
        return Reply(200, body)

    def _delete_customer(self, _: Request, shop: str, name: str) -> Reply:
        store = self._shop(shop)
        if store.customers.pop(name, None) is None:
            raise not_found()
        return Reply(204)  # the carts stay: only a store is documented to take with it what is in it
