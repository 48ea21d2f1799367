"""The sandbox store and the sandbox CRM, in a process of their own, so that their work counts for nobody.

Started by run.py. Prints one JSON line with what reaches them; answers each line on stdin with one JSON line of what
was asked of them since the start, and who was enrolled.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
from collections import Counter
from datetime import timedelta
from types import ModuleType
from typing import Any

from connector.sandbox import Reply, Request, Server, utc_now
from crm.sandbox import activecampaign, klaviyo, mailchimp
from platforms.sandbox import woocommerce

CRMS: dict[str, ModuleType] = {"klaviyo": klaviyo, "activecampaign": activecampaign, "mailchimp": mailchimp}
AGE = timedelta(hours=2)  # of the newest checkout: longer than `abandoned_after`, so that all of them are due
SPREAD = timedelta(hours=24)


class Calls:
    """Counts the requests of one server, and keeps its journal empty."""

    def __init__(self, server: Server) -> None:
        self.count: Counter[str] = Counter()
        self._server, self._answer, self._lock = server, server.handler, threading.Lock()
        server.handler = self.handle

    def handle(self, request: Request) -> Reply:
        with self._lock:
            self.count[f"{request.method} {re.sub(r'/[0-9a-f]{32}|/[0-9]+', '/…', request.path)}"] += 1
        self._server.journal.clear()
        return self._answer(request)


def addresses(people: int) -> list[str]:
    """Five checkouts for every four people: every fifth checkout repeats the address of the one before."""
    emails = []
    for person in range(people):
        emails.append(f"shopper{person}@example.com")
        if person % 4 == 3:
            emails.append(emails[-1])
    return emails


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--people", type=int, required=True)
    options.add_argument("--crm", choices=CRMS, required=True)
    options.add_argument("--version", required=True)
    asked = options.parse_args()
    shift = AGE
    store = woocommerce.serve(clock=lambda: utc_now() - shift, version=asked.version, keep_journal=False)
    emails = addresses(asked.people)
    store.seed(len(emails), emails, over=SPREAD)
    shift = timedelta(0)
    crm: Any = CRMS[asked.crm].serve()
    store_calls, crm_calls = Calls(store.server), Calls(crm.server)
    _say({"store": store.options(), "crm": crm.options(), "checkouts": len(emails)})
    for _ in sys.stdin:
        enrolled = [effect.email for effect in crm.effects if effect.what == "enrolled"]
        _say(
            {
                "store_calls": store_calls.count,
                "crm_calls": crm_calls.count,
                "enrolled": len(enrolled),
                "people": len(set(enrolled)),
            }
        )


def _say(data: dict[str, Any]) -> None:
    print(json.dumps(data), flush=True)


if __name__ == "__main__":
    main()
