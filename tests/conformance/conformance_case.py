"""What the conformance suite stands on: every registered adapter, found by its name, and the sandbox that it must have.

A new adapter gets the whole suite by existing: its sandbox is `platforms/sandbox/NAME.py` or `crm/sandbox/NAME.py`.
"""

from __future__ import annotations

import importlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any, TypeVar, cast, get_type_hints

import pytest
from clock import START, Clock
from pydantic import SecretStr

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import Door, Http, Timeouts
from connector.model import Checkout, Customer, Enrolment, Finding, LineItem, Money, Page, Withdrawal
from connector.registry import CRMS, PLATFORMS, Cap, CountsStarts, Crm, Readable, load
from connector.sandbox import CrmSandbox, Fault, Reply, Request, Server, StoreSandbox

load()

T = TypeVar("T")
PUSHED = {name: cls for name, cls in PLATFORMS.items() if Cap.PUSHED in cls.capabilities}
ASKED = {name: cls for name, cls in PLATFORMS.items() if name not in PUSHED}
THREE = (ConfigError, TransientError, RejectedError)
JANE = "jane.doe@example.com"
KINDS = ("checkouts", "orders")
LONG_AGO = START - timedelta(days=2)
QUIET = timedelta(minutes=30)  # after which every platform shows what a shopper left
PATIENT = Timeouts(connect=5, read=20, total=40)
HASTY = Timeouts(connect=1, read=0.3, total=0.9)
TOO_LATE = 0.5  # seconds: longer than HASTY waits
PAGE = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body>jane.doe@example.com</body></html>"
HTML = {"Content-Type": "text/html"}


def sandbox_module(package: str, name: str) -> ModuleType:
    """The module of an adapter's sandbox; fails the test with what to add where there is none."""
    protocol = "StoreSandbox" if package == "platforms" else "CrmSandbox"
    path = f"{package}.sandbox.{name}"
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name != path:
            raise
    pytest.fail(
        f"The adapter {name} has no sandbox. Add {package}/sandbox/{name}.py with a function serve(clock=...) that "
        f"returns a {protocol}; connector/sandbox.py says what it must offer.",
        pytrace=False,
    )


def stores() -> list[str]:
    """Every platform, and `NAME, VARIANT` for each variant in which its sandbox can run (its module's VARIANTS)."""
    variants = {name: getattr(sandbox_module("platforms", name), "VARIANTS", {}) for name in sorted(ASKED)}
    return [one for name in variants for one in (name, *(f"{name}, {variant}" for variant in variants[name]))]


def serve(package: str, name: str, clock: Callable[[], Any]) -> Any:
    """A running sandbox of that adapter; fails the test with what it lacks."""
    name, _, variant = name.partition(", ")
    module = sandbox_module(package, name)
    protocol: type = StoreSandbox if package == "platforms" else CrmSandbox
    if not callable(getattr(module, "serve", None)):
        pytest.fail(f"{module.__name__} has no function serve(clock=...). Add it.", pytrace=False)
    sandbox = module.serve(clock=clock, **(module.VARIANTS[variant] if variant else {}))
    wanted = {*get_type_hints(protocol), *(name for name in vars(protocol) if not name.startswith("_"))}
    if lacking := sorted(name for name in wanted if not hasattr(sandbox, name)):
        pytest.fail(
            f"What {module.__name__}.serve returns lacks {', '.join(lacking)}: see {protocol.__name__} in "
            "connector/sandbox.py.",
            pytrace=False,
        )
    return sandbox


@dataclass
class Read:
    """All pages of one read."""

    pages: list[Page[Any]]

    @property
    def items(self) -> list[Any]:
        return [item for page in self.pages for item in page.items]

    @property
    def ids(self) -> set[str]:
        return {item.id for item in self.items}

    @property
    def cursor(self) -> str:
        return self.pages[-1].cursor

    @property
    def findings(self) -> list[Finding]:
        return [finding for page in self.pages for finding in page.findings]

    def last(self, item_id: str) -> Any:
        """That checkout or order as it was given last."""
        found = [item for item in self.items if item.id == item_id]
        assert found, f"{item_id} was not given"
        return found[-1]


