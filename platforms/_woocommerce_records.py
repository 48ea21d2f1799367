"""WooCommerce orders (`wc/v3/orders`) read into checkouts and orders. Pure: no network, no clock.

Raises ValueError, KeyError or TypeError for a record that cannot be read; the caller makes that a finding.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlencode, urlsplit

from connector.model import Checkout, Consent, ConsentState, Customer, LineItem, Money, Order, Origin, Source, Stage

Record = Mapping[str, Any]

DRAFT = "checkout-draft"
PLACED_STATUSES = ("pending", "failed")
OPEN_STATUSES = (DRAFT, *PLACED_STATUSES)
CORE_STATUSES = frozenset({*OPEN_STATUSES, "processing", "on-hold", "completed", "cancelled", "refunded", "trash"})
LONGEST_LINK = 2000  # characters; web servers and mail programs take little more
HIGHEST, FINEST = 15, Decimal("1e-9")  # the place of an amount's first digit, and its smallest step
MOST_LINES = LONGEST_LINK // 4  # none is shorter than "1:1,"
CHECKOUT_LINK_SINCE = (10, 0)  # https://github.com/woocommerce/woocommerce/pull/58140

# Named one by one: the address and browser of the shopper (customer_ip_address, customer_user_agent) stay in the store.
FIELDS = ",".join(
    (
        "id,status,created_via,version,currency,total,customer_id,date_created_gmt,date_modified_gmt",
        "billing.first_name,billing.last_name,billing.email,billing.phone,billing.country,billing.address_1",
        "shipping.first_name,shipping.last_name,shipping.phone,shipping.country,shipping.address_1",
        "payment_url,meta_data,line_items,coupon_lines,refunds",
    )
)
ORDER_FIELDS = ",".join(
    (
        "id,status,created_via,currency,total,customer_id,date_created_gmt,date_modified_gmt",
        "billing.first_name,billing.last_name,billing.email,billing.phone,refunds,meta_data",
    )
)
# The companion plugin writes these on the order: the checkout's token, and that of the one whose link was followed.
TOKEN, PARENT_TOKEN = "_wc_winback_checkout", "_wc_winback_parent"

_ORIGINS = {
    "checkout": Origin.CHECKOUT,
    "store-api": Origin.CHECKOUT,
    "admin": Origin.STAFF,
    "pos": Origin.POS,
    "pos-rest-api": Origin.POS,
    "point-of-sale": Origin.POS,
}
_CONSENT_WORDS = {
    **dict.fromkeys(("1", "yes", "true", "on", "subscribed"), ConsentState.OPTED_IN),
    **dict.fromkeys(("0", "no", "false", "off"), ConsentState.NOT_OPTED_IN),
    "pending": ConsentState.PENDING,
    "unsubscribed": ConsentState.UNSUBSCRIBED,
}


@dataclass(frozen=True, slots=True)
class Row:
    """What paging needs of a record, read before anything else can go wrong in it."""

    id: int
    modified: datetime
    status: str
    record: Record


def row(record: Any) -> Row:
    """The record's place in the paging order."""
    return Row(int(record["id"]), gmt(record["date_modified_gmt"]), str(record.get("status", "")), record)


