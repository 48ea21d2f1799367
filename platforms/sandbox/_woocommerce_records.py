"""The sandbox store's orders, and how the API writes them: every field that a 10.5.0 store sends, in its order."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

SHIPPING = Decimal("4.90")
PRICE = Decimal("14.50")


@dataclass
class Refund:
    """Money given back."""

    id: int
    amount: Decimal
    reason: str = ""


@dataclass
class SandboxCoupon:
    """One coupon. `code` is kept in lower case, as WooCommerce does."""

    id: int
    code: str
    kind: str
    amount: Decimal
    made: datetime
    expires: datetime | None
    limit: int | None = None
    limit_each: int | None = None
    alone: bool = False
    free_shipping: bool = False
    emails: tuple[str, ...] = ()
    description: str = ""
    used_by: list[str] = field(default_factory=list)

    def off(self, cart: Decimal) -> Decimal:
        """What it takes off a cart of so much."""
        found = cart * self.amount / 100 if self.kind == "percent" else min(self.amount, cart)
        return found.quantize(Decimal("0.01"))


@dataclass
class SandboxOrder:
    """One order, or (status "") a cart of which the store keeps no order yet."""

    id: int
    status: str
    email: str
    created: datetime
    modified: datetime
    product_id: int
    title: str
    quantity: int = 1
    created_via: str = "store-api"
    customer_id: int = 0
    has_address: bool = False
    meta: tuple[tuple[str, Any], ...] = ()
    refunds: list[Refund] = field(default_factory=list)
    paid: datetime | None = None
    completed: datetime | None = None
    coupon: SandboxCoupon | None = None

    @property
    def discount(self) -> Decimal:
        return self.coupon.off(PRICE * self.quantity) if self.coupon else Decimal("0.00")

    @property
    def shipping(self) -> Decimal:
        return Decimal("0.00") if self.coupon and self.coupon.free_shipping else SHIPPING

    @property
    def total(self) -> Decimal:
        return PRICE * self.quantity - self.discount + self.shipping


@dataclass(frozen=True)
class Setting:
    """What all records of one store have in common."""

    home: str
    version: str
    currency: str
    offset: timedelta


def render(order: SandboxOrder, store: Setting) -> dict[str, Any]:
    """The order as `orders/ID` shows it."""
    key = f"wc_order_{order.id:013x}"
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status,
        "currency": store.currency,
        "version": store.version,
        "prices_include_tax": False,
        "date_created": _local(order.created, store),
        "date_modified": _local(order.modified, store),
        "discount_total": str(order.discount),
        "discount_tax": "0.00",
        "shipping_total": str(order.shipping),
        "shipping_tax": "0.00",
        "cart_tax": "0.00",
        "total": str(order.total),
        "total_tax": "0.00",
        "customer_id": order.customer_id,
        "order_key": key,
        "billing": _address(order) | {"email": order.email, "phone": "+49 30 5550100" if order.has_address else ""},
        "shipping": _address(order) | {"phone": ""},
        "payment_method": "bacs",
        "payment_method_title": "",
        "transaction_id": "",
        "customer_ip_address": "127.0.0.1",
        "customer_user_agent": "sandbox",
        "created_via": order.created_via,
        "customer_note": "",
        "date_completed": _local(order.completed, store),
        "date_paid": _local(order.paid, store),
        "cart_hash": f"{order.product_id * 1000 + order.quantity:032x}",
        "number": str(order.id),
        "meta_data": [
            {"id": n, "key": name, "value": value} for n, (name, value) in enumerate(order.meta, order.id * 10 + 5)
        ],
        "line_items": [_line(order, store)],
        "tax_lines": [],
        "shipping_lines": [_shipping(order)],
        "fee_lines": [],
        "coupon_lines": [_coupon_line(order, order.coupon)] if order.coupon else [],
        "refunds": [{"id": one.id, "reason": one.reason, "total": f"-{one.amount}"} for one in reversed(order.refunds)],
        "payment_url": f"{store.home}/checkout/order-pay/{order.id}/?pay_for_order=true&key={key}",
        "is_editable": order.status in ("pending", "on-hold"),
        "needs_payment": order.status in ("checkout-draft", "pending", "failed"),
        "needs_processing": True,
        "date_created_gmt": _stamp(order.created),
        "date_modified_gmt": _stamp(order.modified),
        "date_completed_gmt": _stamp(order.completed),
        "date_paid_gmt": _stamp(order.paid),
        "currency_symbol": "€",
        "_links": _links(order, store),
    }


def pick(record: dict[str, Any], fields: str) -> dict[str, Any]:
    """What `_fields` leaves: whole fields, or by `billing.email` parts of an object (but nothing inside a list)."""
    if not fields:
        return record
    wanted: dict[str, set[str]] = {}
    for name in fields.split(","):
        head, _, rest = name.strip().partition(".")
        wanted.setdefault(head, set()).add(rest)
    left = {}
    for name, parts in wanted.items():
        if name not in record:
            continue
        if "" in parts:
            left[name] = record[name]
        elif isinstance(record[name], dict):
            left[name] = pick(record[name], ",".join(parts))
    return {name: left[name] for name in record if name in left}


def _stamp(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%S") if at else None


def _local(at: datetime | None, store: Setting) -> str | None:
    return _stamp(at + store.offset) if at else None


def _address(order: SandboxOrder) -> dict[str, str]:
    full = order.has_address
    return {
        "first_name": "Sandy" if full else "",
        "last_name": "Shopper" if full else "",
        "company": "",
        "address_1": "5 Sample Str" if full else "",
        "address_2": "",
        "city": "Berlin" if full else "",
        "state": "DE-BE" if full else "",
        "postcode": "10115" if full else "",
        "country": "DE",
    }


def _line(order: SandboxOrder, store: Setting) -> dict[str, Any]:
    full, total = str(PRICE * order.quantity), str(PRICE * order.quantity - order.discount)
    return {
        "id": order.id * 10,
        "name": order.title,
        "product_id": order.product_id,
        "variation_id": 0,
        "quantity": order.quantity,
        "tax_class": "",
        "subtotal": full,
        "subtotal_tax": "0.00",
        "total": total,
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [],
        "sku": f"SKU-{order.product_id}",
        "global_unique_id": "",
        "price": float(PRICE - order.discount / order.quantity),
        "image": {"id": "10", "src": f"{store.home}/wp-content/uploads/{order.product_id}.png"},
        "parent_name": None,
    }


def _coupon_line(order: SandboxOrder, coupon: SandboxCoupon) -> dict[str, Any]:
    info = f'[{coupon.id},"{coupon.code}",null,{coupon.amount}]'
    meta = {"id": order.id * 10 + 4, "key": "coupon_info", "value": info, "display_key": "coupon_info"}
    return {
        "id": order.id * 10 + 3,
        "code": coupon.code,
        "discount": str(order.discount),
        "discount_tax": "0",
        "meta_data": [{**meta, "display_value": info}],
        "discount_type": coupon.kind,
        "nominal_amount": float(coupon.amount),
        "free_shipping": coupon.free_shipping,
    }


def _shipping(order: SandboxOrder) -> dict[str, Any]:
    what = f"{order.title} &times; {order.quantity}"
    items = {"id": order.id * 10 + 2, "key": "Items", "value": what, "display_key": "Items", "display_value": what}
    return {
        "id": order.id * 10 + 1,
        "method_title": "Flat rate",
        "method_id": "flat_rate",
        "instance_id": "1",
        "total": str(order.shipping),
        "total_tax": "0.00",
        "taxes": [],
        "tax_status": "taxable",
        "meta_data": [items],
    }


def _links(order: SandboxOrder, store: Setting) -> dict[str, Any]:
    orders = f"{store.home}/wp-json/wc/v3/orders"
    hints = {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}
    templates = f"{orders}/{order.id}/actions/email_templates"
    return {
        "self": [{"href": f"{orders}/{order.id}", "targetHints": hints}],
        "collection": [{"href": orders}],
        "email_templates": [{"embeddable": True, "href": templates}],
    }
