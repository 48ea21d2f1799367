"""Numbers of every size and kind, behind every key that there is: taken, or refused with the line."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from config_case import ENV, GOOD, lines_of, with_change, write
from pydantic import BaseModel

from connector import registry
from connector.advice import advise
from connector.config import ConfigProblems, LeadPolicy, load, reload
from connector.config.shape import is_model, kinds_at
from connector.engine.context import Client
from connector.engine.sequences import sequence_id
from connector.http import Rate

NUMBERS = (
    *("1e27", "-1e27", "1e-27", "1e400", "-1e400", "1e-400", "1e-320", "1e1000000", "1e99999999999999999999", "1e1"),
    *("nan", ".nan", "-nan", "sNaN", "inf", "-inf", ".inf", "-0", "-0.0", "0", "-1", "0.001", "5.001", "1_000", "0x1f"),
    *("9" * 18, "9" * 30, "-" + "9" * 30, "9" * 400, "9" * 5000, "0." + "0" * 400 + "1", "2147483648", str(2**64)),
    *("٣", "½", "true", "1e27h", "9" * 400 + "d", "0.0000001d", "-1h", "infd", "1e27%", "-0%", "99.9999999%"),
)
POLICY, STORE = "consent: not_unsubscribed", "poll_every: 1m"
STEP, CRM = "campaign: {journey: 13, step: 35}", "campaign: {journey: 12, step: 34}"
# What is right but for one value, so that the checks of whole blocks and files are reached, too.
ALMOST_RIGHT = (
    *((POLICY, f"{key}: NUMBER") for key in LeadPolicy.model_fields if key not in ("abandoned_after", "exclude")),
    (STEP, "coupon: {amount: NUMBER}"),
    (STEP, "coupon: {percent: NUMBER}"),
    (STEP, "coupon: {amount: 5, expires_in: NUMBER}"),
    (STEP, "when: {min_total: NUMBER}"),
    (STEP, "campaign: {journey: NUMBER, step: 1}"),
    ("after: 24h", "after: NUMBER"),
    ("abandoned_after: 30m", "abandoned_after: NUMBER"),
    (STORE, "poll_every: NUMBER"),
    (STORE, "requests_per_second: NUMBER"),
    (CRM, "requests_per_second: NUMBER"),
    (CRM, "when: {min_total: NUMBER}"),
)


def judge(folder: Path, text: str) -> None:
    """It loads, and then all that reads it first can; or each problem is told with its line."""
    try:
        found = load(write(folder, text), ENV)
    except ConfigProblems as problems:
        for problem in problems.problems:
            assert problem.line, problem
            assert "unexpected" not in problem.message
        return
    for config in found.clients:
        sequence_id(Client.of(config))
        advise(config, short_links=True)
        for account in (*config.stores, *config.crms):
            rate = account.limit(Rate(per_second=5))
            assert rate.per_second is not None
            assert math.isfinite(rate.burst / rate.per_second)


@pytest.mark.parametrize(("old", "new"), ALMOST_RIGHT, ids=[new for _, new in ALMOST_RIGHT])
def test_alone_in_a_file_that_is_right(old: str, new: str, tmp_path: Path) -> None:
    for number in NUMBERS:
        judge(tmp_path, with_change(old, new.replace("NUMBER", number)))


def accounts() -> Iterator[tuple[str, str, str, type[BaseModel]]]:
    """Every adapter, with the list that its entry stands in and the key that names it."""
    stores, crms = registry.options_by_name()
    yield from (("stores", "platform", name, model) for name, model in stores.items())
    yield from (("crms", "adapter", name, model) for name, model in crms.items())


def filled(model: type[BaseModel], value: Any) -> dict[str, Any]:
    """The value behind each key, and behind each of a block."""
    keys = [field.alias or name for name, field in model.model_fields.items()]
    inner = {key: [kind for kind in kinds_at(model, None, (key,)) if is_model(kind)] for key in keys}
    return {key: filled(inner[key][0], value) if inner[key] else value for key in keys}


@pytest.mark.parametrize(("part", "key", "name", "model"), [*accounts()], ids=[each[2] for each in accounts()])
def test_behind_every_key_of_an_adapter(part: str, key: str, name: str, model: type[BaseModel], tmp_path: Path) -> None:
    for number in NUMBERS:
        value = yaml.safe_load(number) if number.isdecimal() and len(number) < 19 else number
        entry = {**filled(model, value), "id": "odd", key: name}
        judge(tmp_path, GOOD.replace(f"{part}:\n", f"{part}:\n  - {yaml.safe_dump(entry, default_flow_style=True)}"))


def test_an_amount_beyond_all_reason_is_told_with_its_line(tmp_path: Path) -> None:
    first = load(write(tmp_path, GOOD), ENV)
    said = "acme.yaml:21: sequence.1.coupon.amount: must be at most 1000000000"
    assert lines_of(write(tmp_path, with_change(STEP, "coupon: {amount: 1e27}"))) == [said]
    second = reload(first, ENV)
    assert [str(problem) for problem in second.problems] == [said]
    assert second.clients == first.clients
