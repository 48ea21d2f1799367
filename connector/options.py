"""What every store and every CRM in a client's file has in common. Adapters add their own keys to these."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from connector.durations import Duration
from connector.http import Rate

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,62}$", examples=["acme-shop"])]
IDENTIFIER_HINT = "letters, digits and -"
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f<>\"\\^`{|}]")


class Strict(BaseModel):
    """Unknown keys are errors, values are frozen, and a `repr` never shows a secret (they are SecretStr).

    A number is welcome where text is expected: list and audience ids are often all digits.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        coerce_numbers_to_str=True,
        allow_inf_nan=False,
        defer_build=True,  # most processes never meet most adapters' options
    )


def is_loopback(host: str) -> bool:
    """Whether a host name certainly means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _at_once(per_second: float) -> int:
    return max(1, int(per_second))


def _check_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not _NO_URL.search(value)
    except ValueError:  # a port beyond 65535, or half an IPv6 address
        good = False
    if not good:
        raise ValueError(f"{value!r} is not a web address; write it with https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a web address here holds no user, password, ? or #")
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_check_url)]


class _Connection(Strict):
    base_url: Url | None = Field(None, description="Another origin to send the requests to: a proxy or a test server.")
    allow_insecure: bool = Field(False, description="Allow plain http to an address that is not this machine.")
    requests_per_second: float | None = Field(
        None,
        ge=0.01,
        le=1_000_000,
        description="Another limit than the vendor's usual one: lower where other tools share the account. Where some "
        "calls have a limit of their own, it is lowered to this, and only raised in proportion.",
    )

    def limit(self, rate: Rate, *, beside: Rate | None = None) -> Rate:
        """The vendor's rate, or the owner's number in its place.

        The number stands for an adapter's main rate. That of calls with a limit of their own is asked for `beside` the
        main one: a number that is lower than the main rate must not raise it.
        """
        own = self.requests_per_second
        if own is None:
            return rate
        if beside is None:
            return replace(rate, per_second=own, burst=_at_once(own))
        if beside.per_second is not None and rate.per_second is not None and own > beside.per_second:
            more = own / beside.per_second
            return replace(rate, per_second=rate.per_second * more, burst=int(rate.burst * more))
        lower = own if rate.per_second is None else min(own, rate.per_second)
        return replace(rate, per_second=lower, burst=min(_at_once(own), rate.burst))

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for redaction."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))

    @model_validator(mode="after")
    def _refuse_plain_http(self) -> _Connection:
        for url in (self.base_url, getattr(self, "url", None)):
            if not url or self.allow_insecure:
                continue
            parts = urlsplit(url)
            if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
                raise ValueError(f"{url} is plain http: use https, or set allow_insecure: true if you must")
        return self


class StoreOptions(_Connection):
    """The keys that every store has."""

    id: Identifier = Field(description="Your name for the store: letters, digits and -. Keep it: leads hang on it.")
    platform: str = Field(description="What the store runs on.")
    poll_every: Duration = Field(
        timedelta(minutes=1),
        ge=timedelta(seconds=10),
        le=timedelta(hours=6),
        description="How often the store is asked for news. 10s to 6h.",
    )

    pushed: ClassVar[bool] = False  # whether it tells by itself and is never asked (Cap.PUSHED)

    @property
    def tells_orders(self) -> bool:
        """Whether R4's word can be had from this store. False only where its owner accepted that in words."""
        return True


class When(Strict):
    """Which leads a CRM or a step wants. A lead passes when every given line matches."""

    stores: tuple[str, ...] = Field((), description="Ids of stores in this file.")
    products: tuple[str, ...] = Field((), description="Product ids, SKUs or titles (any letter case).")
    locales: tuple[str, ...] = Field((), description="Such as de or de-AT.")
    countries: tuple[str, ...] = Field((), description="ISO codes, or EU, EEA, UK.")
    min_total: Decimal | None = Field(None, ge=0, description="In the shopper's own currency.")


class OnRecovered(Strict):
    """What else to do in the CRM when the shopper bought."""

    add_tags: tuple[str, ...] = Field((), description="Tags put on then, such as customer.")


class CrmOptions(_Connection):
    """The keys that every CRM has. `campaign` is the adapter's own."""

    id: Identifier = Field(description="Your name for the CRM: letters, digits and -. Keep it: deliveries hang on it.")
    adapter: str = Field(description="Which CRM or e-mail service it is.")
    tags: tuple[str, ...] = Field((), description="Tags put on at enrolment and always taken off again.")
    fields: dict[str, str] = Field(
        default_factory=dict, description="The CRM's field names, each with a template such as {{ product_name }}."
    )
    campaign: Any = Field(None, description="What enrolment starts there.")
    subscribe: Literal["opted_in", "eligible"] = Field(
        "opted_in", description="Which new contacts may be subscribed; an existing contact's status is never changed."
    )
    when: When = Field(When(), description="Which leads go to this CRM. Default: all.")
    on_recovered: OnRecovered = Field(OnRecovered(), description="What else to do there when the shopper bought.")
