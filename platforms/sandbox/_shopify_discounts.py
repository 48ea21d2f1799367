"""The discount codes of the pretend Shopify shop, as its GraphQL API makes, shows and deletes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]


@dataclass
class Discount:
    """One discount with its only code. `customers` are those that it is bound to, none for everybody."""

    id: str
    code: str
    kind: str
    sent: Mapping[str, Any]
    starts: datetime
    ends: datetime | None
    customers: tuple[str, ...] = ()
    used_by: list[str] = field(default_factory=list)


class Discounts:
    """All discounts of the shop. `made_ever` has every one that was ever made, for tests to look at."""

    def __init__(self, clock: Callable[[], datetime], number: Callable[[], int]) -> None:
        self.made_ever: list[Discount] = []
        self._clock, self._number = clock, number
        self._discounts: dict[str, Discount] = {}

    def all(self) -> list[Discount]:
        """Those that are there now."""
        return list(self._discounts.values())

    def known(self, code: str) -> Discount | None:
        """The discount with this code, in whatever letter case."""
        return next((one for one in self._discounts.values() if one.code.upper() == code.upper()), None)

    def applies(self, code: str, customer: str = "") -> bool:
        """Whether a checkout of this customer takes the code now."""
        found, now = self.known(code), self._clock()
        if found is None or now < found.starts or (found.ends and found.ends <= now):
            return False
        spent = len(found.used_by) >= (found.sent.get("usageLimit") or 10**9)
        return not spent and (not found.customers or not customer or customer in found.customers)

    def use(self, code: str, customer: str) -> None:
        """An order is placed with it."""
        found = self.known(code)
        if found is None or not self.applies(code, customer or "a guest"):
            raise ValueError(f"the shop does not take the code {code} now")
        found.used_by.append(customer)

    def roots(self) -> Object:
        """The fields of QueryRoot and Mutation."""
        return {
            "codeDiscountNodeByCode": self._by_code,
            "discountCodeBasicCreate": lambda args: self._create("DiscountCodeBasic", args["basicCodeDiscount"]),
            "discountCodeFreeShippingCreate": lambda args: self._create(
                "DiscountCodeFreeShipping", args["freeShippingCodeDiscount"]
            ),
            "discountCodeDelete": self._delete,
        }

    def _by_code(self, args: Mapping[str, Any]) -> Object | None:
        found = self.known(args["code"])
        return _shown(found) if found else None

    def _create(self, kind: str, sent: Mapping[str, Any]) -> Object:
        root = {"__typename": f"{kind}CreatePayload", "codeDiscountNode": None}
        if wrong := self._wrong(kind, sent):
            return {**root, "userErrors": [wrong]}
        ends = datetime.fromisoformat(sent["endsAt"]) if sent.get("endsAt") else None
        made = Discount(
            f"gid://shopify/DiscountCodeNode/{self._number()}",
            sent["code"],
            kind,
            dict(sent),
            datetime.fromisoformat(sent["startsAt"]),
            ends,
            tuple((sent["context"].get("customers") or {}).get("add") or ()),
        )
        self._discounts[made.id] = made
        self.made_ever.append(made)
        return {**root, "codeDiscountNode": _shown(made), "userErrors": []}

    def _wrong(self, kind: str, sent: Mapping[str, Any]) -> Object | None:
        place = "basicCodeDiscount" if kind == "DiscountCodeBasic" else "freeShippingCodeDiscount"
        if self.known(sent["code"]):
            return _error([place, "code"], "Code must be unique. Please try a different code.", "TAKEN")
        if sent.get("endsAt") and sent["endsAt"] <= sent["startsAt"]:
            message = "Ends at needs to be after starts_at"
            return _error([place, "endsAt"], message, "END_DATE_BEFORE_START_DATE")
        share = ((sent.get("customerGets") or {}).get("value") or {}).get("percentage", 0)
        if not 0 <= share <= 1:
            message = "Value must be between 0.0 and 1.0"
            return _error([place, "customerGets", "value", "percentage"], message, "VALUE_OUTSIDE_RANGE")
        return None

    def _delete(self, args: Mapping[str, Any]) -> Object:
        payload: Object = {"__typename": "DiscountCodeDeletePayload", "deletedCodeDiscountId": None, "userErrors": []}
        if self._discounts.pop(args["id"], None) is None:
            return {**payload, "userErrors": [_error(["id"], "Code discount does not exist.", "INVALID")]}
        return {**payload, "deletedCodeDiscountId": args["id"]}


def _shown(one: Discount) -> Object:
    discount = {"__typename": one.kind, "endsAt": _text(one.ends), "asyncUsageCount": len(one.used_by)}
    return {"__typename": "DiscountCodeNode", "id": one.id, "codeDiscount": discount}


def _error(field: list[str], message: str, code: str) -> Object:
    return {"__typename": "DiscountUserError", "field": field, "message": message, "code": code}


def _text(moment: datetime | None) -> str | None:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None
