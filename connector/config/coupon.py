"""A step's `coupon:`, which the store makes when the step is due."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from connector.coupons import Discount
from connector.durations import Duration
from connector.options import Strict

MOST = 1_000_000_000  # of any currency; a price beyond it is a slip of the finger


def _without_sign(value: Any) -> Any:
    return value.strip().removesuffix("%").strip() if isinstance(value, str) else value


def _in_cents(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -2:
        raise ValueError("write at most two decimals")
    return value


class StepCoupon(Strict):
    """A single-use code for one shopper. Exactly one of the first three keys."""

    percent: Annotated[Decimal, BeforeValidator(_without_sign), AfterValidator(_in_cents)] | None = Field(
        None, ge=1, le=100, description="So many percent off the cart. 1 to 100."
    )
    amount: Annotated[Decimal, AfterValidator(_in_cents)] | None = Field(
        None, gt=0, le=MOST, description="So much off the cart, in the store's own currency, such as 5.00."
    )
    free_shipping: Literal[True] | None = Field(None, description="`true`: shipping is free.")
    expires_in: Duration = Field(
        timedelta(hours=48),
        ge=timedelta(hours=1),
        le=timedelta(days=90),
        description="How long the code is good after it was made. 1h to 90d.",
    )

    @model_validator(mode="after")
    def _one_discount(self) -> StepCoupon:
        given = [name for name in ("percent", "amount", "free_shipping") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"; here are {' and '.join(given)}" if given else ""
            raise ValueError(f"write exactly one of percent, amount and free_shipping{found}")
        return self

    @property
    def discount(self) -> Discount:
        """What the store is asked for."""
        return Discount(self.percent, self.amount, bool(self.free_shipping))
