"""What the values in a record may be: text that a database can hold, exact amounts, times with a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)


class Record(BaseModel):
    """Unknown keys are refused, so that a misspelt one is noticed; what was sent is never repeated in an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )


def _clean(value: str) -> str:
    return " ".join(_CONTROL.sub(" ", value).split())


def _identifier(value: str) -> str:
    if _CONTROL.search(value) or value != value.strip():
        raise ValueError("must hold no line break and not begin or end with a space")
    return value


def _web(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if value and (not good or _CONTROL.search(value) or " " in value):
        raise ValueError("must be a web address that starts with https://")
    return value


def _is_time(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2026-03-02T09:30:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    if not 2000 <= value.year < 2200:
        raise ValueError("must be a time of this century")
    return value.astimezone(UTC)


Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_clean)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_identifier)]
MaybeId = Annotated[str, StringConstraints(max_length=200), AfterValidator(_identifier)]
WebUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_web)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217, such as EUR.")]
Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]
Country = Annotated[str, Field(pattern=r"^([A-Z]{2})?$", description="ISO 3166-1 alpha-2: shipping, else billing.")]
Moment = Annotated[
    datetime,
    BeforeValidator(_is_time, json_schema_input_type=str),
    AfterValidator(_in_utc),
    PlainSerializer(lambda value: value.isoformat(), return_type=str),
    Field(json_schema_extra={"type": "string", "format": "date-time"}),
]
