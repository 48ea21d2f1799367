"""The query of `GET orders`: its parameters as PHP reads them, what WordPress refuses, and which orders are left."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.sandbox import Reply, Request
from platforms.sandbox._woocommerce_records import SandboxOrder

Index = Sequence[tuple[datetime, int]]
ORDERINGS = ("date", "id", "include", "title", "slug", "modified")
FAR = 1 << 60  # above every id


@dataclass
class RefusalError(Exception):
    """A parameter that WordPress does not take: its own word for it, and the sentence."""

    parameter: str
    code: str
    message: str

    def reply(self) -> Reply:
        # A parameter's own check says no more than false, and PHP writes "no details" as a list.
        details: Any = {self.parameter: {"code": self.code, "message": self.message, "data": None}} if self.code else []
        data = {"status": 400, "params": {self.parameter: self.message}, "details": details}
        message = f"Invalid parameter(s): {self.parameter}"
        return Reply(400, {"code": "rest_invalid_param", "message": message, "data": data})


class MissingError(RefusalError):
    """A parameter that another one needs."""

    def __init__(self, parameter: str) -> None:
        super().__init__(parameter, "rest_missing_callback_param", f"Missing parameter(s): {parameter}")

    def reply(self) -> Reply:
        return Reply(400, {"code": self.code, "message": self.message, "data": {"status": 400}})


@dataclass(frozen=True)
class Wish:
    """What a request asks for."""

    statuses: tuple[str, ...]
    after: datetime | None
    before: datetime | None
    orderby: str
    descending: bool
    size: int
    offset: int
    include: frozenset[int]
    exclude: frozenset[int]
    created_via: frozenset[str]
    search: str


def read(request: Request, statuses: Collection[str], zone: timedelta) -> Wish:
    """The request's parameters. Raises RefusalError."""
    sent = _as_php(request)
    gmt = _one(sent, "dates_are_gmt") in ("true", "1")
    size = _number(sent, "per_page", 10, 1, 100)
    return Wish(
        statuses=_statuses(_list(sent, "status") or ["any"], statuses),
        after=_date(sent, "modified_after", gmt, zone),
        before=_date(sent, "modified_before", gmt, zone),
        orderby=_enum(sent, "orderby", ORDERINGS, "date"),
        descending=_enum(sent, "order", ("asc", "desc"), "desc") == "desc",
        size=size,
        offset=_number(sent, "offset", (_number(sent, "page", 1, 1, None) - 1) * size, 0, None),
        include=frozenset(int(one) for one in _list(sent, "include")),
        exclude=frozenset(int(one) for one in _list(sent, "exclude")),
        created_via=frozenset(_list(sent, "created_via")),
        search=_one(sent, "search").lower(),
    )


def select(wish: Wish, orders: Mapping[int, SandboxOrder], index: Index, hidden: Collection[str]) -> list[int]:
    """The ids of all orders that fit, in the wished order. `index` is sorted by (modified, id)."""
    start = bisect_right(index, (wish.after, FAR)) if wish.after else 0  # exclusive, to the second
    end = bisect_left(index, (wish.before, 0)) if wish.before else len(index)
    any_status = "any" in wish.statuses
    found = []
    for _, order_id in index[start:end]:
        order = orders[order_id]
        if (order.status not in hidden) if any_status else (order.status in wish.statuses):
            found.append(order_id)
    if wish.include or wish.exclude or wish.created_via or wish.search:
        found = [one for one in found if _fits(orders[one], wish)]
    if wish.orderby in ("id", "include"):
        found.sort()
    elif wish.orderby != "modified":
        found.sort(key=lambda one: (orders[one].created, one))
    return found[::-1] if wish.descending else found


def _fits(order: SandboxOrder, wish: Wish) -> bool:
    return (
        (not wish.include or order.id in wish.include)
        and order.id not in wish.exclude
        and (not wish.created_via or order.created_via in wish.created_via)
        and wish.search in order.email.lower()
    )


def _as_php(request: Request) -> dict[str, Any]:
    """The last of equal names wins, unless they end in []."""
    sent: dict[str, Any] = {}
    for name, value in request.query:
        if name.endswith("[]"):
            sent.setdefault(name[:-2], []).append(value)
        else:
            sent[name] = value
    return sent


def _one(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name, "")
    return value if isinstance(value, str) else ""


def _list(sent: Mapping[str, Any], name: str) -> list[str]:
    value = sent.get(name) or []
    return value if isinstance(value, list) else [part.strip() for part in value.split(",") if part.strip()]


def _statuses(wanted: list[str], known: Collection[str]) -> tuple[str, ...]:
    choices = ["any", "trash", "auto-draft", *known]
    for place, status in enumerate(wanted):
        if status not in choices:
            words = f"status[{place}] is not one of {', '.join(choices[:-1])}, and {choices[-1]}."
            raise RefusalError("status", "rest_not_in_enum", words)
    return tuple(wanted)


def _enum(sent: Mapping[str, Any], name: str, choices: Sequence[str], default: str) -> str:
    value = _one(sent, name) or default
    if value not in choices:
        words = f"{name} is not one of {', '.join(choices[:-1])}, and {choices[-1]}."
        raise RefusalError(name, "rest_not_in_enum", words)
    return value


def _number(sent: Mapping[str, Any], name: str, default: int, least: int, most: int | None) -> int:
    text = _one(sent, name)
    if not text:
        return default
    if not text.lstrip("-").isdigit():
        raise RefusalError(name, "rest_invalid_type", f"{name} is not of type integer.")
    value = int(text)
    if most is not None and not least <= value <= most:
        words = f"{name} must be between {least} (inclusive) and {most} (inclusive)"
        raise RefusalError(name, "rest_out_of_bounds", words)
    if value < least:
        raise RefusalError(name, "rest_out_of_bounds", f"{name} must be greater than or equal to {least}")
    return value


def _date(sent: Mapping[str, Any], name: str, gmt: bool, zone: timedelta) -> datetime | None:
    at = moment(_one(sent, name), name)
    if at is None:
        return None
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC) - (timedelta(0) if gmt else zone)
    # The trap: with the flag, a time that names its own zone is shifted by the store's on top.
    return at.astimezone(UTC) + (zone if gmt else timedelta(0))


def moment(text: str, name: str) -> datetime | None:
    """A time as it was sent. Raises RefusalError for what is none."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise RefusalError(name, "rest_invalid_date", "Invalid date.") from None
