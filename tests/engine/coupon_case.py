"""A client whose second step promises a coupon, and what can be seen of coupons in its two stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from world import World

from connector import tables
from connector.db import table
from connector.engine import view
from connector.sandbox import Fault, Reply, Request

ANN, BOB = "ann@example.com", "bob@example.com"
FIELDS = {"CODE": "{{ coupon_code }}", "ENDS": "{{ coupon_expires_at }}", "URL": "{{ checkout_url }}"}
TEN = {"percent": 10, "expires_in": "48h"}
STEPS: list[dict[str, Any]] = [
    {"after": "45m"},
    {"after": "24h", "coupon": TEN, "fields": FIELDS},
    {"after": "72h"},
]
STORES = ("woo", "shop")


def shop_of(acme: World, name: str) -> Any:
    """The sandbox of that store."""
    return acme.woo if name == "woo" else acme.shop


def to_the_coupon(acme: World, store: str, email: str = ANN) -> str:
    """A shopper leaves, gets the first step, and a day later the one with the coupon."""
    checkout: str = shop_of(acme, store).abandon(email)
    acme.after(minutes=46)
    acme.after(hours=23, minutes=16)
    return checkout


def ends_of(coupon: Any) -> datetime:
    """When a sandbox's coupon ends."""
    ends: datetime = coupon.expires if hasattr(coupon, "expires") else coupon.ends
    return ends


def codes(acme: World, name: str) -> list[str]:
    """The codes that are in that store now, in capitals."""
    return [one.code.upper() for one in shop_of(acme, name).coupons.all()]


def ever(acme: World) -> list[Any]:
    """Every coupon that was ever made, in both stores."""
    return [*acme.woo.coupons.made_ever, *acme.shop.coupons.made_ever]


def rows(acme: World) -> list[Row[Any]]:
    """The table of coupons."""
    with acme.ctx.db.read() as connection:
        return list(connection.execute(select(table(tables.Coupon))).all())


def steps(acme: World, email: str = ANN) -> list[tuple[int, str]]:
    """Each step that was queued for the shopper, with what became of it."""
    found = [
        (step["index"], step["state"])
        for row in view.leads(acme.ctx, acme.client, email=email)
        for step in row["steps"]
    ]
    return sorted(found)


def story(acme: World, email: str = ANN) -> str:
    """What `explain` tells."""
    told = view.explain(acme.ctx, acme.client, email)
    return "\n".join(event["what"] for event in told["events"]) if told else ""


def is_coupon_call(request: Request, kind: str = "") -> bool:
    """Whether a request is about coupons: `make`, `find`, `delete`, or any of them."""
    if request.path.startswith("/wp-json/wc/v3/coupons"):
        found = {"POST": "make", "GET": "find", "DELETE": "delete"}[request.method]
    elif request.path.endswith("graphql.json"):
        query = request.json()["query"]
        words = {"CodeBasicCreate": "make", "FreeShippingCreate": "make", "NodeByCode": "find", "CodeDelete": "delete"}
        found = next((kind for word, kind in words.items() if word in query), "")
    else:
        return False
    return bool(found) and kind in ("", found)


class Failing:
    """A fault for the next so many calls about coupons of one kind; what they were is kept."""

    def __init__(self, fault: Fault, kind: str = "", times: int = 1) -> None:
        self.fault, self.kind, self.left = fault, kind, times
        self.hits = 0

    def __call__(self, request: Request) -> Fault | None:
        if not self.left or not is_coupon_call(request, self.kind):
            return None
        self.left -= 1
        self.hits += 1
        return self.fault


LOST = Fault(reset=True, after_effect=True)
BROKEN = Fault(reply=Reply(500, {"message": "Internal error"}))
Make = Callable[..., World]
