"""From the bytes of a request to records, each checked by itself: a bad one never keeps the others back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from connector.config.shape import nearest
from connector.inbound.records import Checkouts, Orders
from connector.inbound.values import Moment

R = TypeVar("R", bound=BaseModel)
MOST = 500  # records in a request
AHEAD = timedelta(minutes=5)  # that one of a site's machines may be before the one that signs
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class RefusedError(Exception):
    """The whole request is refused. `message` is for the site's developer, and repeats nothing of what was sent."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


@dataclass(frozen=True)
class Problem:
    """What is wrong with one value, and where it stands, such as `orders.3.total`."""

    path: str
    message: str


@dataclass
class Read(Generic[R]):
    """The good records of a request, and what is wrong with the others."""

    records: list[R] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    complete_through: datetime | None = None


def parse(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a body. Numbers with a point stay the text that they are. Raises RefusedError (400)."""
    try:
        value = json.loads(body.decode("utf-8"), parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError):  # also for digits without end
        raise RefusedError(400, "the body is not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read(payload: Mapping[str, Any], what: str, model: type[R], sent_at: datetime) -> Read[R]:
    """The records of one of the two kinds of body. Raises RefusedError (422) where there is no list of them."""
    items = payload.get(what)
    if not isinstance(items, list):
        raise RefusedError(422, f"{what} must be a list of records")
    if len(items) > MOST:
        raise RefusedError(422, f"{what} holds {len(items)} records; at most {MOST} go into one request")
    found = Read[R]()
    known = (Checkouts if what == "checkouts" else Orders).model_fields
    odd = [_plain(key) for key in payload if key not in known]
    found.problems += [Problem(key, "is not known" + nearest(key, known)) for key in odd]
    for index, item in enumerate(items):
        _one(found, f"{what}.{index}", item, model, sent_at)
    if payload.get("complete_through") is not None and what == "orders":
        _complete(found, payload["complete_through"], sent_at)
    return found


def _one(found: Read[R], place: str, item: Any, model: type[R], sent_at: datetime) -> None:
    try:
        record = model.model_validate(item)
    except ValidationError as error:
        found.problems += problems_of(error, place, model)
        return
    late = [name for name, value in record if isinstance(value, datetime) and value > sent_at + AHEAD]
    found.problems += [Problem(f"{place}.{name}", "lies in the future") for name in late]
    if not late:
        found.records.append(record)


def _complete(found: Read[R], value: Any, sent_at: datetime) -> None:
    try:
        through = _MOMENT.validate_python(value)
    except ValidationError as error:
        found.problems += problems_of(error, "complete_through", None)
        return
    if through >= sent_at + timedelta(seconds=1):  # `t` has whole seconds
        found.problems.append(Problem("complete_through", "lies after the time t of the signature"))
    elif found.problems:
        found.problems.append(Problem("complete_through", "was not taken, because of the orders that were refused"))
    else:
        found.complete_through = through


def problems_of(error: ValidationError, place: str, model: type[BaseModel] | None) -> list[Problem]:
    """What pydantic found, in words of ours where they are plainer."""
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        path = ".".join([place, *(_plain(part) for part in each["loc"])])
        message = str(each["msg"]).removeprefix("Value error, ")
        if each["type"] == "missing":
            message = "is required"
        elif each["type"] == "string_unicode":
            message = "is no text: it holds half a character"
        elif each["type"] == "extra_forbidden":
            near = nearest(str(each["loc"][-1]), model.model_fields) if model and len(each["loc"]) == 1 else ""
            message = "is not known" + near
        found.append(Problem(path, message))
    return found


def _plain(part: object) -> str:
    """A key as it may be shown: somebody else made it."""
    return "".join(char for char in str(part) if char.isprintable() and not 0xD800 <= ord(char) <= 0xDFFF)[:60]
