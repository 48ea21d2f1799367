"""Hostile data on its way into the real program: what shoppers may type, and what a store or CRM that was broken into
may answer. And what the program then does on the network, as Python itself tells it.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connector.sandbox import Reply, Request, Server

NUMBER = re.compile(r"shopper(\d+)@")
LINKS = ("abandonedCheckoutUrl", "onlineStoreUrl", "payment_url", "recovery_url", "src", "href", "permalink", "next")
# The audit hook is told of every connection and every name that is looked up, whichever library does it.
WATCH = """
import sys
def _told(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen"):
        what = args[1:] if event in ("socket.connect", "socket.sendto") else args[:2]
        with open({log!r}, "a") as file:
            file.write(repr((event, *what)) + "\\n")
sys.addaudithook(_told)
"""


def addresses(port: int) -> list[str]:
    """A server of the inner network in every spelling, and links that are none to the web."""
    here = f"127.0.0.1:{port}"
    return [
        f"http://{here}/metadata", f"http://localhost:{port}/", f"http://[::1]:{port}/", f"http://127.1:{port}/",
        f"http://2130706433:{port}/", f"http://0x7f000001:{port}/", f"http://0177.0.0.1:{port}/",
        f"http://[::ffff:127.0.0.1]:{port}/", f"http://0.0.0.0:{port}/", "http://169.254.169.254/latest/meta-data/",
        f"http://acme.example@{here}/", f"https://{here}\\\\@acme.example/", f"//{here}/", f"http:{here}",
        f"javascript:fetch('http://{here}')", f"data:text/html,<script src=http://{here}></script>",
        "file:///etc/passwd", f"gopher://{here}/_GET", f" \\tjavascript:open('http://{here}')", f"http://loop.localhost:{port}/",
    ]  # fmt: skip


@contextmanager
def inner_server() -> Iterator[tuple[int, list[str]]]:
    """Its port, and whoever connected: nobody should."""
    listener, seen = socket.create_server(("127.0.0.1", 0)), list[str]()

    def listen() -> None:
        with suppress(OSError):
            while True:
                connection, peer = listener.accept()
                connection.close()
                seen.append(str(peer))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def rewriting(server: Server, change: Callable[[Any, Request], None], headers: dict[str, str] | None = None) -> None:
    """From now on the server's JSON answers are changed on their way, and carry these headers."""
    handler = server.handler

    def answer(request: Request) -> Reply:
        reply = handler(request)
        reply = replace(reply, headers={**reply.headers, **(headers or {})})
        with suppress(ValueError):
            body = json.loads(reply.payload())
            change(body, request)
            return replace(reply, body=json.dumps(body).encode())
        return reply

    server.handler = answer


def records(value: Any) -> Iterator[dict[str, Any]]:
    """Every order or checkout in an answer: an object that a shopper's address stands in, and a link or a name."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and ("billing" in value or "abandonedCheckoutUrl" in value):
        yield value
        return
    for item in items:
        yield from records(item)


def replace_all(value: Any, keys: tuple[str, ...], text: str) -> None:
    """Puts a text in the place of every text with one of these keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        if key in keys and isinstance(item, str):
            value[key] = text
        elif key == "image" and isinstance(item, dict):
            item.update(dict.fromkeys(("src", "url"), text))
        else:
            replace_all(item, keys, text)


def by_shopper(keys: tuple[str, ...], texts: list[str]) -> Callable[[Any, Request], None]:
    """Changes the records of shopper 0 with the first text, and so on."""

    def change(body: Any, _: Request) -> None:
        for record in records(body):
            if number := NUMBER.search(json.dumps(record)):
                replace_all(record, keys, texts[int(number[1]) % len(texts)])

    return change


def watched(folder: Path) -> tuple[dict[str, str], Path]:
    """The environment for a process whose network is written down, and the file where."""
    log, place = folder / "network.log", folder / "watch"
    place.mkdir()
    (place / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    root = Path(__file__).resolve().parent.parent.parent
    return {"PYTHONPATH": f"{place}:{root}"}, log


def reached(log: Path) -> set[tuple[str, int]]:
    """Every address that was connected to, or looked up. Fails for anything else."""
    found = set()
    for line in log.read_text().splitlines():
        match = re.fullmatch(r"\('socket\.(?:connect|getaddrinfo)', \(?'([^']*)', (?:'?(\d+)'?|None).*", line)
        assert match, line
        found.add((match[1], int(match[2] or 0)))
    return found


def place_of(*servers: Server) -> set[tuple[str, int]]:
    """Host and port of these servers."""
    return {(str(urlsplit(server.url).hostname), server.port) for server in servers}
