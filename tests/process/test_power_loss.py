"""The power fails: what a CRM or store was asked to do is on the disk as under way, so nothing is lost or repeated."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from power import Call, Disk, calls, strace
from processes import LateClock, Site, Trap, client, due_store, moments, until

from connector.address import identity, keyed_hash
from connector.engine.deliver import WORKERS
from crm.sandbox import activecampaign, klaviyo, mailchimp

LONG = os.environ.get("LONG_TESTS") == "1"  # docs/reliability.md
SHOPPERS, CUTS = (20, 40) if LONG else (3, 2)
EVERYBODY = [f"shopper{n}@example.com" for n in range(SHOPPERS)]
STEPS = [
    {"after": "30m", "crm": "contacts", "coupon": {"percent": 10, "expires_in": "48h"}},
    {"after": "35m", "crm": ["bulk", "journey"]},
]


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[Acme]:
    """A client whose shoppers are all due, with its data two folders deep where there is none yet."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    made = Acme(tmp_path)
    yield made
    made.close()


class Acme:
    """Its store, its CRMs, and the program under strace."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.log, self.database = folder / "calls.strace", self.data / "acme" / "winback.db"
        self.store = due_store(LateClock(), SHOPPERS)
        self.store.allow_coupons()
        self.crms: dict[str, Any] = {
            "contacts": activecampaign.serve(),
            "bulk": klaviyo.serve(),
            "journey": mailchimp.serve(),
        }
        self.site = Site(folder, f"sqlite:///{self.database}", client({"woo": self.store}, self.crms, sequence=STEPS))
        self.doors = {f"->127.0.0.1:{crm.server.port}]": id_ for id_, crm in self.crms.items()}
        self.doors[f"->127.0.0.1:{self.store.server.port}]"] = "woo"

    def close(self) -> None:
        """Ends all of it."""
        self.site.close()
        for each in (self.store, *self.crms.values()):
            each.server.close()

    def seen(self) -> Iterator[Call]:
        """What strace saw, to the end."""
        program = self.log.read_bytes()[:20].split()[0]
        last = re.compile(rb"\n%s +\+\+\+ " % program)  # strace fills up a short process number with spaces
        until(lambda: last.search(self.log.read_bytes()[-200:]), "the end of strace's log")
        return calls(self.log)

    def asked(self, call: Call) -> Iterator[tuple[str, str]]:
        """Whose effect a request asks for: the CRM with an address, or the store with a coupon's code."""
        id_ = next((id_ for door, id_ in self.doors.items() if call.about.endswith(door)), None)
        if id_ is None or call.name != "sendto" or call.ended:
            return
        text = unquote(call.words[0].decode())
        pattern = r"BACK-\w{10}" if id_ == "woo" else r"shopper\d+@example\.com"
        yield from ((id_, found) for found in re.findall(pattern, text))


class Left:
    """A database as the power cut left it."""

    def __init__(self, file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
            key = bytes.fromhex(connection.execute("select value from settings where name = 'hash_key'").fetchone()[0])
            names = {keyed_hash(key, "acme", identity(email)): email for email in EVERYBODY}
            rows = connection.execute("select crm, shopper, state from deliveries").fetchall()
            self.states = {(crm, names[shopper]): state for crm, shopper, state in rows}
            self.codes = {code for (code,) in connection.execute("select code from coupons")}

    def knows(self, id_: str, whose: str) -> bool:
        """Whether it says that this effect is under way, or done."""
        return whose in self.codes if id_ == "woo" else self.states.get((id_, whose)) in ("sending", "done")


def left(disk: Disk, folder: Path, dice: random.Random | None) -> Left:
    """What is found when the machine is on again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    disk.write(folder, dice)
    return Left(folder / "data" / "acme" / "winback.db")


def test_whatever_was_asked_for_is_on_the_disk_before_it_is_asked_for(acme: Acme) -> None:
    ended = acme.site.run("sync", under=strace(acme.log))
    assert ended.code == 0, ended.err
    disk, dice, asked = Disk(acme.folder), random.Random(1), Counter[str]()
    for call in acme.seen():
        for id_, whose in acme.asked(call):
            asked[id_] += 1
            for luck in (None, dice):
                assert left(disk, acme.folder / "left", luck).knows(id_, whose), (id_, whose, luck)
        disk.apply(call)
    assert all(asked[id_] >= SHOPPERS for id_ in acme.doors.values() if id_ != "bulk"), asked
    assert asked["bulk"], asked
    assert set(left(disk, acme.folder / "left", None).states.values()) == {"done"}
    assert len(left(disk, acme.folder / "left", None).states) == 3 * SHOPPERS


@pytest.mark.parametrize("cut", range(CUTS))
def test_after_a_power_cut_everybody_is_enrolled_once(acme: Acme, cut: int) -> None:
    trap = Trap([acme.store.server, *(crm.server for crm in acme.crms.values())])
    process = acme.site.start("sync", under=strace(acme.log))
    trap.set(process, *moments(f"power {cut}", 1, 20 + 12 * SHOPPERS)[0])
    process.end()
    disk = Disk(acme.folder)
    for call in acme.seen():
        disk.apply(call)
    shutil.rmtree(acme.data)
    disk.write(acme.folder, random.Random(cut) if cut % 2 else None)
    last = acme.site.run("sync")
    assert last.code == 0, last.err
    for id_, crm in acme.crms.items():
        times = Counter(effect.email for effect in crm.effects if effect.what == "enrolled")
        assert set(times) == set(EVERYBODY), id_
        # An answer that was lost with the power is one more enrolment in a journey, and so many were on their way.
        assert sum(times.values()) <= SHOPPERS + (WORKERS if id_ == "journey" else 0), id_
    assert len(acme.store.coupons.made_ever) == SHOPPERS
