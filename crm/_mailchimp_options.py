"""The keys of a Mailchimp account in a client's file."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, TypeAdapter, ValidationError, field_validator

from connector.errors import ConfigError
from connector.registry import CrmOptions, Strict
from crm._mailchimp_fields import merge_tag


class Journey(Strict):
    """A flow that starts with "Customer Journeys API". Both numbers are in the URL that Mailchimp shows there."""

    journey: int = Field(gt=0)
    step: int = Field(gt=0)


class Event(Strict):
    """A flow that starts with "Event API", by the event's name."""

    event: str = Field(min_length=2, max_length=30)


Campaign = Journey | Event
CAMPAIGN: TypeAdapter[Campaign] = TypeAdapter(Campaign)


class MailchimpOptions(CrmOptions):
    """The keys of a Mailchimp account in a client's file."""

    adapter: Literal["mailchimp"]
    api_key: SecretStr
    audience: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,32}$", description="The audience id, such as 1a2b3c4d5e.")]
    campaign: Journey | Event | None = Field(None, description="The flow to start; none for a flow that a tag starts.")
    native_cart: bool = Field(
        False, description="Write Mailchimp's own abandoned cart, which mails non-subscribers too."
    )
    store_id: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,50}$", description="The Mailchimp store that carts live in.")
    store_currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="For that store; each cart has its own.")

    @field_validator("fields")
    @classmethod
    def _merge_tags(cls, fields: dict[str, str]) -> dict[str, str]:
        return {merge_tag(name): template for name, template in fields.items()}


def campaign_of(value: Any) -> Campaign | None:
    """A step's own campaign, parsed or as it stands in the file. Raises ConfigError."""
    if value is None:
        return None
    try:
        return CAMPAIGN.validate_python(value)
    except ValidationError:
        raise ConfigError("A Mailchimp campaign is {journey: 12, step: 34} or {event: cart_abandoned}.") from None


def origin_of(options: MailchimpOptions) -> str:
    """Where the API of that key is: its data centre is part of the key."""
    if options.base_url:
        return options.base_url
    data_centre = re.search(r"-([a-z]{2,4}\d{1,3})$", options.api_key.get_secret_value())
    return f"https://{data_centre[1]}.api.mailchimp.com" if data_centre else "https://api.mailchimp.com"
