"""What went wrong on the wire, and what an error answer says, in words for the owner."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from urllib3.exceptions import DecodeError, InvalidHeader, NewConnectionError, ProtocolError
from urllib3.exceptions import TimeoutError as UrllibTimeout


def tls_words(error: Exception, host: str | None) -> str:
    """Why there is no TLS connection to this host."""
    cause = error.args[0] if error.args and isinstance(error.args[0], ssl.SSLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {host} is not valid ({cause.verify_message.rstrip('.')})"
    reason = cause.reason if isinstance(cause, ssl.SSLError) else None
    return reason.replace("_", " ").lower() if reason else "it broke off"


def words(error: BaseException) -> str:
    """Why there is no answer."""
    if isinstance(error, NewConnectionError):
        cause = error.__cause__
        return (cause.strerror if isinstance(cause, OSError) else None) or "it was refused"
    if isinstance(error, (UrllibTimeout, TimeoutError)):
        return "it took too long"
    if isinstance(error, DecodeError):
        return "it cannot be unpacked"
    if isinstance(error, (ProtocolError, OSError, http.client.HTTPException)):
        return "the connection broke off"
    if isinstance(error, (InvalidHeader, ValueError)):
        return "it is no proper HTTP"
    return " ".join(str(error).split()) or type(error).__name__


def detail(body: bytes) -> str:
    """The sentence in an error body, whichever of the common shapes it has, on one line.

    As long as it is, for it is redacted before it is cut.
    """
    text = body[:65536].decode("utf-8", "replace")
    try:
        found = _sentence(json.loads(text))
    except (ValueError, RecursionError):
        found = "" if "<" in text[:200] else text
    return "".join(letter if letter.isprintable() else " " for letter in found).strip()


def _sentence(data: Any) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return _sentence(data[0]) if data else ""
    if isinstance(data, dict):
        for key in ("detail", "message", "error_description", "title", "error", "errors"):
            if data.get(key):
                return _sentence(data[key])
    return ""
