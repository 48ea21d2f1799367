"""Records that are odd and right, and such as no store should send: in the words of each kind of store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Odd:
    """What is odd about one checkout; what is None stays as the store has it."""

    what: str
    enrolled: bool | None = True  # False: it is seen, or told as a finding, and mails nobody; None: as each CRM likes
    email: str | None = None
    first: Any = None
    last: Any = None
    title: Any = None
    price: Any = None  # of the single line, and so the total
    quantity: Any = None
    lines: int | None = None
    currency: Any = None
    when: str | None = None  # the moment of its last activity
    ids: Any = None  # of the customer and of the product
    empty: bool = False  # nothing but what makes a record one


LONG = "x" * 64
ODD = (
    Odd("right to left", first="مريم", last="بن\u200cسعيد", title="كوب \u202eرحلة\u202c"),
    Odd("emoji and accents", first="Zoë 👩\u200d🚀", last="Ó Súilleabháin", title="Köttbullar 🍝 №5"),
    Odd("a name in many letters", first="山田", last="Ñ" * 400, title="ก็" * 300),
    Odd("half a character", False, first="\ud83d", title="\udc00"),
    Odd("control characters", first="A\x1b[31mn\x07n", last="B\r\nBcc: x@example.com", title="Mug\t\x0b\x7f"),
    Odd("a NUL", False, title="Mug\x00"),
    Odd("markup and formulas", first="<b>Ann</b>", last="=HYPERLINK(1)", title='=cmd|"/c calc"!A1'),
    Odd("templates", first="{{ email }}", last="*|FNAME|*", title="{% for x in y %}${HOME}%s"),
    Odd("SQL", first="Robert'); DROP TABLE leads;--", title="' OR '1'='1"),
    Odd("plus and dots", email="first.last+tag@example.com"),
    Odd("upper case", email="SHOUTING@EXAMPLE.COM"),
    Odd("64 letters before the @", email=f"{LONG}@example.com"),
    Odd("65 letters before the @", None, email=f"{LONG}x@example.com"),
    Odd("an international domain", email="idn@bücher.example"),
    Odd("letters of all languages", None, email="用户@example.com"),
    Odd("signs", None, email="o'brien_!#$%&*=?^`{|}~@example.com"),
    Odd("in quotes", False, email='"a b"@example.com'),
    Odd("a dot at the end", False, email="dot@example.com."),
    Odd("two addresses", False, email="a@example.com, b@example.com"),
    Odd("an address for the network", False, email="ann@[127.0.0.1]"),
    Odd("a header in the address", False, email="ann@example.com\nBcc: eve@example.com"),
    Odd("yen", currency="JPY", price="1500"),
    Odd("dinars", currency="KWD", price="12.345"),
    Odd("no such currency", currency="???", price="1.00"),
    Odd("free", price="0"),
    Odd("below nothing", price="-5.00"),
    Odd("a huge price", False, price="9" * 400),
    Odd("a price with an exponent", False, price="1e999999"),
    Odd("a price with a larger exponent", False, price="1e1000000"),
    Odd("a price with a tiny exponent", None, price="1e-1000000"),
    Odd("not a number", False, price="NaN"),
    Odd("500 lines", lines=500),
    Odd("a huge number of pieces", False, quantity=10**30),
    Odd("pieces with an exponent", False, quantity="1e9999999"),
    Odd("a name that takes patterns long", first="1" * 40_000, last="&lt;a" * 9000 + "&gt;" * 9000),
    Odd("a heap of accents", first="e" + "\u0315\u0300" * 20_000, title="e" + "\u0315\u0300" * 20_000),
    Odd("a title of a whole book", title="Mug " * 10_000),
    Odd("the year 1", False, when="0001-01-01T00:00:00"),
    Odd("the year 9999", False, when="9999-12-31T23:59:59"),
    Odd("no time at all", False, when="soon"),
    Odd("numbers as text", ids="17"),
    Odd("text as numbers", ids=17),
    Odd("nothing at all", None, empty=True),
)


def address(odd: Odd, number: int) -> str:
    """The shopper by whom the record is known before it is made odd."""
    return f"odd{number}@example.com"


def woo_order(order: dict[str, Any], odd: Odd) -> None:
    """As WooCommerce lists an unpaid order."""
    billing = order["billing"]
    _put(billing, {"email": odd.email, "first_name": odd.first, "last_name": odd.last})
    _put(order, {"currency": odd.currency, "total": odd.price, "customer_id": odd.ids})
    if odd.when:
        order["date_modified_gmt"] = order["date_created_gmt"] = odd.when
    lines = order["line_items"]
    _put(lines[0], {"name": odd.title, "total": odd.price, "price": odd.price, "quantity": odd.quantity})
    _put(lines[0], {"product_id": odd.ids})
    order["line_items"] = lines * (odd.lines or 1)
    if odd.empty:
        kept = {"id", "status", "currency", "total", "date_modified_gmt", "created_via", "line_items", "billing"}
        for key in set(order) - kept:
            del order[key]
        order["billing"] = {"email": billing["email"]}
        order["line_items"] = [{"total": "1"}]


def captured(row: dict[str, Any], odd: Odd) -> None:
    """As the companion plugin lists a checkout."""
    _put(row, {"email": odd.email, "first_name": odd.first, "last_name": odd.last})
    _put(row, {"currency": odd.currency, "total": odd.price, "customer_id": odd.ids})
    if odd.when:
        row["activity_at"] = row["created_at"] = odd.when + ("Z" if odd.when[0].isdigit() else "")
    line = row["lines"][0]
    _put(line, {"name": odd.title, "total": odd.price, "price": odd.price, "quantity": odd.quantity})
    _put(line, {"product_id": odd.ids})
    row["lines"] = row["lines"] * (odd.lines or 1)
    if odd.empty:
        kept = ("id", "token", "status", "currency", "total", "email", "created_at", "activity_at", "updated_at")
        for key in set(row) - {*kept, "rev"}:
            del row[key]
        row["lines"] = [{"total": "1"}]


def shopify_node(node: dict[str, Any], odd: Odd) -> None:
    """As Shopify lists an abandoned checkout."""
    customer = node["customer"]
    _put(customer, {"firstName": odd.first, "lastName": odd.last})
    _put(customer["defaultEmailAddress"], {"emailAddress": odd.email})
    if odd.when:
        node["updatedAt"] = node["createdAt"] = odd.when + ("Z" if odd.when[0].isdigit() else "")
    lines = node["lineItems"]["nodes"]
    for bag in (node["totalPriceSet"], lines[0]["discountedTotalPriceSet"], lines[0]["discountedUnitPriceSet"]):
        _put(bag["presentmentMoney"], {"amount": odd.price, "currencyCode": odd.currency})
    _put(lines[0], {"title": odd.title, "quantity": odd.quantity})
    if odd.ids is not None:
        lines[0]["product"] = {"id": f"gid://shopify/Product/{odd.ids}"}
    node["lineItems"]["nodes"] = lines * (odd.lines or 1)
    if odd.empty:
        kept = ("id", "createdAt", "updatedAt", "totalPriceSet", "lineItems", "customer")
        for key in set(node) - set(kept):
            node[key] = None
        node["customer"] = {"defaultEmailAddress": customer["defaultEmailAddress"]}


def inbound_record(odd: Odd, record: Mapping[str, Any]) -> dict[str, Any]:
    """As a site posts a checkout."""
    made = dict(record)
    _put(made, {"email": odd.email, "first_name": odd.first, "last_name": odd.last})
    _put(made, {"currency": odd.currency, "total": odd.price, "customer_id": odd.ids})
    if odd.when:
        made["started_at"] = made["updated_at"] = odd.when + "Z"
    line = {"title": "Shirt", "quantity": 1, "price": "1.00"}
    _put(line, {"title": odd.title, "price": odd.price, "quantity": odd.quantity, "product_id": odd.ids})
    made["lines"] = [line] * (odd.lines or 1)
    if odd.empty:
        made = {key: made[key] for key in ("id", "email", "started_at", "updated_at", "currency", "total")}
    return made


def _put(place: dict[str, Any], values: Mapping[str, Any]) -> None:
    place.update({key: value for key, value in values.items() if value is not None})


Spoil = Callable[[dict[str, Any], Odd], None]
