"""The sandbox store's coupons: `wc/v3/coupons` as a 10.5.0 store answers it, and what they do at the checkout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connector.sandbox import Reply, Request
from platforms.sandbox._woocommerce_auth import error
from platforms.sandbox._woocommerce_records import SandboxCoupon, Setting, pick

NO_STORE = {"Cache-Control": "no-cache, must-revalidate, max-age=0, no-store, private"}


class CouponBook:
    """All coupons of the store. `made_ever` has every one that was ever made, for tests to look at."""

    def __init__(self, now: Callable[[], datetime], setting: Callable[[], Setting], ids: Iterator[int]) -> None:
        self.made_ever: list[SandboxCoupon] = []
        self.switched_on = True
        self._now, self._setting, self._ids = now, setting, ids
        self._coupons: dict[int, SandboxCoupon] = {}

    def all(self) -> list[SandboxCoupon]:
        """Those that are there now."""
        return list(self._coupons.values())

    def known(self, code: str) -> SandboxCoupon | None:
        """The coupon with this code, in whatever letter case."""
        return next((one for one in self._coupons.values() if one.code == code.lower()), None)

    def applies(self, code: str, email: str = "") -> bool:
        """Whether a cart takes this code now; without a word it does not, as by a link."""
        found = self.known(code)
        if found is None or not self.switched_on or (found.expires and found.expires <= self._now()):
            return False
        if found.limit is not None and len(found.used_by) >= found.limit:
            return False
        return not found.emails or email.lower() in found.emails

    def use(self, code: str, email: str) -> SandboxCoupon:
        """An order is placed with it."""
        found = self.known(code)
        if found is None or not self.applies(code, email):
            raise ValueError(f"the store does not take the code {code} now")
        found.used_by.append(email)
        return found

    def answer(self, endpoint: str, request: Request) -> Reply:
        """What the API says."""
        rest = endpoint.removeprefix("coupons").strip("/")
        if request.method == "POST" and rest == "batch":
            made = [self._row(row) for row in (request.json() or {}).get("create", ())]
            return Reply(200, {"create": made} if made else [], NO_STORE)
        if request.method == "POST" and not rest:
            return self._create(request.json())
        if request.method == "GET" and not rest:
            return self._list(request)
        found = self._coupons.get(int(rest)) if rest.isdigit() else None
        if found is None:
            return error(404, "woocommerce_rest_shop_coupon_invalid_id", "Invalid ID.")
        if request.method == "DELETE":
            del self._coupons[found.id]
        return Reply(200, self._render(found), NO_STORE)

    def _list(self, request: Request) -> Reply:
        code, fields = request.param("code"), request.param("_fields")
        rows = [one for one in self._coupons.values() if not code or one.code == code.lower()]
        return Reply(200, [pick(self._render(one), fields) for one in rows], NO_STORE)

    def _create(self, body: Mapping[str, Any]) -> Reply:
        row = self._row(body)
        if "error" in row:
            return error(400, row["error"]["code"], row["error"]["message"])
        place = f"{self._setting().home}/wp-json/wc/v3/coupons/{row['id']}"
        return Reply(201, row, NO_STORE | {"Location": place})

    def _row(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if self.known(str(body["code"])):
            data = {"status": 400}
            code = "woocommerce_rest_coupon_code_already_exists"
            return {"id": 0, "error": {"code": code, "message": "The coupon code already exists", "data": data}}
        made = SandboxCoupon(
            next(self._ids),
            str(body["code"]).lower(),
            str(body.get("discount_type") or "fixed_cart"),
            Decimal(str(body.get("amount") or 0)),
            self._now(),
            self._expiry(body.get("date_expires")),  # date_expires_gmt is ignored without a word
            body.get("usage_limit"),
            body.get("usage_limit_per_user"),
            bool(body.get("individual_use")),
            bool(body.get("free_shipping")),
            tuple(str(one).lower() for one in body.get("email_restrictions") or ()),
            str(body.get("description") or ""),
        )
        self._coupons[made.id] = made
        self.made_ever.append(made)
        return self._render(made)

    def _expiry(self, text: str | None) -> datetime | None:
        if not text:
            return None
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC) - self._setting().offset

    def _render(self, one: SandboxCoupon) -> dict[str, Any]:
        store = self._setting()
        coupons = f"{store.home}/wp-json/wc/v3/coupons"
        own = {"href": f"{coupons}/{one.id}", "targetHints": {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}}
        local, utc = one.made + store.offset, one.made
        return {
            "id": one.id,
            "code": one.code,
            "amount": f"{one.amount:.2f}",
            "status": "publish",
            "date_created": _text(local),
            "date_created_gmt": _text(utc),
            "date_modified": _text(local),
            "date_modified_gmt": _text(utc),
            "discount_type": one.kind,
            "description": one.description,
            "date_expires": _text(one.expires + store.offset) if one.expires else None,
            "date_expires_gmt": _text(one.expires),
            "usage_count": len(one.used_by),
            "individual_use": one.alone,
            "product_ids": [],
            "excluded_product_ids": [],
            "usage_limit": one.limit,
            "usage_limit_per_user": one.limit_each,
            "limit_usage_to_x_items": None,
            "free_shipping": one.free_shipping,
            "product_categories": [],
            "excluded_product_categories": [],
            "exclude_sale_items": False,
            "minimum_amount": "0.00",
            "maximum_amount": "0.00",
            "email_restrictions": list(one.emails),
            "used_by": list(one.used_by),
            "meta_data": [],
            "_links": {"self": [own], "collection": [{"href": coupons}]},
        }


def _text(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%S") if at else None