def gmt(text: Any) -> datetime:
    """A `…_gmt` field: WordPress writes UTC without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def version_of(text: Any) -> tuple[int, int]:
    """`10.5.0-beta.1` as (10, 5); (0, 0) where it says nothing."""
    match = re.match(r"(\d+)\.(\d+)", str(text or ""))
    return (int(match[1]), int(match[2])) if match else (0, 0)


def origin(created_via: str) -> Origin:
    """How the order was made. Names that no part of WooCommerce itself uses come from importers and marketplaces."""
    if "subscription" in created_via:
        return Origin.RENEWAL
    return _ORIGINS.get(created_via, Origin.IMPORT)


def checkout(record: Record, store_url: str, consent_keys: Sequence[str]) -> Checkout | None:
    """The checkout that an unpaid order is, or None for one that no shopper made at a checkout."""
    if origin(str(record.get("created_via", ""))) is not Origin.CHECKOUT:
        return None
    order_id, status, currency = str(int(record["id"])), str(record["status"]), str(record["currency"])
    own, parent = tokens(record)
    modified = gmt(record["date_modified_gmt"])
    started = gmt(record["date_created_gmt"]) if record.get("date_created_gmt") else modified
    billing, shipping = record.get("billing") or {}, record.get("shipping") or {}
    lines = tuple(line(item, currency, store_url) for item in record.get("line_items") or ())
    return Checkout(
        id=own or order_id,
        status=status,
        started_at=started,
        # Staff, plugins and WooCommerce itself also move the modified time of an order that has been placed (R2).
        activity_at=modified if status == DRAFT else started,
        modified_at=modified,
        customer=customer(record),
        total=Money(amount(record["total"]), currency),
        lines=lines,
        url=recovery_url(record, store_url),
        emptied=not lines,
        order_id=order_id,
        # cart_hash is no token: carts with equal contents have the same one, whoever's they are.
        tokens=(own,) if own else (),
        consent=consent(record.get("meta_data") or (), consent_keys),
        country=text(shipping.get("country")) or text(billing.get("country")),
        stage=_stage(status, bool(text(billing.get("address_1")) or text(shipping.get("address_1")))),
        coupons=_coupons(record),
        source=Source.DRAFTS if status == DRAFT else Source.ORDERS,
        by_link=bool(parent),
    )


def order(record: Record, purchase_statuses: Sequence[str]) -> Order:
    """The order in whatever status it is."""
    order_id, status = str(int(record["id"])), str(record["status"])
    modified = gmt(record["date_modified_gmt"])
    made = origin(str(record.get("created_via", "")))
    return Order(
        id=order_id,
        status=status,
        purchase=status in purchase_statuses and made is not Origin.RENEWAL,
        created_at=gmt(record["date_created_gmt"]) if record.get("date_created_gmt") else modified,
        modified_at=modified,
        customer=customer(record),
        total=Money(amount(record["total"]), str(record["currency"])),
        # Refunds come with a minus sign: {"id": 2352, "reason": "Damaged", "total": "-5.00"}
        refunded=sum((abs(amount(refund["total"])) for refund in record.get("refunds") or ()), Decimal(0)),
        origin=made,
        cancelled_at=modified if status == "cancelled" else None,
        checkout_id=order_id if made is Origin.CHECKOUT else "",
        tokens=tuple(token for token in tokens(record) if token),
    )


def tokens(record: Record) -> tuple[str, str]:
    """The companion plugin's token of the order's checkout, and of the one that it goes on with; "" for none."""
    found = {str(entry.get("key")): text(entry.get("value")) for entry in record.get("meta_data") or ()}
    return found.get(TOKEN, ""), found.get(PARENT_TOKEN, "")


def customer(record: Record) -> Customer:
    """The shopper; customer_id is 0 for guests."""
    billing, shipping = record.get("billing") or {}, record.get("shipping") or {}
    customer_id = int(record.get("customer_id") or 0)
    return Customer(
        email=text(billing.get("email")),
        id=str(customer_id) if customer_id else "",
        first_name=label(billing.get("first_name") or shipping.get("first_name")),
        last_name=label(billing.get("last_name") or shipping.get("last_name")),
        phone=text(billing.get("phone")) or text(shipping.get("phone")),
    )


def line(item: Record, currency: str, store_url: str) -> LineItem:
    """One line. Totals are strings before tax; the single price is a float such as 15.200000000000001."""
    title, variant = _title(item)
    total = amount(item["total"])
    price = item.get("price")
    product_id, variation_id = id_(item.get("product_id")), id_(item.get("variation_id"))
    return LineItem(
        title=title,
        quantity=_quantity(item),
        total=Money(total, currency),
        price=None if price is None else Money(_rounded_like(amount(price), total), currency),
        variant=variant,
        sku=text(item.get("sku")),
        product_id=product_id,
        variant_id=variation_id,
        image_url=text((item.get("image") or {}).get("src")),
        # WordPress leads ?p=ID to the product's own page; the order does not name that.
        product_url=f"{store_url}/?p={product_id}" if product_id else "",
    )


def consent(meta: Sequence[Record], keys: Sequence[str]) -> Consent:
    """What the first of `keys` (names or patterns) on the order says. Someone's unsubscribing always counts."""
    found = [
        Consent(state, f"order field {entry['key']}")
        for pattern in keys
        for entry in meta
        if fnmatchcase(str(entry.get("key", "")), pattern)
        and (state := _CONSENT_WORDS.get(_word(entry.get("value")))) is not None
    ]
    gone = [one for one in found if one.state is ConsentState.UNSUBSCRIBED]
    return (gone or found or [Consent()])[0]


