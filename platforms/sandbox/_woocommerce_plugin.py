"""The companion plugin inside the pretend store: what it keeps of each checkout, and the endpoint that it offers.

After the plugin in `platforms/woocommerce_plugin/`: the same fields, refusals and changes of status.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connector.model import ConsentState
from connector.sandbox import Reply, Request
from platforms.sandbox import _woocommerce_query as query
from platforms.sandbox._woocommerce_auth import error
from platforms.sandbox._woocommerce_records import PRICE, SandboxOrder, Setting

NAMESPACE = "wc-winback/v1"
STATUSES = ("open", "ordered", "completed", "emptied")
UNPAID = ("pending", "failed", "cancelled", "checkout-draft", "auto-draft", "trash", "draft", "refunded", "")
HIDDEN = timedelta(seconds=2)  # rows so young are not listed yet: another one could still get in before them
CONSENTS = {ConsentState.OPTED_IN: "opted_in", ConsentState.NOT_OPTED_IN: "not_opted_in"}


@dataclass
class Row:
    """One checkout that the plugin keeps. What is in the cart is the order's, which may not have been placed yet."""

    id: int
    token: str
    order: SandboxOrder
    created: datetime
    updated: datetime
    activity: datetime
    parent: Row | None = None
    consent: str = ""
    status: str = "open"
    order_status: str = ""
    stage: str = "contact"
    completed: datetime | None = None
    rev: int = 1
    counted: bool = False  # among those with an address


@dataclass
class Captures:
    """The plugin's tables. `on` is whether it is active; while it is not, it sees nothing and answers nothing."""

    now: Callable[[], datetime]
    on: bool = False
    rows: dict[str, Row] = field(default_factory=dict)
    days: dict[date, list[int]] = field(default_factory=dict)

    def begins(self, order: SandboxOrder, consent: ConsentState, parent: Row | None = None) -> Row:
        """A shopper opens the checkout, or a visitor of `parent`'s link does something there."""
        now, number = self.now(), len(self.rows) + 1
        token = hashlib.sha256(f"{order.id}".encode()).hexdigest()[:32]
        root = parent.parent or parent if parent else None
        row = self.rows[token] = Row(number, token, order, now, now, now, root, CONSENTS.get(consent, ""))
        if parent is None:
            self.days.setdefault(now.date(), [0, 0])[0] += 1
        self._count(row)
        return row

    def touched(self, row: Row) -> None:
        """The shopper did something there."""
        if row.status == "emptied":
            row.status = "open"
        row.stage = row.stage if row.stage.startswith("payment") or not row.order.has_address else "address"
        self._count(row)
        self.change(row, shopper=True)

    def emptied(self, row: Row) -> None:
        """The shopper took everything out."""
        row.status = "emptied"
        self.change(row, shopper=True)

    def ordered(self, row: Row) -> None:
        """The shopper pressed Place order."""
        row.status, row.stage, row.order_status = "ordered", "payment", row.order.status
        self.change(row, shopper=True)

    def order_changed(self, order: SandboxOrder, status: str) -> None:
        """The order of a checkout has another status now: it decides, also for the one whose link was followed."""
        for row in [row for row in self.rows.values() if row.order is order]:
            self._decide(row, status)
            if row.parent and status not in UNPAID:
                self._decide(row.parent, status)

    def _decide(self, row: Row, status: str) -> None:
        if status not in UNPAID and row.status != "completed":
            row.status, row.completed = "completed", self.now()
        elif status == "failed" and row.order_status in ("pending", "on-hold", "checkout-draft", ""):
            row.status, row.stage, row.completed = "open", "payment_failed", None
        elif status == "cancelled" and row.status == "ordered":
            row.status = "open"
        row.order_status = status
        self.change(row, shopper=False)

    def change(self, row: Row, *, shopper: bool) -> None:
        """Raises the revision."""
        row.rev, row.updated = row.rev + 1, self.now()
        if shopper:
            row.activity = row.updated

    def _count(self, row: Row) -> None:
        if row.order.email and row.parent is None and not row.counted:
            row.counted = True
            self.days.setdefault(row.created.date(), [0, 0])[1] += 1

    def answer(self, endpoint: str, request: Request, store: Setting, classic: bool) -> Reply | None:
        """What the plugin answers; None where there is no such route. Raises query.RefusalError."""
        said: dict[str, Any] = {"version": "1", "store_time": _utc(self.now())}
        if endpoint == "checkouts":
            return Reply(200, said | self._list(request, store))
        if endpoint == "visits":
            return Reply(200, said | {"days": list(self._days(request))})
        if endpoint == "status":
            return Reply(200, said | self._status(store, classic))
        return None

    def _list(self, request: Request, store: Setting) -> dict[str, Any]:
        after = query.moment(request.param("modified_after"), "modified_after")
        last_id, size = request.param("after_id"), int(request.param("per_page", "100") or 0)
        if not 1 <= size <= 200:
            words = "per_page must be between 1 (inclusive) and 200 (inclusive)"
            raise query.RefusalError("per_page", "rest_out_of_bounds", words)
        if last_id and after is None:
            raise query.MissingError("modified_after")
        wanted = [one for one in request.param("status").split(",") if one] or STATUSES
        for place, status in enumerate(wanted):
            if status not in STATUSES:
                words = f"status[{place}] is not one of {', '.join(STATUSES[:-1])}, and {STATUSES[-1]}."
                raise query.RefusalError("status", "rest_not_in_enum", words)
        start = (after, int(last_id) if last_id else -1) if after else (datetime.min.replace(tzinfo=UTC), -1)
        found = sorted(
            (row for row in self.rows.values() if self._is_listed(row) and row.status in wanted),
            key=lambda row: (row.updated, row.id),
        )
        found = [row for row in found if (row.updated, row.id) > start]
        part = found[:size]
        following = {"modified_after": _utc(part[-1].updated), "after_id": part[-1].id} if part else None
        checkouts = [_shown(row, store) for row in part]
        return {"has_more": len(found) > size, "next": following, "checkouts": checkouts}

    def _is_listed(self, row: Row) -> bool:
        return bool(row.order.email) and row.updated <= self.now() - HIDDEN

    def _days(self, request: Request) -> Iterator[dict[str, Any]]:
        since = request.param("since") or (self.now() - timedelta(days=30)).date().isoformat()
        try:
            date.fromisoformat(since)
        except ValueError:
            raise query.RefusalError("since", "", "Invalid parameter.") from None
        for day, (started, contactable) in sorted(self.days.items()):
            if day.isoformat() >= since:
                yield {"day": day.isoformat(), "started": started, "contactable": contactable}

    def _status(self, store: Setting, classic: bool) -> dict[str, Any]:
        oldest = min((row.created for row in self.rows.values()), default=None)
        return {
            "plugin": "1.0.0",
            "woocommerce": store.version,
            "wordpress": "6.9.7",
            "php": "8.2",
            "checkout": "classic" if classic else "block",
            "blocked": [],
            "oldest": _utc(oldest) if oldest else None,
        }


