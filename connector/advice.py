"""What `check` advises beyond right and wrong: things that a file may say and that cost money or e-mails.

Pure functions over one client's configuration and what the adapters say of themselves (`registry.Habits`). The numbers
are the field's: a first e-mail within the hour recovers the most, and the distances keep it from looking like spam.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise

from connector import registry
from connector.config import ClientConfig
from connector.durations import format_duration
from connector.engine.context import steps_for
from connector.fields import compile_template
from connector.model import Finding
from connector.options import CrmOptions
from connector.registry import Habits

LATEST_FIRST = timedelta(minutes=60)
CLOSEST = timedelta(hours=12)
EARLIEST_FOURTH = timedelta(days=7)
LONG = frozenset({"products", "product_url", "image_url"})


def advise(config: ClientConfig, *, short_links: bool) -> list[Finding]:
    """Everything that is worth a warning. `short_links` says whether the daemon has a public address for them."""
    found = [*early_coupons(config), *late_first_step(config)]
    for crm in config.crms:
        habits = registry.habits(crm)
        found += [
            *close_steps(config, crm),
            *early_fourth_step(config, crm),
            *started_again(config, crm, habits),
            *cut_fields(config, crm, habits, short_links=short_links),
        ]
    return list(dict.fromkeys(found))


def _warning(subject: str, message: str) -> Finding:
    return Finding(message, subject)


def early_coupons(config: ClientConfig) -> Iterator[Finding]:
    """A discount before the last step goes to many who would have paid the full price, and teaches them to wait."""
    for number, step in enumerate(config.sequence[:-1], 1):
        if step.coupon is not None:
            yield _warning(
                f"sequence step {number}",
                f"step {number} gives a coupon before the last step: many would still come back without one, "
                "and learn to abandon for it",
            )


def late_first_step(config: ClientConfig) -> Iterator[Finding]:
    """Shoppers cool down fast."""
    after = config.sequence[0].after
    if after > LATEST_FIRST:
        yield _warning(
            "sequence step 1",
            f"the first step comes {format_duration(after)} after the shopper left: "
            "it brings the most within 60 minutes",
        )


def close_steps(config: ClientConfig, crm: CrmOptions) -> Iterator[Finding]:
    """Two e-mails within half a day look like spam."""
    steps = steps_for(config.sequence, crm.id)
    for (one, earlier), (other, later) in pairwise(steps):
        if later.after - earlier.after < CLOSEST:
            apart = format_duration(later.after - earlier.after)
            yield _warning(
                f"sequence step {other + 1}",
                f"steps {one + 1} and {other + 1} are only {apart} apart in {crm.id}: leave 12 hours or more",
            )


def early_fourth_step(config: ClientConfig, crm: CrmOptions) -> Iterator[Finding]:
    """Three steps in a week are what shoppers put up with."""
    for index, step in steps_for(config.sequence, crm.id)[3:4]:
        if step.after < EARLIEST_FOURTH:
            yield _warning(
                f"sequence step {index + 1}",
                f"step {index + 1} is the fourth to {crm.id}, {format_duration(step.after)} after the shopper left: "
                "a fourth within 7 days brings unsubscribes rather than orders",
            )


def started_again(config: ClientConfig, crm: CrmOptions, habits: Habits) -> Iterator[Finding]:
    """What a CRM starts has its own waits: to start it with every step sends its e-mails again with every step."""
    steps = steps_for(config.sequence, crm.id)
    same = [index + 1 for index, step in steps if not step.campaign]
    if habits.starts and len(same) > 1 and (crm.campaign is not None or habits.always):
        yield _warning(
            crm.id,
            f"steps {_listed(same)} each start the same {habits.starts} in {crm.id}, which does its own timing: "
            "keep one step, or give each a campaign of its own with one e-mail in it",
        )
        return
    for index, step in steps[1:]:
        if not (step.campaign or step.tags or step.fields or step.coupon):
            yield _warning(
                crm.id,
                f"step {index + 1} does nothing new in {crm.id}: give it tags or a campaign of its own, "
                f"or leave it out where the {habits.starts or 'automation'} there does the timing",
            )


def cut_fields(config: ClientConfig, crm: CrmOptions, habits: Habits, *, short_links: bool) -> Iterator[Finding]:
    """A value that is longer than the CRM's fields is cut, and half a link leads nowhere."""
    if habits.field_bytes is None:
        return
    for name, text in _fields(config, crm).items():
        template = compile_template(text)
        own = len(template.fill({}).encode())
        holds = f"the field {name} of {crm.id} holds {habits.field_bytes} bytes"
        if own > habits.field_bytes:
            yield _warning(crm.id, f"{holds}, and its own text has {own} already")
        elif "checkout_url" in template.names and not short_links:
            then = "set public_url, so that Winback can write a short link"
            yield _warning(crm.id, f"{holds}, and links to checkouts are often longer: {then}")
        elif longer := sorted(template.names & LONG):
            yield Finding(f"{holds}: a longer {longer[0]} is cut", crm.id, "info")


def _fields(config: ClientConfig, crm: CrmOptions) -> Mapping[str, str]:
    found: dict[str, str] = dict(crm.fields)
    for _, step in steps_for(config.sequence, crm.id):
        found |= config.fields_for(step, crm)
    return found


def _listed(numbers: list[int]) -> str:
    return f"{', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