@dataclass
class Store:
    """One platform's sandbox and adapters over it."""

    name: str
    clock: Clock
    http: Moody
    sandbox: StoreSandbox

    def adapter(self) -> Readable:
        """A new adapter, as after a restart."""
        return cast(Readable, PLATFORMS[self.name](self.options, self.http))

    @property
    def options(self) -> Any:
        keys = {"id": "store", **self.sandbox.options(), "requests_per_second": 10_000}
        return PLATFORMS[self.name].Options.model_validate(keys)

    def checkouts(self, cursor: str | None = None) -> Read:
        return Read(list(self.adapter().checkouts(cursor, LONG_AGO)))

    def orders(self, cursor: str | None = None) -> Read:
        return Read(list(self.adapter().orders(cursor, LONG_AGO)))

    def read(self, what: str, cursor: str | None = None) -> Read:
        """`checkouts` or `orders`."""
        return self.checkouts(cursor) if what == "checkouts" else self.orders(cursor)

    def leave(self, what: str, email: str) -> str:
        """A shopper makes one of the `checkouts` or `orders`; its id is returned."""
        return self.sandbox.abandon(email) if what == "checkouts" else self.sandbox.buy(email=email)

    def secrets(self) -> tuple[str, ...]:
        found: tuple[str, ...] = self.options.secrets()
        return found


@dataclass
class Account:
    """One CRM's sandbox and adapters over it."""

    name: str
    clock: Clock
    http: Moody
    sandbox: CrmSandbox
    options: Any = field(init=False)
    crm: Crm = field(init=False)

    def __post_init__(self) -> None:
        cls = CRMS[self.name]
        keys = {"id": "mail", **self.sandbox.options(), "requests_per_second": 10_000}
        self.options = cls.Options.model_validate(keys)
        self.crm = self.adapter()

    def adapter(self) -> Crm:
        """A new adapter, as after a restart."""
        return CRMS[self.name](self.options, self.http)

    def can(self, cap: Cap) -> bool:
        return cap in self.crm.capabilities

    @property
    def fields(self) -> dict[str, str]:
        """Short values for the fields that the sandbox's options name."""
        if not self.can(Cap.FIELDS):
            return {}
        return {name: f"value of {name}" for name in self.options.fields or ("PRODUCT", "CHECKOUT")}

    @property
    def tags(self) -> tuple[str, ...]:
        return (self.options.tags or ("abandoned-cart",)) if self.can(Cap.TAGS) else ()

    def prepared(self) -> Account:
        """The same account with its fields and tags made, and an empty journal."""
        self.adapter().prepare(list(self.fields), list(self.tags))
        self.sandbox.server.journal.clear()
        return self

    def enrolment(self, email: str = JANE, **changes: Any) -> Enrolment:
        """The first step of a shopper who opted in."""
        generation = changes.get("generation", 1)
        lead_at = START + timedelta(days=8) * (generation - 1)
        values: dict[str, Any] = {
            "key": f"acme:{email}:c1:{generation}:0",
            "email": email,
            "checkout": checkout(email),
            "client": "acme",
            "store": "acme-shop",
            "at": lead_at + timedelta(minutes=1),
            "lead_at": lead_at,
            "fields": self.fields,
            "tags": self.tags,
            "campaign": self.options.campaign,
            "may_subscribe": True,
        }
        return Enrolment(**{**values, **changes})

    def withdrawal(self, email: str = JANE, **changes: Any) -> Withdrawal:
        values: dict[str, Any] = {
            "key": f"acme:{email}:c1:1:out",
            "email": email,
            "at": self.clock(),
            "store": "acme-shop",
            "checkout_id": "c1",
            "tags": self.tags,
            "campaigns": (self.options.campaign,) if self.options.campaign is not None else (),
        }
        return Withdrawal(**{**values, **changes})

    def count(self, what: str = "enrolled", email: str = JANE) -> int:
        """How often that shopper would have noticed that."""
        return sum(effect.what == what and effect.email == email for effect in list(self.sandbox.effects))


def checkout(email: str = JANE, **changes: Any) -> Checkout:
    """A checkout of 49 euros with one line."""
    price = Money(Decimal("49.00"), "EUR")
    link = "https://shop.example/checkouts/c1"
    line = LineItem(title="Linen shirt", quantity=1, total=price, price=price, sku="LS", product_id="11")
    begun = START - timedelta(minutes=31)
    shopper = Customer(email, first_name="Jane", last_name="Doe")
    values: dict[str, Any] = {"customer": shopper, "total": price, "lines": (line,), "url": link}
    return Checkout(**{"id": "c1", "status": "open", **dict.fromkeys(TIMES, begun), **values, **changes})


TIMES = ("started_at", "activity_at", "modified_at")


@contextmanager
def a_store(name: str, clock: Clock, http: Moody) -> Iterator[Store]:
    """A running store and its adapter."""
    sandbox = serve("platforms", name, clock)
    try:
        yield Store(name.partition(", ")[0], clock, http, sandbox)
    finally:
        sandbox.server.close()


@contextmanager
def an_account(name: str, clock: Clock, http: Moody) -> Iterator[Account]:
    """A running CRM account and its adapter."""
    sandbox = serve("crm", name, clock)
    try:
        yield Account(name, clock, http, sandbox)
    finally:
        sandbox.server.close()


