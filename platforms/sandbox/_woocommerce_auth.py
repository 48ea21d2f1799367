"""How WooCommerce reads its keys: Basic or query over https, signed requests (OAuth 1, one-legged) over plain http.

After class-wc-rest-authentication.php; the answers are those that a 10.5.0 store gave.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from connector.sandbox import Reply, Request

WINDOW = 15 * 60  # seconds that a signature may be old, or ahead
_OAUTH = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")


@dataclass
class Key:
    """One REST API key. Nonces are remembered for as long as their timestamp is good."""

    consumer_key: str
    consumer_secret: str
    permissions: str = "read"  # read | write | read_write
    nonces: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def error(status: int, code: str, message: str) -> Reply:
    """An error as WordPress words it."""
    return Reply(status, {"code": code, "message": message, "data": {"status": status}})


def is_https(request: Request) -> bool:
    """Whether the store takes the request for an encrypted one: the sandbox stands behind a proxy that says so."""
    return request.headers.get("x-forwarded-proto") == "https"


def authenticate(request: Request, home: str, key: Key) -> Reply | bool:
    """True for the key's owner, False for a stranger (who may see nothing), or the refusal."""
    known = _by_basic(request, key) if is_https(request) else False
    if known is False:
        known = _by_signature(request, home, key)
    if known is not True:
        return known
    needed = "read" if request.method in ("GET", "HEAD") else "write"
    if key.permissions not in (needed, "read_write"):
        return _refusal(f"The API key provided does not have {needed} permissions.")
    return True


def _by_basic(request: Request, key: Key) -> Reply | bool:
    name, secret = request.param("consumer_key"), request.param("consumer_secret")
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if not (name and secret) and scheme == "Basic":
        try:
            name, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
    if name != key.consumer_key:
        return False
    return secret == key.consumer_secret or _refusal("Consumer secret is invalid.")


def _by_signature(request: Request, home: str, key: Key) -> Reply | bool:
    sent = dict(request.query)
    missing = [name for name in _OAUTH if not sent.get(name)]
    if len(missing) == len(_OAUTH):
        return False
    if missing:
        words = f"Missing OAuth parameter{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        return error(401, "woocommerce_rest_authentication_missing_parameter", words)
    if sent["oauth_consumer_key"] != key.consumer_key:
        return _refusal("Consumer key is invalid.")
    given = sent.pop("oauth_signature")
    if not hmac.compare_digest(given, _signature(request, home, sent, key.consumer_secret)):
        return _refusal("Invalid signature - provided signature does not match.")
    return _once(int(sent["oauth_timestamp"]), sent["oauth_nonce"], key)


def _signature(request: Request, home: str, sent: dict[str, str], secret: str) -> str:
    scheme = "https" if is_https(request) else "http"
    address = f"{scheme}://{home.partition('://')[2]}{request.path}"
    pairs = (f"{_coded(name)}%3D{_coded(sent[name])}" for name in sorted(sent))
    text = f"{request.method}&{quote(address, safe='')}&{'%26'.join(pairs)}"
    digest = getattr(hashlib, sent["oauth_signature_method"].removeprefix("HMAC-").lower(), hashlib.sha256)
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text.encode(), digest).digest()).decode()


def _coded(text: str) -> str:
    return quote(quote(unquote(text), safe=""), safe="")


def _once(timestamp: int, nonce: str, key: Key) -> Reply | bool:
    # The machine's own clock, also where the sandbox runs on another one: the client signs with that.
    now = time.time()
    if abs(timestamp - now) > WINDOW:
        return _refusal("Invalid timestamp.")
    with key.lock:
        if nonce in key.nonces:
            return _refusal("Invalid nonce - nonce has already been used.")
        key.nonces[nonce] = timestamp
        if len(key.nonces) > 10_000:
            key.nonces = {one: at for one, at in key.nonces.items() if at >= now - WINDOW}
    return True


def _refusal(message: str) -> Reply:
    return error(401, "woocommerce_rest_authentication_error", message)
