"""`winback check`: the files, the database, and every store and CRM live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from connector import hooks, registry
from connector.advice import advise
from connector.cli.capturing import Seen, document, lines
from connector.cli.hooking import checked_with_hooks
from connector.cli.known import Known, known
from connector.cli.opening import clients_of, read_configuration
from connector.cli.show import as_json as print_json
from connector.cli.show import count, say
from connector.config import ClientConfig, ConfigProblems, Loaded, Settings
from connector.engine.accounts import another_account, asked_in_vain
from connector.engine.context import Client, log
from connector.engine.live_coupons import coupons_of, maker
from connector.engine.routing import promises_coupons
from connector.errors import TransientError, WinbackError
from connector.http import Http
from connector.model import Finding, Health
from connector.options import CrmOptions, StoreOptions

AT_ONCE = 8  # accounts that are asked at the same time
IN_VAIN = "The daemon tries again by itself; if it stays so, look whether the address in the file is right"
LEVELS = {"info": "note", "warning": "warning", "error": "FAILED"}


@dataclass(frozen=True)
class Checked:
    """What `check` found about one store or CRM."""

    client: str
    id: str
    kind: str  # store | crm
    adapter: str
    ok: bool
    account: str = ""  # as the store or CRM calls itself
    error: str = ""
    exit_condition: str = ""
    capture: dict[str, Any] | None = None  # R1, for a store that was read before
    findings: tuple[Finding, ...] = ()
    identity: str = ""  # the store's own id, where it has one: two entries may be the same store


def run_check(config: Path, *, offline: bool, as_json: bool) -> int:
    """0 all well, 1 the database, a store or a CRM failed, 2 a bad configuration."""
    try:
        loaded = read_configuration(config)
    except ConfigProblems as problems:
        if as_json:
            print_json({"ok": False, "problems": [asdict(one) for one in problems.problems]})
        raise
    database = None if offline else known(loaded)
    checked = [] if offline or database is None else _live(loaded, database)
    ok = all(one.ok for one in checked) and not (database and database.error)
    if as_json:
        print_json(_document(loaded, database, checked, ok))
    else:
        _print(loaded, database, checked)
    return 0 if ok else 1


def _live(loaded: Loaded, database: Known) -> list[Checked]:
    http = Http()
    clients = clients_of(loaded).values()
    accounts = [(c, account) for c in clients for account in (*c.config.stores, *c.config.crms)]
    try:
        with ThreadPoolExecutor(AT_ONCE, "check") as pool:
            checked = list(pool.map(lambda it: _account(it[0], it[1], http, loaded.settings, database), accounts))
    finally:
        http.close()
    return _twins_named(checked)


def _twins_named(checked: list[Checked]) -> list[Checked]:
    """A client's file that was copied, and still names the first one's store: its shoppers would hear from both."""
    same: defaultdict[tuple[str, str], list[Checked]] = defaultdict(list)
    for one in checked:
        if one.kind == "store" and one.identity:
            same[one.adapter, one.identity].append(one)
    return [_twin_named(one, same.get((one.adapter, one.identity), ())) for one in checked]


def _twin_named(one: Checked, same: Sequence[Checked]) -> Checked:
    others = ", ".join(f"{other.client}/{other.id}" for other in same if other is not one)
    if not others:
        return one
    message = f"it is the same store as {others}: its shoppers are followed up by each. Take it out of all but one"
    return replace(one, findings=(*one.findings, Finding(message)))


def _account(
    client: Client, options: StoreOptions | CrmOptions, http: Http, settings: Settings, database: Known
) -> Checked:
    if isinstance(options, StoreOptions):
        blank = Checked(client.id, options.id, "store", options.platform, ok=False)
        url = hooks.address(settings.public_url, client.id, options.id) if settings.public_url else ""
        checked = _ask(blank, lambda: _store_health(client, options, http, url), database)
        if not options.pushed:
            return checked
        return replace(
            checked, identity="", findings=(*checked.findings, *_of_pushed(client, options, settings, database))
        )
    adapter = registry.CRMS[options.adapter]
    blank = Checked(client.id, options.id, "crm", options.adapter, ok=False, exit_condition=adapter.exit_condition)
    if in_vain := asked_in_vain(client, options):
        return replace(blank, error="; ".join(in_vain))
    return _ask(blank, lambda: adapter(options, http).check(), database)


def _of_pushed(client: Client, options: StoreOptions, settings: Settings, database: Known) -> Iterator[Finding]:
    """Where a site that tells by itself has to tell it, and how far it has."""
    base = settings.public_url or f"http://{settings.http.listen}"
    yield Finding(f"it posts to {base}/inbound/{client.id}/{options.id}/checkouts and …/orders", level="info")
    through = database.told.get((client.id, options.id))
    if not options.tells_orders:
        return
    if through is None:
        yield Finding("it has told no orders yet: until it posts them with complete_through, its leads wait (R4)")
    else:
        yield Finding(f"its orders are told up to {through:%Y-%m-%d %H:%M:%S} UTC", level="info")


def _store_health(client: Client, options: StoreOptions, http: Http, url: str) -> Health:
    """Of the account, of its webhooks to `url`, and of the coupons that steps promise its shoppers."""
    platform = registry.PLATFORMS[options.platform]
    adapter = platform(options, http)
    health = checked_with_hooks(adapter, url)
    if not promises_coupons(client, options.id):
        return health
    if maker(options) is None:
        message = (
            f"a step promises a coupon, and {platform.title} cannot make any: the step is left out for its shoppers. "
            "Say with when: {stores: […]} which stores' shoppers it is for"
        )
        return replace(health, findings=(*health.findings, Finding(message, "coupons", "error")))
    return replace(health, findings=(*health.findings, *coupons_of(adapter).check()))


def _ask(blank: Checked, ask: Callable[[], Health], database: Known) -> Checked:
    try:
        health = ask()
    except TransientError as error:
        return replace(blank, error=f"{error}. {IN_VAIN}")
    except WinbackError as error:
        return replace(blank, error=str(error))
    except Exception as error:
        log.debug("%s: unexpected", blank.id, exc_info=error)
        return replace(blank, error=f"unexpected {type(error).__name__}; with WINBACK_LOG__LEVEL=debug it says where")
    pinned = database.pins.get((blank.kind, blank.client, blank.id))
    swapped = str(another_account(blank.kind, blank.id, pinned, health.identity.id) or "")
    findings = tuple(one for one in health.findings if one.message != blank.exit_condition)
    known = database.seen.get((blank.client, blank.id)) if blank.kind == "store" else None
    ok = not swapped and not any(finding.level == "error" for finding in findings)
    account = health.identity.name or health.identity.id
    checked = replace(blank, ok=ok, account=account, error=swapped, findings=findings, identity=health.identity.id)
    return (
        replace(checked, capture=document(known), findings=(*findings, *_not_said(known, findings)))
        if known
        else checked
    )


def _not_said(known: Seen, findings: Sequence[Finding]) -> list[Finding]:
    """What the daemon's last read ran into, and the store's answer of now does not tell."""
    subjects = {one.subject for one in findings if one.level == "error"}
    return [replace(one, level="warning") for one in known.notes if one.subject not in subjects]


def _document(loaded: Loaded, database: Known | None, checked: list[Checked], ok: bool) -> dict[str, Any]:
    under_way, on_others = (database.under_way, database.on_others) if database else ({}, {})
    return {
        "ok": ok,
        "problems": [],
        "warnings": [asdict(one) for one in loaded.notes],
        "database": {"name": database.name, "note": database.note, "error": database.error} if database else None,
        "clients": [
            {
                "client": c.client,
                "leads_under_way": under_way.get(c.client, 0) if database else None,
                "leads_on_earlier_sequence": on_others.get(c.client, 0) if database else None,
                "advice": [asdict(one) for one in _advice(loaded, c)],
            }
            for c in loaded.clients
        ],
        "accounts": [_without_identity(one) for one in checked],
    }


def _without_identity(one: Checked) -> dict[str, Any]:
    return {key: value for key, value in asdict(one).items() if key != "identity"}


def _advice(loaded: Loaded, client: ClientConfig) -> list[Finding]:
    return advise(client, short_links=loaded.settings.public_url is not None)


def _print(loaded: Loaded, database: Known | None, checked: list[Checked]) -> None:
    say(f"configuration: good, {count(len(loaded.clients), 'client')}")
    for note in loaded.notes:
        say(f"warning: {note}")
    for client in loaded.clients:
        for finding in _advice(loaded, client):
            say(f"{client.client}: {LEVELS.get(finding.level, finding.level)}: {finding.message}")
    if database is None:
        say("no store and no CRM was asked (--offline)")
        return
    if database.error:
        say(f"database {database.name}: FAILED")
        say(f"  {database.error}")
    else:
        say(f"database {database.name}: {database.note or 'good'}")
    for client in loaded.clients:
        under_way = count(database.under_way.get(client.client, 0), "lead")
        say(f"{client.client}: {under_way} under way")
        if others := database.on_others.get(client.client, 0):
            say(f"  of them on the sequence as it was before it was edited: {others}")
        for one in checked:
            if one.client == client.client:
                _print_account(one)
                for line in lines(database.seen[one.client, one.id]) if one.capture else ():
                    say(f"  {line}")


def _print_account(one: Checked) -> None:
    title = (registry.PLATFORMS if one.kind == "store" else registry.CRMS)[one.adapter].title
    say(f"{one.client}/{one.id}: {'ok' if one.ok else 'FAILED'}, {title}{f': {one.account}' if one.account else ''}")
    if one.error:
        say(f"  {one.error}")
    for finding in one.findings:
        say(f"  {LEVELS.get(finding.level, finding.level)}: {finding.message}")
    if one.exit_condition and not one.error:
        say(f"  so that buyers leave: {one.exit_condition}")