class Moody(Http):
    """Waits long for an answer, but not `in_haste`, which holds for the thread that is in it."""

    def __init__(self) -> None:
        self._mood = threading.local()
        super().__init__(timeouts=PATIENT)
        self.observers.append(self._count)

    def _count(self, *_: object) -> None:
        self._mood.sent = self.sent + 1

    @property
    def sent(self) -> int:
        """Requests of this thread since it was in haste."""
        return getattr(self._mood, "sent", 0)

    @property
    def timeouts(self) -> Timeouts:
        return HASTY if getattr(self._mood, "hasty", False) else PATIENT

    @timeouts.setter
    def timeouts(self, _: Timeouts) -> None:
        """There are only the two."""

    @contextmanager
    def in_haste(self) -> Iterator[None]:
        """Gives up after 0.3 seconds."""
        self._mood.hasty, self._mood.sent = True, 0
        try:
            yield
        finally:
            self._mood.hasty = False


class Trouble:
    """A fault for the requests from number `first` on, or for that one only; counts every request."""

    def __init__(self, server: Server, fault: Fault, *, first: int = 0, once: bool = False) -> None:
        self._server, self._fault, self._first, self._once = server, fault, first, once
        self.seen = 0
        server.journal.clear()
        server.fault = self

    def __call__(self, _: Request) -> Fault | None:
        number, self.seen = self.seen, self.seen + 1
        hit = number == self._first if self._once else number >= self._first
        return self._fault if hit else None

    def heal(self, sent: int = 0) -> None:
        """All is well again, as soon as the server has worked off the `sent` requests, those given up on too."""
        for _ in range(300):
            if len(self._server.journal) >= self.seen >= sent:
                break
            time.sleep(0.01)
        self._server.fault = None


TROUBLES = {
    "500": Fault(Reply(500, {"message": "Internal error"})),
    "500 after the effect": Fault(Reply(500, {"message": "Internal error"}), after_effect=True),
    "an HTML page with 502": Fault(Reply(502, PAGE, HTML), after_effect=True),
    "an HTML page with 200": Fault(Reply(200, PAGE, HTML), after_effect=True),
    "truncated JSON": Fault(Reply(200, b'{"data": [{"id": "1", "na'), after_effect=True),
    "half a body": Fault(truncate=3),
    "reset": Fault(reset=True),
    "reset after the effect": Fault(reset=True, after_effect=True),
    "too late": Fault(delay=TOO_LATE),
    "a byte at a time": Fault(drip=0.2),
}


def calls_of(adapter: Readable) -> dict[str, Callable[[], Any]]:
    """Everything that a platform can be asked."""
    return {
        "check": adapter.check,
        "checkouts": lambda: list(adapter.checkouts(None, LONG_AGO)),
        "orders": lambda: list(adapter.orders(None, LONG_AGO)),
    }


def also_counting(adapter: Readable) -> dict[str, Callable[[], Any]]:
    """The same, with counting starts where the platform can. A refusal there is for reading checkouts to tell."""
    counting = {"visits": lambda: [adapter.visits(LONG_AGO.date())]} if isinstance(adapter, CountsStarts) else {}
    return {**calls_of(adapter), **counting}


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Runs all jobs beside each other, because they mostly wait. Raises what the first failing one raised."""
    with ThreadPoolExecutor(24) as pool:
        return list(pool.map(lambda job: job(), jobs))


def is_sentence(error: WinbackError | str, secrets: Iterable[str] = (), email: str = JANE) -> None:
    """What an owner is told: words, no markup, no secret, no full address."""
    text = str(error)
    assert len(text) > 15, text
    assert len(text.split()) > 2, text
    assert "<" not in text, text
    assert not re.search(r"Traceback|\b\w+Error\(|\bobject at 0x", text), text
    assert email not in text, text
    for secret in secrets:
        assert secret not in text, text


def with_odd_secrets(options: Any) -> Any:
    """The same options with secrets that look like no vendor's, so that nobody knows them by their shape."""
    keys = options.model_dump(exclude_unset=True)
    secret = {name: f"plain words of {name}" for name in keys if isinstance(getattr(options, name), SecretStr)}
    return type(options).model_validate({**keys, **secret})


def doors_of(thing: object, depth: int = 4) -> Iterator[Door]:
    """Every door that an adapter holds."""
    if isinstance(thing, Door):
        yield thing
    elif depth and hasattr(thing, "__dict__") and type(thing).__module__.split(".")[0] in ("platforms", "crm"):
        for value in vars(thing).values():
            yield from doors_of(value, depth - 1)
