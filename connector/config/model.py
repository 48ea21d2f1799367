"""One client's file: stores, lead policy, sequence and CRMs. Rule numbers (R2, R9, …) are those of the docs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializeAsAny,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from connector import registry
from connector.config.checks import Trouble, cross_checks, late_checks, overlay
from connector.config.countries import is_place
from connector.config.coupon import StepCoupon
from connector.config.shape import nearest
from connector.durations import Duration, format_duration
from connector.options import CrmOptions, Identifier, StoreOptions, Strict, When

Policy = Literal["not_unsubscribed", "opted_in"]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def troubles(found: Iterable[Trouble]) -> ValidationError:
    """Several messages of ours, each for its own key, as pydantic's error."""
    details = [
        InitErrorDetails(type=PydanticCustomError("winback", "{message}", {"message": text}), loc=path, input=None)
        for path, text in found
    ]
    return ValidationError.from_exception_data("configuration", details)


def _by_name(key: str, models: Callable[[], Mapping[str, type[Strict]]]) -> Callable[[Any], Any]:
    """Checks an entry of `stores` or `crms` by the model of the adapter that it names."""

    def check(value: Any) -> Any:
        if isinstance(value, StoreOptions | CrmOptions):
            return value
        if not isinstance(value, Mapping):
            raise troubles([((), f"a block of keys is needed here, one of them {key}")])
        known, name = models(), value.get(key)
        names = ", ".join(sorted(known)) or "none"
        if name is None:
            raise troubles([((key,), f"this key is required; write one of {names}")])
        if not isinstance(name, str) or name not in known:
            guess = nearest(str(name), known)
            raise troubles([((key,), f"unknown {key} {name}{guess}{'' if guess else ';'} there are: {names}")])
        return known[name].model_validate(value)

    return check


def parse_share(value: Any) -> float:
    """Turns `10%` into 0.1. Raises ValueError with a line for the owner."""
    match = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,6})?)\s*%\s*", value) if isinstance(value, str) else None
    if match:
        share = float(match[1]) / 100
    elif isinstance(value, int | float) and not isinstance(value, bool) and value < 1:
        share = float(value)
    else:
        raise ValueError("a share is written with a percent sign, such as 10%")
    if not 0 <= share < 1:
        raise ValueError("must be at least 0% and less than 100%")
    return share


def _consents(value: Any) -> Any:
    return {"default": value} if isinstance(value, str) else value


def _checked_consents(value: dict[str, Policy]) -> dict[str, Policy]:
    wrong = [key for key in value if key != "default" and not is_place(key.upper())]
    if wrong:
        message = "is no country; write default, ISO codes such as DE, or EU, EEA, UK"
        raise troubles(((key,), message) for key in wrong)
    places = {key if key == "default" else key.upper(): policy for key, policy in value.items()}
    return {"default": "not_unsubscribed", **places}


def _excluded(value: str) -> str:
    name, at, domain = value.strip().rpartition("@")
    if not at or "." not in domain.strip(".") or re.search(r"[\s@,;]", name + domain):
        raise ValueError("write an e-mail address, or a whole domain as @acme.example")
    return value.strip().lower()


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Share = Annotated[
    float,
    BeforeValidator(parse_share),
    PlainSerializer(lambda share: f"{share * 100:g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}(\.\d+)?\s*%$", "examples": ["10%"]}),
]
Consents = Annotated[
    dict[str, Policy],
    AfterValidator(_checked_consents),
    BeforeValidator(_consents, json_schema_input_type=Policy | dict[str, Policy]),
]
AnyStore = Annotated[
    SerializeAsAny[StoreOptions],
    PlainValidator(_by_name("platform", lambda: registry.options_by_name()[0])),
    WithJsonSchema({"$ref": "#/$defs/Store"}),
]
AnyCrm = Annotated[
    SerializeAsAny[CrmOptions],
    PlainValidator(_by_name("adapter", lambda: registry.options_by_name()[1])),
    WithJsonSchema({"$ref": "#/$defs/Crm"}),
]


