"""kill -9 at every named point of the pipeline: what comes of it is what comes of a life in which nothing happened."""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from acme import ANN, EVERYBODY, Acme
from dying import AFTER, BEFORE, ON_BEHALF
from nursery import KILLED, ROOT, Nursery, Point
from points import COMMITS, FILES, NOTHING_CHANGES, ONE_AFTER_THE_OTHER, QUESTIONS, REQUESTS
from scenes import SCENES, Scene

LONG = os.environ.get("LONG_TESTS") == "1"  # docs/reliability.md
MOMENTS = [
    (name, point, moment, passage)
    for name, scene in SCENES.items()
    for point in scene.points
    for passage in range(1, 1 + ONE_AFTER_THE_OTHER.get(point.removeprefix("request "), 1))
    for moment in (BEFORE, AFTER)
]
# Without LONG_TESTS: what everything hangs on.
FIRST = [
    ("the next day", "commit deliver._claim", AFTER, 1),
    ("the next day", "request coupons._have", AFTER, 1),
    ("the next day", "request deliver._one enrol contacts", AFTER, 4),
    ("restore", "commit copying.replace_content", AFTER, 1),
]
PLAYED = {
    *(f"commit {name}" for name in COMMITS),
    *(f"question {name}" for name in QUESTIONS),
    *(f"request {name}" for name in REQUESTS),
    *(f"file {name}" for name in FILES),
}
# A kill in a question changes nothing that one at a request or a commit beside it does not.
NAMED = PLAYED | {f"commit {name}" for name in NOTHING_CHANGES} | {f"question {name}" for name in REQUESTS}
JOURNEYS = {("journey", email, "enrolled") for email in EVERYBODY}  # a journey can neither be asked nor tell a repeat


@dataclass
class Life:
    """What came of it: what was stored and what shoppers noticed; and the points that were passed, if all went well."""

    stored: dict[str, Any]
    effects: Counter[tuple[str, str, str]]
    passed: Counter[tuple[str, str]]


def live(nursery: Nursery, scene: Scene, folder: Path, url: str, die_at: Point | None = None) -> Life:
    """Plays a scene in an empty folder and database."""
    acme = Acme(nursery, folder, url, told=scene.told)
    try:
        scene.arrange(acme)
        child = scene.act(acme, die_at)
        if die_at:
            assert child.code == KILLED, child.said
            scene.act(acme, None)
        scene.finish(acme)
        return Life(acme.digest(), acme.effects(), Counter() if die_at else child.passed)
    finally:
        acme.close()


def comparable(what: str, rows: Counter[Any]) -> Any:
    """What must be the same with a kill as without: what is asked for again is told, and counted, again."""
    if what == "events":
        return {row for row in rows if not row[2].startswith("waiting")}
    return {row[:2] for row in rows} if what == "visits" else rows


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where all the processes come from."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def healthy(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Life]:
    """The life without a kill, by scene."""

    @cache
    def lived(name: str) -> Life:
        folder = tmp_path_factory.mktemp("healthy")
        return live(nursery, SCENES[name], folder, f"sqlite:///{folder}/winback.db")

    return lived


@pytest.mark.parametrize(("name", "point", "moment", "passage"), MOMENTS if LONG else FIRST)
def test_killed_there_it_comes_to_the_same(
    nursery: Nursery,
    healthy: Callable[[str], Life],
    tmp_path: Path,
    database_url: str,
    name: str,
    point: str,
    moment: str,
    passage: int,
) -> None:
    expected = healthy(name)
    found = live(nursery, SCENES[name], tmp_path, database_url, (point, moment, passage))
    for what, rows in expected.stored.items():
        if what not in SCENES[name].varies:
            assert comparable(what, found.stored[what]) == comparable(what, rows), what
    assert set(expected.effects) <= set(found.effects) or "effects" in SCENES[name].varies
    once_more = found.effects - expected.effects
    assert sum(once_more.values()) <= 1
    assert set(once_more) <= JOURNEYS


@pytest.mark.parametrize("name", SCENES if LONG else list(dict.fromkeys(name for name, *_ in FIRST)))
def test_a_scene_passes_its_points_and_none_without_a_name(healthy: Callable[[str], Life], name: str) -> None:
    passed = {point for point, _ in healthy(name).passed}
    assert passed <= NAMED, "name it in points.py, and play it in a scene"
    assert set(SCENES[name].points) <= passed


def test_every_point_is_played_in_some_scene() -> None:
    played = {point for scene in SCENES.values() for point in scene.points}
    assert played == PLAYED


def test_the_coupon_of_a_test_that_died_is_deleted_when_it_has_expired(nursery: Nursery, tmp_path: Path) -> None:
    acme = Acme(nursery, tmp_path, f"sqlite:///{tmp_path}/winback.db")
    assert acme.run("test", ANN, die_at=("request trying_coupons._make", AFTER, 1)).code == KILLED
    [made] = acme.woo.coupons.all()
    acme.pass_by(hours=25)
    acme.well("sync")
    acme.pass_by(minutes=15)
    acme.well("sync")
    assert made not in acme.woo.coupons.all()
    acme.close()


def writing() -> Iterator[str]:
    """Every function of the product that begins a transaction that writes, as `module.function`."""
    for file in sorted((ROOT / "connector").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.withitem) and isinstance(inner.context_expr, ast.Call):
                    called = inner.context_expr.func
                    if isinstance(called, ast.Attribute) and called.attr in ("write", "_changing"):
                        yield f"{file.stem}.{node.name}"


def test_every_transaction_has_a_name() -> None:
    found = {name for name in writing() if name.partition(".")[2] not in ON_BEHALF}
    assert found - {*COMMITS, *NOTHING_CHANGES} == set(), "name it in points.py, and play it in a scene"
    assert {*NOTHING_CHANGES} <= found
