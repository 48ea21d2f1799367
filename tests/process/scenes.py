"""What the program does when it is killed: a scene for each kind of work, and the points that are played in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from acme import ANN, BOB, CORRECTED, KURT, LATE, NINA, OLD, STAN, Acme
from nursery import KILLED, Child, Point
from test_database import load_dump
from visits import begun, daemon, documents, slow, tell, tell_late, webhooks, with_webhooks

from connector.model import ConsentState
from connector.sandbox import Fault, Reply, Request

Act = Callable[[Acme, Point | None], Child]
REFUSED = Fault(reply=Reply(400, {"code": "odd", "message": "not this one"}))
OUT = Fault(reply=Reply(503, headers={"Retry-After": "1800"}))  # so long that `sync` does not wait for it


def _sync(acme: Acme, die_at: Point | None) -> Child:
    return acme.run("sync", die_at=die_at)


def _a_late_shopper(acme: Acme) -> None:
    """All is well, time goes by, and a cursor that was left wrong would miss who comes now."""
    for each in (*acme.stores.values(), *acme.crms.values()):
        each.server.fault = None
    next(iter(acme.stores.values())).abandon(LATE)
    acme.pass_by(minutes=45)
    acme.well("sync")


def _no_more(acme: Acme) -> None:
    """The program is not started again."""


@dataclass(frozen=True)
class Scene:
    """`act` is killed, and done again. `commits`, `questions`, `requests` and `files` are the points that it plays."""

    arrange: Callable[[Acme], None]
    act: Act = _sync
    finish: Callable[[Acme], None] = _a_late_shopper
    commits: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    told: bool = False  # by stores that tell, rather than one that is asked
    varies: tuple[str, ...] = ()  # what hangs on how far it had come

    @property
    def points(self) -> tuple[str, ...]:
        """All of them, as dying.py calls them."""
        kinds = {"commit": self.commits, "question": self.questions, "request": self.requests, "file": self.files}
        return tuple(f"{kind} {name}" for kind, names in kinds.items() for name in names)


def _nothing(acme: Acme) -> None:
    """The beginning."""


def _enrolled(acme: Acme) -> None:
    acme.well("sync")


def _the_next_day(acme: Acme) -> None:
    """Ann and Bob come. Of Nina and the others, who are older than the database, the CRMs would be asked anyhow."""
    acme.well("sync")
    acme.pass_by(days=1)
    for email in (ANN, BOB):
        acme.woo.abandon(email, consent=ConsentState.OPTED_IN)
    acme.pass_by(minutes=45)


def _news(acme: Acme) -> None:
    """Nina buys, Kurt comes back, and Stan corrects his address."""
    acme.well("sync")
    acme.pass_by(minutes=5)
    acme.woo.buy(checkout_id=acme.checkouts[NINA])
    acme.woo.touch(acme.checkouts[KURT], quantity=3)
    acme.woo.touch(acme.checkouts[STAN], email=CORRECTED)
    acme.pass_by(minutes=1)


def _unused_coupon(acme: Acme) -> None:
    acme.well("sync")
    acme.pass_by(seconds=5)  # a store's clock is known to the second
    acme.woo.buy(checkout_id=acme.checkouts[NINA])
    acme.well("sync")
    acme.pass_by(minutes=15)


def _a_week_later(acme: Acme) -> None:
    acme.well("sync")
    acme.pass_by(days=8)
    for email in (NINA, KURT):
        acme.woo.abandon(email)
    acme.pass_by(minutes=45)


def _set_back(acme: Acme) -> None:
    acme.wrong = timedelta(hours=3)
    acme.well("sync")
    acme.wrong = timedelta(0)


def _ninety_days_later(acme: Acme) -> None:
    acme.well("sync")
    acme.pass_by(seconds=5)
    acme.woo.buy(checkout_id=acme.checkouts[NINA])
    acme.well("sync")
    acme.pass_by(days=91)


def _died_while_sending(acme: Acme) -> None:
    died = acme.run("sync", die_at=("commit settle.settle", "before", 1))
    assert died.code == KILLED


def _died_and_bought(acme: Acme) -> None:
    """Nina buys before anybody has read what the CRMs answered."""
    _died_while_sending(acme)
    acme.woo.buy(checkout_id=acme.checkouts[NINA])


def _everybody_out(acme: Acme) -> None:
    """No CRM that may have enrolled her keeps her."""
    _a_late_shopper(acme)
    tried = {crm for crm, email, what in acme.effects() if email == NINA and what == "enrolled"}
    assert tried <= {crm for crm, email, what in acme.effects() if email == NINA and what == "withdrawn"}


def _without_the_crm(acme: Acme) -> None:
    """A step waits for a CRM that left the configuration three days ago."""
    acme.crms["contacts"].server.fault = lambda request: OUT
    acme.run("sync")
    acme.config["crms"] = acme.config["crms"][1:]
    acme.config["sequence"] = acme.config["sequence"][1:]
    acme.site.write()
    acme.pass_by(days=3)


def _unsubscribed(acme: Acme) -> None:
    """Nina unsubscribes in the shop before her first step, and Kurt does not."""
    documents(acme)
    for email in (NINA, KURT):
        acme.shop.abandon(email, consent=ConsentState.OPTED_IN)
    acme.pass_by(minutes=20)
    daemon(tell, acme, None)
    acme.shop.unsubscribe(NINA)
    acme.pass_by(minutes=25)


def _not_nina(acme: Acme) -> None:
    tell_late(acme)
    assert {email for _, email, _ in acme.effects()} >= {KURT}
    assert NINA not in {email for _, email, _ in acme.effects()}


def _crms_are_out(acme: Acme) -> None:
    for crm in acme.crms.values():
        crm.server.fault = lambda request: OUT


def _store_makes_no_coupon(acme: Acme) -> None:
    def trouble(request: Request) -> Fault | None:
        return OUT if "/coupons" in request.path and request.method != "GET" else None

    acme.woo.server.fault = trouble


def _used_coupon(acme: Acme) -> None:
    """The program dies when Nina's coupon was made, and somebody uses it before it comes back."""
    died = acme.run("sync", die_at=("request coupons._have", "after", 1))
    assert died.code == KILLED
    for one in acme.woo.coupons.all():
        one.used_by.append(ANN)