class LeadPolicy(Strict):
    """When a checkout becomes a lead, and for how long."""

    abandoned_after: Duration = Field(
        30 * MINUTE,
        ge=10 * MINUTE,
        le=24 * HOUR,
        description="A checkout without activity for this long is abandoned. 10m to 24h.",
    )
    renew_after: Duration = Field(
        7 * DAY,
        ge=DAY,
        le=90 * DAY,
        description="For this long after a lead was made, its shopper triggers nothing again. 1d to 90d.",
    )
    keep_for: Duration = Field(
        90 * DAY, ge=2 * DAY, le=730 * DAY, description="A lead leaves the table after this long. Up to 730d."
    )
    stale_after: Duration = Field(
        48 * HOUR,
        ge=HOUR,
        le=30 * DAY,
        description="A checkout older than this when it is first seen makes no lead. 1h to 30d.",
    )
    quiet_after_purchase: Duration = Field(
        24 * HOUR,
        ge=timedelta(0),
        le=90 * DAY,
        description="A checkout started within this time after a purchase makes no lead. 0s to 90d.",
    )
    attribution: Duration = Field(
        7 * DAY,
        ge=HOUR,
        le=90 * DAY,
        description="A purchase this soon after a delivered step counts as recovered. 1h to 90d.",
    )
    late_within: Duration = Field(
        12 * HOUR,
        ge=10 * MINUTE,
        le=7 * DAY,
        description="A later step that is more than this late is not sent any more. 10m to 7d.",
    )
    consent: Consents = Field(
        default_factory=lambda: {"default": "not_unsubscribed"},
        validate_default=True,
        description="Who may be enrolled: not_unsubscribed or opted_in; or for each country, such as "
        "{default: not_unsubscribed, EU: opted_in} with ISO codes, EU, EEA or UK.",
    )
    holdout: Share = Field(
        0.0, description="The share of eligible leads that is left alone, to measure what the e-mails bring."
    )
    exclude: tuple[Annotated[str, AfterValidator(_excluded)], ...] = Field(
        (), description="Addresses that never become leads, and whole domains as @acme.example."
    )

    @model_validator(mode="after")
    def _in_order(self) -> LeadPolicy:
        found: list[Trouble] = []
        for longer, shorter in (("stale_after", "abandoned_after"), ("keep_for", "renew_after")):
            if getattr(self, longer) <= getattr(self, shorter):
                words = format_duration(getattr(self, shorter))
                found.append(((longer,), f"must be longer than {shorter}, which is {words}"))
        if found:
            raise troubles(found)
        return self


class Step(Strict):
    """One step of the sequence."""

    after: Duration = Field(
        ge=10 * MINUTE, le=90 * DAY, description="How long after the shopper's last activity, such as 45m, 24h or 72h."
    )
    crm: Annotated[
        tuple[str, ...] | None, BeforeValidator(_one_or_more, json_schema_input_type=str | tuple[str, ...] | None)
    ] = Field(
        None, min_length=1, description="The id of the CRM that this step is for, or a list of ids. Default: all."
    )
    tags: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Tags put on with this step, besides those of the CRM."
    )
    campaign: Any = Field(
        None, description="What this step starts, in the form that the CRM's own campaign has. Default: the CRM's."
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Fields set with this step, besides those of the CRM; they win over the CRM's of the same name.",
    )
    coupon: StepCoupon | None = Field(
        None, description="A single-use code that the store makes for the shopper. See [coupon](#coupon)."
    )
    when: When = Field(When(), description="Which leads this step is for. Default: all.")


def _default_sequence(validated: dict[str, Any]) -> tuple[Step, ...]:
    return (Step(after=validated["leads"].abandoned_after),)


class ClientConfig(Strict):
    """One client: everything in one YAML file."""

    client: Identifier = Field(description="A name for the client: letters, digits and -; unique in a folder.")
    stores: tuple[AnyStore, ...] = Field(min_length=1, description="The stores to watch. They share their leads.")
    leads: LeadPolicy = Field(LeadPolicy(), description="When a checkout becomes a lead, and for how long.")
    sequence: tuple[Step, ...] = Field(
        default_factory=_default_sequence,
        min_length=1,
        description="What happens to a lead, and when. Default: one step at leads.abandoned_after.",
    )
    crms: tuple[AnyCrm, ...] = Field((), description="The CRMs and e-mail services that leads are enrolled in.")

    @model_validator(mode="after")
    def _fits_together(self) -> ClientConfig:
        found = [*cross_checks(self), *late_checks(self)]
        if found:
            raise troubles(found)
        return self

    def store(self, store_id: str) -> StoreOptions:
        """The store with that id. Raises KeyError."""
        return {store.id: store for store in self.stores}[store_id]

    def crm(self, crm_id: str) -> CrmOptions:
        """The CRM with that id. Raises KeyError."""
        return {crm.id: crm for crm in self.crms}[crm_id]

    def crms_of(self, step: Step) -> tuple[CrmOptions, ...]:
        """The CRMs that a step is for, by its `crm`; the CRM's and the step's `when` still decide for each lead."""
        return tuple(crm for crm in self.crms if step.crm is None or crm.id in step.crm)

    def campaign_for(self, step: Step, crm: CrmOptions) -> Any:
        """The campaign that a step starts in a CRM, as the adapter's own type: the step's, else the CRM's."""
        return overlay(crm, "campaign", step.campaign).campaign if step.campaign else crm.campaign

    def tags_for(self, step: Step, crm: CrmOptions) -> tuple[str, ...]:
        """The CRM's tags and then the step's, each once."""
        return tuple(dict.fromkeys((*crm.tags, *step.tags)))

    def fields_for(self, step: Step, crm: CrmOptions) -> dict[str, str]:
        """The templates of the CRM's fields under the names that the adapter gives them, overlaid with the step's."""
        return {**crm.fields, **overlay(crm, "fields", step.fields).fields} if step.fields else crm.fields