def recovery_url(record: Record, store_url: str) -> str:
    """The link that brings the cart back in a fresh browser, also the next day.

    /checkout-link/ takes any number of products, but none that needs a choice of attributes and no line without a
    product; those are left out as long as another remains. Without it (before 10.0), or with nothing to put into it:
    a placed order keeps its payment page; a draft is deleted after a day, and its page with it, so the most valuable
    line is put into the cart instead (?add-to-cart takes a single product, but with its attributes).
    """
    items = [item for item in record.get("line_items") or () if id_(item.get("product_id"))]
    fixed = [item for item in items if not _open_attributes(item)]
    page = on_store(text(record.get("payment_url")), store_url)
    if fixed and version_of(record.get("version")) >= CHECKOUT_LINK_SINCE:
        coupons = _coupons(record)
        coupon = f"&{urlencode({'coupon': coupons[0]})}" if coupons else ""  # it takes one
        link, whole = _checkout_link(f"{store_url}/checkout-link/?products=", fixed, coupon)
        if whole or record["status"] == DRAFT or not page:
            return link
    if items and (record["status"] == DRAFT or not page):
        best = max(items, key=lambda item: amount(item["total"]))
        return f"{_checkout_page(page) or store_url + '/'}?{urlencode(_add_to_cart(best))}"
    return page


def _checkout_link(start: str, items: Sequence[Record], coupon: str) -> tuple[str, bool]:
    """The link, and whether all of the cart is in it; in a longer one only the most valuable lines have a place."""
    products = [f"{_sold_id(item)}:{_quantity(item)}" for item in items]
    link = f"{start}{','.join(products)}{coupon}"
    if len(link) <= LONGEST_LINK:
        return link, True
    dearest = sorted(items, key=lambda item: amount(item["total"]), reverse=True)
    kept = ",".join(f"{_sold_id(item)}:{_quantity(item)}" for item in dearest[:MOST_LINES])
    room = LONGEST_LINK - len(start) - len(coupon)
    return f"{start}{kept[: kept[: room + 1].rfind(',')]}{coupon}", False


