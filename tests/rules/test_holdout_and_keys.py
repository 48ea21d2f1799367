"""R12, the hold-out, and the keys that make a delivery happen once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rule_facts import Case, leads

from connector.rules import State, delivery_key, in_holdout

SHARES = st.floats(0, 1, allow_nan=False)
SHOPPERS = st.integers(0, 2**64).map(lambda n: f"{n:032x}")
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,8}", fullmatch=True)
NUMBERS = st.integers(0, 200)
PARTS = st.tuples(NAMES, SHOPPERS, NAMES, st.text(max_size=12), NUMBERS, NUMBERS, NAMES)
MANY = [f"{n:032x}" for n in range(20_000)]
# Written down once: a release that changed these would mix the arms and repeat deliveries.
ARM = [0, 15, 16, 19, 25, 33, 42, 53, 57]
KEY = "a65e9991110df214dbee8f507e3f85d358960603"


@given(leads())
def test_a_hold_out_is_left_untouched_but_measured(case: Case) -> None:
    held_out = case.but(holdout=True).decide()
    assert (held_out.state, held_out.rule, held_out.lead) == (State.HOLDOUT, "R12", True)
    treated = case.but(holdout=False).decide()
    assert (treated.state, treated.lead) == (State.WAITING, True)


@given(NAMES, SHOPPERS, SHARES)
def test_the_same_shopper_is_always_in_the_same_arm(client: str, shopper: str, share: float) -> None:
    assert in_holdout(client, shopper, share) == in_holdout(client, shopper, share)


def test_the_arm_outlives_restarts_and_other_machines() -> None:
    assert [n for n, shopper in enumerate(MANY[:60]) if in_holdout("acme", shopper, 0.1)] == ARM


@given(NAMES, SHOPPERS)
def test_by_default_nobody_is_held_out(client: str, shopper: str) -> None:
    assert not in_holdout(client, shopper, 0)
    assert not in_holdout(client, shopper, -0.1)
    assert in_holdout(client, shopper, 1)


def test_the_hold_out_is_that_share_of_the_shoppers() -> None:
    for share in (0.01, 0.1, 0.5, 0.9):
        held_out = sum(in_holdout("acme", shopper, share) for shopper in MANY)
        spread = (share * (1 - share) / len(MANY)) ** 0.5
        assert abs(held_out / len(MANY) - share) < 4 * spread


@given(NAMES, SHOPPERS, SHARES, SHARES)
def test_a_larger_share_keeps_those_who_were_held_out(client: str, shopper: str, one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert in_holdout(client, shopper, small) <= in_holdout(client, shopper, large)


def test_two_clients_hold_out_different_shoppers() -> None:
    arms = [{shopper for shopper in MANY if in_holdout(client, shopper, 0.1)} for client in ("acme", "acme2")]
    both = len(arms[0] & arms[1])
    assert 0.005 < both / len(MANY) < 0.015  # as many as chance has in both


@given(PARTS, PARTS)
def test_deliveries_that_differ_in_anything_have_different_keys(
    one: tuple[str, str, str, str, int, int, str], other: tuple[str, str, str, str, int, int, str]
) -> None:
    assert (delivery_key(*one) == delivery_key(*other)) == (one == other)


@given(PARTS, st.integers(0, 6), st.sampled_from(("x", "-", "1")))
def test_each_part_of_a_delivery_changes_its_key(
    parts: tuple[str, str, str, str, int, int, str], which: int, more: str
) -> None:
    changed = list(parts)
    changed[which] = parts[which] + 1 if isinstance(parts[which], int) else f"{parts[which]}{more}"  # type: ignore[operator]
    assert delivery_key(*changed) != delivery_key(*parts)  # type: ignore[arg-type]


@given(PARTS)
def test_parts_of_a_key_do_not_run_into_each_other(parts: tuple[str, str, str, str, int, int, str]) -> None:
    client, shopper, store, checkout, generation, step, crm = parts
    keys = {
        delivery_key(client, shopper, store, f"{checkout}1", generation, step, crm),
        delivery_key(client, shopper, f"{store}1", checkout, generation, step, crm),
        delivery_key(f"{client}1", shopper, store, checkout, generation, step, crm),
        delivery_key(client, f"1{shopper}", store, checkout, generation, step, crm),
        delivery_key(client, shopper, store, checkout, int(f"1{generation}"), step, crm),
        delivery_key(client, shopper, store, checkout, generation, step, f"1{crm}"),
        delivery_key(client, shopper, store, f"{checkout}\x1f{generation}", generation, step, crm),
    }
    assert len(keys) == 7


@given(PARTS)
def test_a_key_is_the_same_after_a_lost_volume(parts: tuple[str, str, str, str, int, int, str]) -> None:
    key = delivery_key(*parts)
    assert key == delivery_key(*parts)
    assert len(key) == 40


def test_a_key_does_not_change_from_one_version_to_the_next() -> None:
    assert delivery_key("acme", "5h0pp3r", "woo", "ch-1", 1, 0, "mail") == KEY


@given(st.integers(1, 99), st.integers(1, 99), st.integers(0, 9), st.integers(0, 9))
def test_generation_and_step_are_kept_apart(one: int, other: int, step: int, another: int) -> None:
    keys = [delivery_key("acme", "s", "woo", "c", *pair, "mail") for pair in ((one, step), (other, another))]
    assert (keys[0] == keys[1]) == ((one, step) == (other, another))