def _coupon_stays(acme: Acme) -> None:
    _unused_coupon(acme)
    _store_makes_no_coupon(acme)


# By hand


def _refused(acme: Acme) -> None:
    acme.crms["contacts"].server.fault = lambda request: REFUSED if request.path.endswith("/contact/sync") else None
    acme.run("sync")
    acme.crms["contacts"].server.fault = None


def _stale(acme: Acme) -> None:
    acme.woo.abandon(OLD)
    acme.pass_by(days=3)
    acme.well("sync")


def _renamed(acme: Acme) -> None:
    acme.well("sync")
    acme.config["client"] = "apex"
    acme.site.write()


def _older_database(acme: Acme) -> None:
    load_dump(acme.url, "0001")


def _backed_up(acme: Acme) -> None:
    """After the backup Nina was erased, and Stan was enrolled."""
    acme.crms["journey"].server.fault = lambda request: OUT
    acme.run("sync")
    acme.well("backup", "-o", "copy.db")
    acme.crms["journey"].server.fault = None
    acme.well("forget", NINA)
    acme.pass_by(minutes=10)
    acme.well("sync")


def _odd_order(acme: Acme) -> None:
    """One with a status that nobody knows."""
    acme.woo.buy(email=BOB, status="odd")


def _forgotten(acme: Acme) -> None:
    """Nina was let go hours ago, and is to be erased now."""
    acme.well("sync")
    acme.well("leads", "delete", NINA)
    acme.well("sync")
    acme.pass_by(hours=2)
    acme.well("forget", NINA, "--crms")


def _tested(acme: Acme) -> None:
    acme.well("test", ANN)


def by_hand(*arguments: str, arrange: Callable[[Acme], None] = _enrolled, **more: Any) -> Scene:
    """The scene of a command."""
    return Scene(arrange, lambda acme, die_at: acme.run(*arguments, die_at=die_at), **more)


def _whole_backup(acme: Acme) -> None:
    """What has the backup's name is a whole one, and no part of another one is left beside it."""
    assert list(acme.folder.glob(".winback-*/*")) == []
    with sqlite3.connect(acme.folder / "copy.db") as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from checkouts").fetchone() == (3,)


