"""The HTTP door where the other side does not even speak HTTP, or TLS, as it should."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from connector.errors import ConfigError, TransientError
from connector.http import Http, Rate, Timeouts

FAST = Timeouts(connect=1, read=0.3, total=0.6)


@pytest.fixture
def http() -> Iterator[Http]:
    http = Http(timeouts=FAST)
    yield http
    http.close()


@contextlib.contextmanager
def listening(talk: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that answers each connection with `talk`, once it has read a request. Yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    talks: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            peer = context.wrap_socket(connection, server_side=True) if context else connection
            peer.recv(65536)
            talk(peer)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=one, args=(listener.accept()[0],))
                talks.append(thread)
                thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for thread in talks:
            thread.join(5)


def say(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_worth_another_try(http: Http, answer: bytes) -> None:
    asked: list[None] = []

    def talk(connection: socket.socket) -> None:
        asked.append(None)
        connection.sendall(answer)

    with listening(talk) as port:
        door = http.door(f"http://127.0.0.1:{port}", name="the shop")
        with pytest.raises(TransientError, match=r"^the shop: the answer was lost: [A-Za-z ]+$"):
            door.request("POST", "/x")
        assert len(asked) == 1


def test_an_answer_that_ends_in_its_headers_is_never_taken_for_data(http: Http) -> None:
    with listening(say(b"HTTP/1.1 200 OK\r\nContent-Le")) as port, pytest.raises(TransientError):
        http.door(f"http://127.0.0.1:{port}", name="the shop").request("GET", "/x").json()


@pytest.mark.parametrize("length", [b"abc", b"-1", b""])
def test_a_content_length_that_is_no_number_means_until_the_end(http: Http, length: bytes) -> None:
    with listening(say(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n{}")) as port:
        assert http.door(f"http://127.0.0.1:{port}", name="the shop").request("POST", "/x").json() == {}


def drip(start: bytes, byte: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(start)
        for _ in range(40):
            time.sleep(0.1)
            connection.sendall(byte)

    return talk


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", id="body until the end"),
    ],
)
@pytest.mark.parametrize("tls", [False, True])
def test_a_drip_ends_with_the_exchanges_time(start: bytes, tls: bool, tmp_path: Path) -> None:
    http, context = trusting(tmp_path)
    with listening(drip(start, b"a"), context if tls else None) as port:
        door = http.door(f"{'https' if tls else 'http'}://127.0.0.1:{port}", name="the shop")
        started = time.monotonic()
        with pytest.raises(TransientError, match=r"^the shop: the answer was lost: it took too long$"):
            door.request("POST", "/x")
        assert 0.5 <= time.monotonic() - started < 1.5
    http.close()


# No way there


def test_a_refused_connection_is_tried_again_even_for_a_post(http: Http) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen: list[int] = []
    http.observers.append(lambda name, method, status, seconds: seen.append(status))
    with pytest.raises(TransientError, match=r"^the shop: no connection: Connection refused$"):
        http.door(f"http://127.0.0.1:{port}", name="the shop").request("POST", "/x")
    assert seen == [0, 0, 0]


def test_a_server_that_takes_no_connection_is_given_up_in_time() -> None:
    http = Http(timeouts=Timeouts(connect=0.1, read=1, total=2))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):  # a full queue lets no further connection in
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        door = http.door(f"http://127.0.0.1:{full.getsockname()[1]}", name="the shop")
        with pytest.raises(TransientError, match=r"^the shop: no connection: it took too long$"):
            door.request("POST", "/x")
    http.close()


def test_a_host_that_does_not_exist_is_named(http: Http) -> None:
    door = http.door("http://no-such-shop.invalid", name="the shop")
    with pytest.raises(TransientError, match=r"^the shop: the host name no-such-shop\.invalid cannot be found$"):
        door.request("GET", "/x")


@pytest.mark.parametrize("url", ["http://a..example", f"http://{'a' * 64}.example", "http://:80", "http://a b.example"])
def test_an_address_that_is_none_is_the_owners_to_mend(http: Http, url: str) -> None:
    with pytest.raises(ConfigError, match=r"is not an address that can be asked|another host"):
        http.door(url, name="the shop").request("GET", "/x")


def test_a_pool_that_was_closed_opens_anew(http: Http) -> None:
    with listening(say(b"HTTP/1.1 204 No Content\r\n\r\n")) as port:
        door = http.door(f"http://127.0.0.1:{port}", name="the shop", rate=Rate())
        door.request("GET", "/x")
        http.close()
        assert door.request("POST", "/x").status == 204


# TLS


def trusting(folder: Path, *, name: str = "127.0.0.1", expired: bool = False) -> tuple[Http, ssl.SSLContext]:
    """A door that trusts an authority, and a server's context with a certificate of it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    until = datetime.now(UTC) - timedelta(days=1) if expired else None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, not_after=until).configure_cert(context)
    return Http(timeouts=FAST, ca_file=str(folder / "ca.pem")), context


OK = say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def test_a_good_certificate_is_accepted(tmp_path: Path) -> None:
    http, context = trusting(tmp_path)
    with listening(OK, context) as port:
        assert http.door(f"https://127.0.0.1:{port}", name="the shop").request("GET", "/x").json() == {}
    http.close()


@pytest.mark.parametrize(
    ("name", "expired", "words"),
    [
        ("127.0.0.1", True, "certificate has expired"),
        ("other.example", False, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_bad_certificate_is_named(tmp_path: Path, name: str, expired: bool, words: str) -> None:
    http, context = trusting(tmp_path, name=name, expired=expired)
    with listening(OK, context) as port, pytest.raises(TransientError) as caught:
        http.door(f"https://127.0.0.1:{port}", name="the shop").request("GET", "/x")
    assert (
        str(caught.value) == f"the shop: the TLS connection failed: the certificate of 127.0.0.1 is not valid ({words})"
    )
    http.close()


def test_an_unknown_authority_is_refused(tmp_path: Path, http: Http) -> None:
    _, context = trusting(tmp_path)
    with listening(OK, context) as port, pytest.raises(TransientError, match="unable to get local issuer certificate"):
        http.door(f"https://127.0.0.1:{port}", name="the shop").request("GET", "/x")


def test_a_server_without_tls_is_told_apart(http: Http) -> None:
    with listening(say(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port, pytest.raises(TransientError) as caught:
        http.door(f"https://127.0.0.1:{port}", name="the shop").request("GET", "/x")
    assert str(caught.value).startswith("the shop: the TLS connection failed: ")
