"""The simplest correct script for the same job: aiohttp and SQLite. The floor that run.py compares Winback with.

It reads what is open in the store, keeps one row a person for seven days (a unique index), reads the orders, drops who
bought, and sends one enrolment for each person to Klaviyo, ten at a time. A row is marked as sent after its answer, so
that a crash repeats and never loses. That is all: one store, one CRM, no consent, no retry, no withdrawal, no upgrade.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

WORKERS = 10
PAGE = 100
TABLE = """
create table if not exists leads (
    email text not null, window integer not null, checkout integer not null, body text not null, sent integer not null,
    unique (email, window)
)
"""


def signed(url: str, query: dict[str, str], store: dict[str, str]) -> str:
    """WooCommerce takes a key over plain http only in a signature (OAuth 1)."""
    query = query | {
        "oauth_consumer_key": store["consumer_key"],
        "oauth_timestamp": str(int(time.time())),
        "oauth_nonce": secrets.token_hex(16),
        "oauth_signature_method": "HMAC-SHA256",
    }
    pairs = "&".join(f"{quote(key, safe='')}={quote(query[key], safe='')}" for key in sorted(query))
    text = f"GET&{quote(url, safe='')}&{quote(pairs, safe='')}"
    digest = hmac.new(f"{store['consumer_secret']}&".encode(), text.encode(), hashlib.sha256).digest()
    return f"{url}?{urlencode(query | {'oauth_signature': base64.b64encode(digest).decode()})}"


async def pages(
    http: aiohttp.ClientSession, store: dict[str, str], wanted: dict[str, str]
) -> AsyncIterator[list[dict[str, Any]]]:
    """What was modified in the last 90 days, by the modified time and never by page number."""
    after = (datetime.now(UTC) - timedelta(days=90)).replace(tzinfo=None).isoformat(timespec="seconds")
    while True:
        query = {**wanted, "modified_after": after, "dates_are_gmt": "true", "orderby": "modified", "order": "asc"}
        url = signed(f"{store['url']}/wp-json/wc/v3/orders", {**query, "per_page": str(PAGE)}, store)
        async with http.get(URL(url, encoded=True)) as answer:
            answer.raise_for_status()
            rows = await answer.json()
        yield rows
        if len(rows) < PAGE:
            return
        last = datetime.fromisoformat(rows[-1]["date_modified_gmt"])
        after = (last - timedelta(seconds=1)).isoformat(timespec="seconds")


def event(row: dict[str, Any]) -> str:
    """The enrolment: one event, with the profile's fields."""
    item = row["line_items"][0]
    link = f"{row['payment_url']}?add-to-cart={item['product_id']}"
    fields = {"CART": item["name"], "CHECKOUT": link}
    attributes = {
        "metric": {"data": {"type": "metric", "attributes": {"name": "Started Checkout"}}},
        "properties": {**fields, "ItemNames": [one["name"] for one in row["line_items"]]},
        "time": f"{row['date_modified_gmt']}+00:00",
        "value": float(row["total"]),
        "unique_id": f"{row['billing']['email']}-{row['id']}",
        "profile": {
            "data": {"type": "profile", "attributes": {"email": row["billing"]["email"], "properties": fields}}
        },
    }
    return json.dumps({"data": {"type": "event", "attributes": attributes}})


async def read_store(http: aiohttp.ClientSession, store: dict[str, str], db: sqlite3.Connection) -> None:
    fields = "id,status,total,date_modified_gmt,billing.email,payment_url,line_items"
    window = int(time.time() // (7 * 86400))
    async for rows in pages(http, store, {"status": "checkout-draft,pending,failed", "_fields": fields}):
        leads = [(row["billing"]["email"].strip().lower(), window, row["id"], event(row)) for row in rows]
        db.executemany("insert or ignore into leads values (?, ?, ?, ?, 0)", leads)
        db.commit()
    bought = {"processing", "completed", "on-hold", "refunded"}
    fields = "id,status,date_modified_gmt,billing.email"
    async for rows in pages(http, store, {"status": "any", "_fields": fields}):
        buyers = [(row["billing"]["email"].strip().lower(),) for row in rows if row["status"] in bought]
        db.executemany("delete from leads where email = ?", buyers)
        db.commit()


async def send(
    http: aiohttp.ClientSession, crm: dict[str, str], db: sqlite3.Connection, todo: list[tuple[int, str]]
) -> None:
    headers = {
        "Authorization": f"Klaviyo-API-Key {crm['api_key']}",
        "revision": "2026-07-15",
        "Content-Type": "application/vnd.api+json",
    }
    while todo:
        done = []
        while todo and len(done) < PAGE:
            number, body = todo.pop()
            async with http.post(f"{crm['base_url']}/api/events", data=body, headers=headers) as answer:
                answer.raise_for_status()
            done.append((number,))
        db.executemany("update leads set sent = 1 where rowid = ?", done)
        db.commit()


async def main(store: dict[str, str], crm: dict[str, str], path: str) -> None:
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    db.execute(TABLE)
    async with aiohttp.ClientSession() as http:
        await read_store(http, store, db)
        todo = db.execute("select rowid, body from leads where sent = 0").fetchall()
        await asyncio.gather(*(send(http, crm, db, todo) for _ in range(WORKERS)))
    db.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]))