def refusal() -> Reply:
    """What a stranger, or a key of somebody who may not manage the shop, is told."""
    return error(401, "wc_winback_cannot_view", "Sorry, you cannot list checkouts.")


def _shown(row: Row, store: Setting) -> dict[str, Any]:
    order, price = row.order, str(PRICE)
    total = str(PRICE * order.quantity)
    full = order.has_address
    consent = {"state": row.consent, "source": "sandbox/marketing-opt-in", "at": _utc(row.created)}
    return {
        "id": row.id,
        "rev": row.rev,
        "token": row.token,
        "status": row.status,
        "email": order.email,
        "customer_id": order.customer_id,
        "order_id": order.id if row.order_status else 0,
        "order_status": row.order_status,
        "parent_id": row.parent.id if row.parent else 0,
        "consent": consent if row.consent else None,
        "created_at": _utc(row.created),
        "updated_at": _utc(row.updated),
        "activity_at": _utc(row.activity),
        "completed_at": _utc(row.completed) if row.completed else None,
        "stage": row.stage,
        "recovery_url": f"{store.home}/?wc-winback={row.token}",
        "first_name": "Sandy" if full else "",
        "last_name": "Shopper" if full else "",
        "phone": "+49 30 5550100" if full else "",
        "country": "DE",
        "locale": "en_US",
        "currency": store.currency,
        "subtotal": total,
        "discount": "0.00",
        "total": str(order.total),
        "coupons": [],
        "lines": [
            {
                "product_id": order.product_id,
                "variation_id": 0,
                "name": order.title,
                "variation": {},
                "attributes": "",
                "sku": f"SKU-{order.product_id}",
                "quantity": order.quantity,
                "price": price,
                "total": total,
                "image": f"{store.home}/wp-content/uploads/{order.product_id}.png",
                "url": f"{store.home}/product/{order.product_id}/",
            }
        ],
    }


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
