"""The real program: the page's commands run against it, and nothing that it acknowledged is lost by kill -9."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "process"))

from processes import ROOT, Process, Site, until

from crm.sandbox import klaviyo
from platforms.sandbox import inbound

PAGE = (ROOT / "docs/inbound.md").read_text(encoding="utf-8")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Told:
    """A site, a CRM and the program's own folder; the daemon answers at the same address after a restart."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.site, self.crm, port = inbound.serve(keep_journal=False), klaviyo.serve(), free_port()
        crm = {"id": "mail", **self.crm.options(), "requests_per_second": 1000}
        store = {"id": "site", **self.site.options(), "requests_per_second": 1000}
        self.program = Site(folder, database_url, {"client": "acme", "stores": [store], "crms": [crm]})
        self.program.settings({"database_url": database_url, "http": {"listen": f"127.0.0.1:{port}"}})
        self.url = f"http://127.0.0.1:{port}/inbound/acme/site"
        self.site.connect(self.url)

    def start(self) -> Process:
        return self.program.daemon()

    def enrolled(self) -> list[str]:
        return [effect.email for effect in list(self.crm.effects) if effect.what == "enrolled"]

    def close(self) -> None:
        self.program.close()
        self.site.server.close()
        self.crm.server.close()


@pytest.fixture
def told(tmp_path: Path, database_url: str) -> Iterator[Told]:
    made = Told(tmp_path, database_url)
    yield made
    made.close()


def left(email: str, number: int, minutes: int = 40) -> dict[str, Any]:
    """A checkout that was left so long ago."""
    times = dict.fromkeys(("started_at", "updated_at"), (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat())
    return {"id": f"c{number}", "email": email, "currency": "EUR", "total": "49.00", **times}


def test_what_was_acknowledged_outlives_kill_9(told: Told) -> None:
    taken: list[str] = []
    process = told.start()

    def tell() -> None:
        for number in range(10_000):
            email = f"shopper{number}@example.com"
            try:
                if told.site.post("checkouts", {"checkouts": [left(email, number)]}).status == 200:
                    taken.append(email)
            except OSError:
                return

    teller = threading.Thread(target=tell)
    teller.start()
    until(lambda: len(taken) >= 25)
    process.kill()
    teller.join()
    told.start()
    told.site.tell_orders()
    until(lambda: set(told.enrolled()) >= set(taken), "everybody who was acknowledged is enrolled")
    assert len(told.enrolled()) == len(set(told.enrolled())) <= len(taken) + 1


def test_a_purchase_that_was_acknowledged_outlives_kill_9(told: Told) -> None:
    process = told.start()
    told.site.post("checkouts", {"checkouts": [left("ann@example.com", 1), left("bob@example.com", 2)]})
    now = datetime.now(UTC).isoformat()
    order = {"id": "1", "status": "paid", "purchase": True, "created_at": now, "updated_at": now}
    order |= {"checkout_id": "c1", "currency": "EUR", "total": "49.00"}
    assert told.site.post("orders", {"orders": [order], "complete_through": now}).status == 200
    process.kill()
    told.start()
    until(lambda: told.enrolled())
    assert told.enrolled() == ["bob@example.com"]


@pytest.fixture
def shop(tmp_path: Path, sqlite_url: str) -> Iterator[Told]:
    made = Told(tmp_path, sqlite_url)
    yield made
    made.close()


def test_the_commands_of_the_page_do_what_it_says(shop: Told) -> None:
    for tool in ("bash", "curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    script = "\n".join(["set -euo pipefail", *blocks]).replace(
        "https://winback.acme.example/inbound/acme/site", shop.url
    )
    process = shop.start()
    env = {"SIGNING_KEY": shop.site.signing_key, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    ran = subprocess.run(["bash"], input=script, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran
    decoder, answers, rest = json.JSONDecoder(), [], ran.stdout
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:]
    assert [(one["stored"], one["refused"]) for one in answers] == [(0, []), (1, []), (1, [])]
    (lead,) = shop.program.json("leads", "list")
    assert (lead["state"], lead["email"], lead["product_name"]) == ("waiting", "ann@example.com", "Linen shirt")
    checked = shop.program.run("check", "--json")
    said = [finding["message"] for one in json.loads(checked.out)["accounts"] for finding in one["findings"]]
    assert f"it posts to {shop.url}/checkouts and …/orders" in said
    assert any(each.startswith("its orders are told up to 20") for each in said)
    assert process.terminate().code == 0


def test_the_example_shop_tells_its_orders(shop: Told, tmp_path: Path) -> None:
    shop.start()
    example = start_example(shop.url, shop.site.signing_key)
    try:
        until(lambda: "its orders are told up to" in shop.program.run("check").out)
    finally:
        example.send_signal(signal.SIGTERM)
        example.wait()


def start_example(winback: str, signing_key: str, port: int = 0) -> subprocess.Popen[str]:
    """docs/examples/inbound/site.py; its first line says where it answers."""
    command = [sys.executable, str(ROOT / "docs/examples/inbound/site.py"), "--winback", winback, "--port", str(port)]
    return subprocess.Popen(command, env={"SIGNING_KEY": signing_key}, stdout=subprocess.PIPE, text=True)


def test_a_store_that_is_added_while_it_runs_is_answered(shop: Told) -> None:
    shop.start()
    other = {"platform": "inbound", "id": "other", "signing_key": "k" * 32}
    shop.program.config["stores"].append(other)
    shop.program.write(yaml.safe_dump(shop.program.config))
    shop.site.connect(shop.url.replace("/site", "/other"))
    until(lambda: shop.site.post("orders", {"orders": []}, key="k" * 32).status == 200)