SCENES = {
    "a new database": Scene(
        _nothing,
        commits=(
            *("db._create", "db._hash_key", "db.note_made", "setup.ensure_accounts", "setup.apply_configuration"),
            *("sequences.settle_in", "accounts._pin", "poll._read_checkouts", "intake.store_checkouts"),
            *("intake.store_orders", "poll._read_orders", "counting.read_visits", "poll._finish"),
            *("decide._guard_surge", "decide.decide_client"),
        ),
        questions=("accounts.store", "poll._read_checkouts", "poll._read_orders", "counting.read_visits"),
        requests=("accounts.crm",),
    ),
    "the next day": Scene(
        _the_next_day,
        commits=(
            *("intake.store_checkouts", "deliver._claim", "coupons._reserve", "coupons._made"),
            *("settle.settle", "crm_health.is_well", "coupon_removal.due_removals"),
        ),
        requests=(
            *("coupons._have", "deliver._many"),
            *("deliver._one enrol contacts", "deliver._one enrol journey"),
        ),
    ),
    "a purchase, newer activity, a corrected address": Scene(
        _news,
        commits=("intake.store_orders",),
        questions=("deliver._one refresh contacts",),
        requests=(
            *("deliver._one refresh bulk", "deliver._one refresh journey", "deliver._one withdraw bulk"),
            *("deliver._one withdraw contacts", "deliver._one withdraw journey"),
        ),
    ),
    "an unused coupon": Scene(
        _unused_coupon, commits=("coupon_removal._remove",), requests=("coupon_removal._remove",)
    ),
    "a week later": Scene(_a_week_later, commits=("settle.settle",), requests=("deliver._one enrol journey",)),
    "a clock that was set back": Scene(_set_back, commits=("clocks.notice",)),
    "ninety days later": Scene(
        _ninety_days_later,
        commits=(
            "retention.expire_leads",
            "owed.give_up",
            "retention._purge_checkouts",
            "retention._delete_some",
            "retention.purge",
        ),
        requests=("deliver._one withdraw contacts", "deliver._one withdraw journey"),
    ),
    "after another death": Scene(_died_while_sending, commits=("deliver.recover", "settle.settle")),
    "a purchase after another death": Scene(
        _died_and_bought,
        finish=_everybody_out,
        varies=("deliveries", "events"),
        commits=("intake.store_orders",),
        requests=("deliver._one withdraw journey",),
    ),
    "a CRM that is gone": Scene(_without_the_crm, commits=("retention.end_unreachable",)),
    "CRMs that are out": Scene(_crms_are_out, commits=("crm_health.failed",)),
    "no coupons now": Scene(_store_makes_no_coupon, commits=("coupons._wait",)),
    "a used coupon": Scene(_used_coupon, commits=("coupons._refused",)),
    "an odd order": Scene(_odd_order, commits=("notes.note",)),
    "a coupon that stays": Scene(_coupon_stays, commits=("coupon_removal._later",)),
    "a stop": Scene(slow, partial(daemon, begun), commits=("deliver._give_back",)),
    "a site that tells": Scene(
        documents,
        partial(daemon, tell),
        tell_late,
        commits=("told.take_checkouts", "told.take_typed", "told.count_start", "told.take_orders"),
        told=True,
    ),
    "unsubscribed in the shop": Scene(
        _unsubscribed,
        finish=_not_nina,
        commits=("consents.read_consents",),
        questions=("consents.read_consents",),
        told=True,
    ),
    "webhooks": Scene(
        with_webhooks, partial(daemon, webhooks), tell_late, commits=("soon.ask", "privacy._erase"), told=True
    ),
    "enrol": by_hand("leads", "enrol", OLD, arrange=_stale, commits=("hand.enrol",)),
    "delete": by_hand("leads", "delete", NINA, commits=("hand.remove",)),
    "release": by_hand("leads", "release", commits=("hand.release",)),
    "suppress": by_hand("suppress", NINA, commits=("hand.suppress",)),
    # Given again it asks the CRMs again, who have nobody to erase then.
    "forget": by_hand("forget", NINA, "--crms", commits=("hand.forget",), varies=("deliveries",)),
    "erased in the CRMs": Scene(
        _forgotten,
        requests=("deliver._one forget contacts", "deliver._one forget bulk", "deliver._one forget journey"),
    ),
    "retry": by_hand("deliveries", "retry", "--all", arrange=_refused, commits=("hand.retry",)),
    "adopt": by_hand("adopt", "bulk", commits=("hand.adopt",)),
    "rename": by_hand("client", "rename", "acme", "apex", arrange=_renamed, commits=("clients.rename",)),
    "remove": by_hand(
        *("client", "remove", "acme"),
        finish=_no_more,
        commits=("clients._withdraw_everyone", "coupon_removal.remove_all_coupons", "clients.remove"),
    ),
    "push": by_hand("templates", "push", "--crm", "bulk", commits=("push._remember",), requests=("push.push",)),
    "test": by_hand(
        *("test", ANN),
        commits=("trying_coupons._write_down", "trials.begin"),
        requests=("trying_coupons._make", "trying._enrol"),
        varies=("contacts", "effects"),  # R9: the contact that the first one made keeps its status
    ),
    "test, taken out": by_hand(
        *("test", ANN, "--remove"),
        arrange=_tested,
        commits=("trying_coupons.delete_coupons", "trials.taken_out"),
        requests=("trying_coupons.delete_coupons", "trying.run_test"),
    ),
    "upgrade": by_hand("leads", "list", arrange=_older_database, finish=_no_more, commits=("db._upgrade",)),
    "backup": by_hand(
        *("backup", "-o", "copy.db"),
        finish=_whole_backup,
        commits=("copying.replace_content",),
        files=("backup.backup",),
    ),
    "restore": by_hand(
        *("restore", "copy.db", "--force"),
        arrange=_backed_up,
        commits=("copying.replace_content",),
    ),
}
