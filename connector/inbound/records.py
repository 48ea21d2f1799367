"""The records of the API as they stand on the wire. docs/inbound.schema.json is made from these models."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from connector.engine.trust import FROM_BROWSER
from connector.inbound.values import Amount, Country, Currency, Id, MaybeId, Moment, Record, Text, WebUrl
from connector.model import ConsentState, Origin, Stage


def _of_a_server(value: str) -> str:
    if value.startswith(FROM_BROWSER):
        raise ValueError(f"ids that begin with {FROM_BROWSER} belong to the browser snippet")
    return value


class LineRecord(Record):
    """One line of a cart. `total` is for the whole line; without it, `price` times `quantity`."""

    title: Text
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    price: Amount | None = None
    total: Amount | None = None
    variant: Text = ""
    sku: Text = ""
    product_id: MaybeId = ""
    variant_id: MaybeId = ""
    image_url: WebUrl = ""
    product_url: WebUrl = ""

    @model_validator(mode="after")
    def _has_an_amount(self) -> Self:
        if self.total is None and self.price is None:
            raise ValueError("needs a price or a total")
        return self


class ConsentRecord(Record):
    """What the site knows of the shopper's wish to get marketing e-mail."""

    state: ConsentState
    source: Text = Field("", description="Where the shopper said so, such as: box at the checkout.")
    at: Moment | None = None


class CartRecord(Record):
    """What a checkout holds, whoever tells of it."""

    email: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    phone: Text = ""
    url: WebUrl = Field("", description="The link that brings the shopper back to this very cart.")
    currency: Currency
    total: Amount
    lines: Annotated[tuple[LineRecord, ...], Field(max_length=200)] = ()
    emptied: bool = False
    consent: ConsentRecord = ConsentRecord(state=ConsentState.UNKNOWN)
    country: Country = ""
    locale: Annotated[str, Field(pattern=r"^[A-Za-z0-9_@.-]{0,35}$")] = ""
    stage: Stage = Stage.CONTACT


class CheckoutRecord(CartRecord):
    """A checkout as it is now. The same id again replaces it, unless `updated_at` is older than what is known."""

    id: Annotated[Id, AfterValidator(_of_a_server)]
    started_at: Moment
    updated_at: Moment
    activity_at: Moment | None = Field(
        None, description="When the shopper last did something; without it, `updated_at`."
    )
    completed_at: Moment | None = None
    customer_id: MaybeId = ""
    order_id: MaybeId = ""
    token: MaybeId = Field("", description="Anything that the order will carry too, such as a cart's id.")
    coupons: Annotated[tuple[Text, ...], Field(max_length=20)] = ()


class OrderRecord(Record):
    """An order as it is now; tell it again when it is paid, refunded or cancelled."""

    id: Id
    status: Text
    purchase: bool = Field(description="Whether the shopper has bought: what is mailed after it would be wrong.")
    created_at: Moment
    updated_at: Moment
    placed_at: Moment | None = None
    cancelled_at: Moment | None = None
    email: Text = ""
    customer_id: MaybeId = ""
    checkout_id: MaybeId = Field("", description="The id of its checkout; for the snippet's, window.winback.id.")
    token: MaybeId = ""
    currency: Currency
    total: Amount
    refunded: Amount = Decimal(0)
    origin: Origin = Origin.CHECKOUT


class TypedRecord(CartRecord):
    """A checkout that the snippet tells of. The daemon's clock gives it its times."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class CompletedRecord(Record):
    """The snippet's word that its checkout was completed."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    completed: Literal[True]


class StartedRecord(Record):
    """The snippet's word that a checkout page was opened: a number for the capture rate, and nothing of the shopper."""

    started: Literal[True]


class Checkouts(Record):
    """The body of POST …/checkouts from a site's server."""

    checkouts: Annotated[tuple[CheckoutRecord, ...], Field(max_length=500)]


class Orders(Record):
    """The body of POST …/orders. It may hold no order at all, so that `complete_through` is told all the same."""

    orders: Annotated[tuple[OrderRecord, ...], Field(max_length=500)]
    complete_through: Moment | None = Field(
        None, description="Every order up to this moment has been told, in this request or before it (R4)."
    )


class Typed(Record):
    """The body of POST …/checkouts?key=… from a browser."""

    checkouts: Annotated[tuple[TypedRecord | CompletedRecord | StartedRecord, ...], Field(max_length=1)]
