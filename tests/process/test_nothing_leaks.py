"""A whole run with trouble on every side: no secret and no address in what it says, no secret in what it stores."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from leaks import addresses_in, secrets_in, secrets_of
from processes import LateClock, Site, client, due_store, until

from connector.sandbox import CrmSandbox, Fault, Reply, Request
from crm.sandbox import activecampaign, klaviyo, mailchimp
from platforms.sandbox import shopify

MakeSite = Callable[[dict[str, Any]], Site]
SHOPPERS = 5


def echo(request: Request) -> Reply:
    """The worst answer: an error that holds everything it was sent, the key too."""
    heard = f"{request.target} {dict(request.headers)} {request.body.decode('utf-8', 'replace')}"
    return Reply(400, {"errors": [{"detail": heard}], "message": heard, "detail": heard})


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answer(port: int, path: str) -> str:
    """What the daemon's web server says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def stored(folder: Path) -> bytes:
    """Every byte of the database: its file with its free pages, and its log."""
    return b"".join(file.read_bytes() for file in folder.glob("*.db*"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_secret_and_no_address_in_logs_metrics_and_errors_and_none_is_left_after_an_erasure(site: MakeSite) -> None:
    clock = LateClock()
    woo, shop = due_store(clock, SHOPPERS), shopify.serve(clock=clock)
    crms: dict[str, CrmSandbox] = {
        "bulk": klaviyo.serve(),
        "automation": activecampaign.serve(),
        "journey": mailchimp.serve(path="journey"),
    }
    acme = site(client({"woo": woo, "shop": shop}, crms))
    port = free_port()
    acme.settings({
        "database_url": acme.url, "http": {"listen": f"127.0.0.1:{port}"}, "log": {"level": "debug", "format": "json"},
    })  # fmt: skip
    troubled = {number: f"shopper{number}" for number in range(2)}

    def trouble(request: Request) -> Fault | None:
        asked = request.body.decode("utf-8", "replace") + request.target
        return Fault(echo(request)) if any(name in asked for name in troubled.values()) else None

    for crm in crms.values():
        crm.server.fault = trouble
    daemon = acme.daemon()
    until(lambda: all(len({e.email for e in crm.effects}) >= 3 for crm in crms.values()), "the others are enrolled")
    until(lambda: "refused" in daemon.err or acme.json("deliveries", "list"), "some are refused")
    said = [answer(port, path) for path in ("/metrics", "/healthz", "/r/none")]
    shop.server.fault = lambda request: Fault(echo(request))
    checked = acme.run("check")
    said += [daemon.terminate().err, checked.err]
    for text in said:
        assert not secrets_in(text, acme.config), text
        assert not addresses_in(text), text
    assert not secrets_in(checked.out, acme.config)
    for row in acme.json("deliveries", "list"):
        shown = acme.run("deliveries", "show", str(row["id"])).out
        assert not secrets_in(shown, acme.config), shown
        assert set(addresses_in(shown)) <= {row["email"]}, shown
    for crm in crms.values():
        crm.server.fault = None
    kept = stored(acme.folder)
    assert b"shopper0@example.com" in kept
    assert [secret for secret in secrets_of(acme.config) if secret.encode() in kept] == []
    for number in range(SHOPPERS):
        assert acme.run("forget", f"shopper{number}@example.com").code == 0
    acme.run("sync")  # the CRMs that had enrolled them are told to let go: until then the address is needed
    acme.run("sync")
    left = stored(acme.folder)
    assert re.findall(rb"shopper\d+(?:@|%40)example", left) == []
    for each in (woo, shop, *crms.values()):
        each.server.close()