def amount(value: Any) -> Decimal:
    """A price as text or number. Raises ValueError for anything else: NaN, infinity, a one with a million zeros.

    A float's dust goes: 15.200000000000001 is 15.200000000.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is not an amount") from None
    if not number.is_finite() or number.adjusted() > HIGHEST:  # an int of such a number takes Python seconds
        raise ValueError(f"{value!r} is not an amount")
    exponent = number.as_tuple().exponent
    return number.quantize(FINEST) if isinstance(exponent, int) and exponent < -9 else number


def _rounded_like(value: Decimal, pattern: Decimal) -> Decimal:
    exponent = pattern.as_tuple().exponent
    return value.quantize(Decimal(1).scaleb(min(exponent, 0))) if isinstance(exponent, int) else value


def _stage(status: str, has_address: bool) -> Stage:
    if status == DRAFT:
        return Stage.ADDRESS if has_address else Stage.CONTACT
    return Stage.PAYMENT_FAILED if status == "failed" else Stage.PAYMENT


def _coupons(record: Record) -> tuple[str, ...]:
    return tuple(text(coupon.get("code")) for coupon in record.get("coupon_lines") or () if coupon.get("code"))


def _title(item: Record) -> tuple[str, str]:
    """The product's name and the variant's: `Ridge Jacket - M, Red` under a parent `Ridge Jacket`."""
    name, parent = label(item.get("name")), label(item.get("parent_name"))
    if not id_(item.get("variation_id")) or not parent:
        return name, ""
    suffix = _suffix(name, parent)
    return parent, suffix or ", ".join(label(entry.get("display_value")) for entry in _attributes(item))


def _suffix(name: str, parent: str) -> str:
    return name.removeprefix(parent).lstrip(" -–—") if name.startswith(parent) else ""


def _attributes(item: Record) -> list[Record]:
    """A variation's chosen attributes. Keys with an underscore in front are WooCommerce's own notes."""
    return [
        entry
        for entry in item.get("meta_data") or ()
        if not str(entry.get("key", "_")).startswith("_") and isinstance(entry.get("value"), str)
    ]


def _open_attributes(item: Record) -> bool:
    """Whether the variation leaves an attribute to the shopper ("any colour"), which no checkout link can carry.

    The order does not say so. But a variation's name holds the values that are its own, and only those; names of
    variations with three attributes and more, or with a hyphen in one of several attributes' names, hold none at all.
    https://github.com/woocommerce/woocommerce, class-wc-product-variation-data-store-cpt.php, generate_product_title
    """
    name, parent = label(item.get("name")), label(item.get("parent_name"))
    attributes = _attributes(item)
    if not attributes or not parent or not name.startswith(parent):
        return False
    if not id_(item.get("variation_id")):
        return True  # attributes without a variation
    suffix = _suffix(name, parent)
    if not suffix:
        hyphenated = any("-" in str(entry["key"]) for entry in attributes)
        return len(attributes) < 3 and not (hyphenated and len(attributes) > 1)
    return any(label(entry.get("display_value")) not in suffix for entry in attributes)


def _add_to_cart(item: Record) -> dict[str, str]:
    query = {"add-to-cart": id_(item["product_id"]), "quantity": str(_quantity(item))}
    if variation_id := id_(item.get("variation_id")):
        query["variation_id"] = variation_id
        query.update({f"attribute_{entry['key']}": entry["value"] for entry in _attributes(item)})
    return query


def on_store(url: str, store_url: str) -> str:
    """`url` on the store's own address: what a store answers may not lead shoppers elsewhere."""
    parts, store = urlsplit(url), urlsplit(store_url)
    if not parts.path or parts.scheme not in ("http", "https"):
        return ""
    return f"{store.scheme}://{store.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")


def _checkout_page(payment_url: str) -> str:
    """The checkout page, which every language names differently: /checkout/ of /checkout/order-pay/2337/?key=…"""
    match = re.match(r"(https?://[^?]*/)[^/?]+/\d+/?(?:\?|$)", payment_url)
    return match[1] if match else ""


def _sold_id(item: Record) -> str:
    return id_(item.get("variation_id")) or id_(item["product_id"])


def _quantity(item: Record) -> int:
    return max(1, int(amount(item.get("quantity") or 1)))


def id_(value: Any) -> str:
    return str(int(value)) if value else ""


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value).strip().lower() if isinstance(value, str | int) else "?"


def text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def label(value: Any) -> str:
    """Names come with entities (`Merino Socks &amp; Co`), and display values sometimes with markup."""
    return html.unescape(re.sub(r"<[^<>]*>", "", text(value))).strip()
