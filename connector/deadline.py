"""A time limit for a whole HTTP exchange.

A socket's own timeout starts anew with every byte, so a server that sends one byte a minute holds a thread for ever,
in the headers as in the body. Here every read of an answer is cut to what is left of the exchange's time.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

_current = threading.local()  # an exchange begins and ends in one thread


def begin(seconds: float) -> None:
    """Gives the next exchange of this thread so many seconds, from now."""
    _current.deadline = time.monotonic() + seconds


def limit(pool: urllib3.PoolManager) -> None:
    """Makes every connection of a pool keep to the deadline."""
    pool.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}


class _Reader(io.RawIOBase):
    """The bytes of one answer, until the deadline. Reads past it raise TimeoutError."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline
        self._pause = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        if self._pause is None or self._pause > left:
            self._sock.settimeout(left)  # urllib3 sets it anew before it uses the connection again
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        if deadline := getattr(_current, "deadline", None):
            self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, deadline))


class _PlainConnection(HTTPConnection):
    response_class = _Answer


class _TlsConnection(HTTPSConnection):
    response_class = _Answer


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
