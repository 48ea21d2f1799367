"""Requests to WooCommerce's API: built and signed by the `woocommerce` package, sent through the HTTP door, and every
refusal said in one sentence that tells the owner what to do.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import tenacity
import woocommerce.api as package

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import LONGEST_IMMEDIATE_WAIT, READ_OF_BODY, TRIES, UNWELL, Door, Response, TooLargeError
from connector.model import Finding

# The rest is the door's to judge, but no `pages`: they mean more with WordPress than the door can know.
EXPLAINED = frozenset(range(300, 500)) - UNWELL
MOST_READ_TWICE = 3  # times the length of an answer with JSON in it, so that brackets without end cost little time
_BEHIND = re.compile(r"\s*(<|\Z)")
PLUGIN_REFUSES = "wc_winback_cannot_view"
KEYS_PAGE = "WooCommerce > Settings > Advanced > REST API"
PERMALINKS = (
    "In WordPress, open Settings > Permalinks and choose any structure but Plain: with Plain, WooCommerce's API takes "
    "no keys"
)


def _describe(**request: Any) -> dict[str, Any]:
    return request


# The package would send each request over a connection and a TLS context of its own, at ten times the CPU. What it
# calls to send now hands the finished request back, and the door sends it.
package.request = _describe


class CodedError(ConfigError):
    """A refusal by WooCommerce with a code of its own, such as `woocommerce_rest_coupon_code_already_exists`."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownValueError(ConfigError):
    """A 400 that names the parameters whose values this store does not know."""

    def __init__(self, message: str, parameters: frozenset[str]) -> None:
        super().__init__(message)
        self.parameters = parameters


class NoRouteError(ConfigError):
    """WordPress answers, but what brings this part of its API is not active."""


class PluginRefusesError(ConfigError):
    """The companion plugin is there and cannot be read, whatever else of the store can."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store answered, with the time on its clock."""

    data: Any
    date: datetime | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """A REST API key. `in_query` sends it in the address, for hosts that strip the Authorization header."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    in_query: bool = False


class Api:
    """Requests under /wp-json/ of one store. Raises the three errors."""

    def __init__(self, door: Door, credentials: Credentials) -> None:
        self.door = door
        self.encrypted = urlsplit(door.base_url).scheme == "https"
        self.date: datetime | None = None  # the store's clock, when it last answered
        self._credentials = credentials

    def index(self) -> Answer:
        """What WordPress says of itself to anyone: name, home and which APIs there are."""
        query = {"_fields": "name,url,home,timezone_string,gmt_offset,namespaces"}
        with _plain_words():
            response = self.door.request("GET", "/wp-json/", query=query, allow=EXPLAINED, pages=True)
        return self._answer(response)

    def get(self, endpoint: str, query: Mapping[str, str], *, namespace: str = "wc/v3") -> Answer:
        """One signed GET. Values must be text, and lists comma lists: the package signs other lists wrongly.

        Raises NoRouteError where nothing active offers the endpoint, and the three errors.
        """
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_attempt(1 if self.encrypted else TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=1),
            retry=tenacity.retry_if_exception(_worth_signing_again),
            reraise=True,
        ):
            with attempt:
                return self._answer(self._send(self._package(namespace).get(endpoint, params=dict(query))))
        raise AssertionError("unreachable")

    def post(self, endpoint: str, data: Mapping[str, Any]) -> Answer:
        """Makes a record. Never sent twice: where the answer is lost, nobody knows whether the record is there."""
        return self._answer(self._send(self._package().post(endpoint, dict(data))))

    def delete(self, endpoint: str) -> Answer:
        """Deletes a record for good. One that is not there (any more) is a ConfigError."""
        return self._answer(self._send(self._package().delete(endpoint, params={"force": "true"})))

    def _package(self, namespace: str = "wc/v3") -> package.API:
        known = self._credentials
        return package.API(
            self.door.base_url, known.key, known.secret, version=namespace, query_string_auth=known.in_query
        )

    def _send(self, built: Mapping[str, Any]) -> Response:
        headers, url = {"accept": "application/json"}, built["url"]
        if built["data"] is not None:
            headers["content-type"] = "application/json"
        if self.encrypted:
            url += f"?{urlencode(built['params'])}" if built["params"] else ""
            if auth := built["auth"]:
                pair = f"{auth.username}:{auth.password}".encode()
                headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        # Over plain http the address holds an OAuth signature already. The store takes each only once, so after a lost
        # answer `get` signs anew.
        may_repeat = self.encrypted and built["method"] == "GET"
        with _plain_words():
            return self.door.send(
                built["method"],
                url,
                headers=headers,
                body=built["data"],
                allow=EXPLAINED,
                repeatable=may_repeat,
                pages=True,
            )

    def _answer(self, response: Response) -> Answer:
        self.date = response.date or self.date
        if not 200 <= response.status < 300:
            raise self._explain(response)
        text = response.body.decode("utf-8-sig", "replace")
        try:
            return Answer(json.loads(text), response.date)
        except (ValueError, RecursionError):
            pass
        found = _json_within(text)
        if found is None:
            raise self._not_json(text)
        data, printed = found
        said = self.door.redact(_plain(printed), 200)
        message = f"PHP prints messages into the store's answers ({said}). Switch display_errors off on the web server"
        return Answer(data, response.date, (Finding(message, "display_errors"),))

    def _not_json(self, text: str) -> WinbackError:
        name = self.door.name
        if re.search(r"<!doctype html|<html", text[:2000], re.IGNORECASE):
            return ConfigError(
                f"{name} answers with a web page where its API should be. {PERMALINKS}. If they are not Plain, a "
                f"maintenance, privacy or caching plugin covers /wp-json/: make an exception for it"
            )
        said = self.door.redact(_plain(text[:READ_OF_BODY]), 120)
        return TransientError(f"{name} answered with something that is not whole JSON: {said!r}")

    def _explain(self, response: Response) -> WinbackError:
        if 300 <= response.status < 400:
            return self._redirect(response)
        code, message = _code_and_message(response.body)
        if response.status in (401, 403):
            return self._refused(response, code, message)
        if code == "rest_no_route":
            return NoRouteError(
                f"{self.door.name}: WordPress answers, but WooCommerce does not. Activate WooCommerce under Plugins"
            )
        if response.status == 404 and not code:
            return ConfigError(
                f"{self.door.name}: there is no WordPress API under {self.door.base_url}/wp-json/. Check the url of "
                f"the store. {PERMALINKS}"
            )
        if code == "rest_invalid_param":
            return UnknownValueError(self._words(response, message), _parameters(response.body))
        problem = self.door.error(response, message or None)
        # No lead is at fault when a list cannot be read.
        return CodedError(str(problem), code) if isinstance(problem, RejectedError) else problem

    def _redirect(self, response: Response) -> WinbackError:
        target, asked = urlsplit(response.headers.get("location", "")), urlsplit(response.url)
        # WordPress puts a slash behind what it takes for a page; other servers keep the path.
        elsewhere = target.netloc and target[:2] != asked[:2]
        if elsewhere and target.path != f"{asked.path}/":
            return self.door.error(response)
        return ConfigError(f"{self.door.name} redirects API requests to its web pages. {PERMALINKS}")

    def _refused(self, response: Response, code: str, message: str) -> WinbackError:
        name, lower = self.door.name, message.lower()
        for words, advice in _REFUSALS:
            if words in lower:
                return ConfigError(f"{name}: {advice}")
        if "nonce" in lower:
            return TransientError(f"{name}: the store has seen this signed request before")
        if code == PLUGIN_REFUSES:
            return PluginRefusesError(
                f"{name}: the WordPress user of this key may not see the checkouts. Under {KEYS_PAGE}, make the key "
                f"for an administrator or a shop manager"
            )
        if "cannot_view" in code:
            return ConfigError(f"{name}: {_UNKNOWN_KEY_HTTPS if self.encrypted else _UNKNOWN_KEY_HTTP}")
        if code:
            # The sentences above are translated with the store; the codes are not.
            return ConfigError(
                f"{self._words(response, message)}. Check the consumer key, its secret and its permission (Read) under "
                f"{KEYS_PAGE}"
            )
        return ConfigError(
            f"{self._words(response, '')}, but not from WooCommerce: a firewall, a password on the whole site or a "
            f"security plugin stands in front. Make an exception there for /wp-json/"
        )

    def _words(self, response: Response, message: str) -> str:
        return f"{self.door.name} answered HTTP {response.status}" + (message and f": {self.door.redact(message)}")


_UNKNOWN_KEY_HTTPS = (
    f"the store does not know the consumer key, or does not get to see it. Compare it with {KEYS_PAGE}. If it is "
    "right, the web server drops the Authorization header (then set key_in_query: true), or WordPress stands behind a "
    "proxy and does not know that visitors use https (then the proxy must send X-Forwarded-Proto)"
)
_UNKNOWN_KEY_HTTP = (
    "the store did not accept the signed request. It reads keys over plain http only when they are signed, which they "
    f"were: compare the consumer key with {KEYS_PAGE}, or better give the store's https address as url"
)
_REFUSALS = (
    ("consumer key is invalid", f"the store does not know the consumer key. Compare it with {KEYS_PAGE}"),
    ("consumer secret is invalid", f"the consumer secret is wrong. Make a new key under {KEYS_PAGE}"),
    ("read permission", f"the key may only write. Under {KEYS_PAGE}, give it the permission Read"),
    ("write permission", f"the key may only read. Under {KEYS_PAGE}, give it the permission Read/Write"),
    (
        "invalid signature",
        "the signature over plain http does not fit. The consumer secret is wrong, or the url is not the address that "
        "WordPress calls its own (Settings > General > Site Address). With https there is no signature to go wrong",
    ),
    (
        "invalid timestamp",
        "this machine's clock and the store's are more than 15 minutes apart. Set them, best by NTP, or use https",
    ),
)


@contextmanager
def _plain_words() -> Iterator[None]:
    try:
        yield
    except TooLargeError:
        raise
    except TransientError as error:
        raise TransientError(_plain(str(error)), error.retry_after) from None  # WordPress marks its sentences up


def _worth_signing_again(error: BaseException) -> bool:
    if not isinstance(error, TransientError) or isinstance(error, TooLargeError):
        return False
    return error.retry_after is None or error.retry_after <= LONGEST_IMMEDIATE_WAIT


def _json_within(text: str) -> tuple[Any, str] | None:
    """The JSON after (or before) what PHP printed, and what that was.

    It must begin where PHP's output ends or at the very start, and reach the end unless it was at the start. So a
    list inside a truncated answer is never taken for the answer.
    """
    decoder, left = json.JSONDecoder(), MOST_READ_TWICE * len(text)
    for match in re.finditer(r"(?:\A|(?<=[\s>]))[\[{]", text[:65536]):
        start = match.start()
        try:
            data, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            end = error.pos
        except (ValueError, RecursionError):
            return None
        else:
            rest = _BEHIND.match(text, end)
            if rest and (rest[1] == "" or start == 0):
                return data, text[:start] or text[end:].strip()
        left -= end - start
        if left < 0:
            return None
    return None


def _code_and_message(body: bytes) -> tuple[str, str]:
    """`code` and `message` of an error. `data` is mostly an object and sometimes a bare number: not relied on."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(data, dict):
        return "", ""
    return str(data.get("code") or ""), _plain(str(data.get("message") or "")).rstrip(". ")


def _parameters(body: bytes) -> frozenset[str]:
    data = json.loads(body).get("data")
    parameters = data.get("params") if isinstance(data, dict) else None
    return frozenset(parameters) if isinstance(parameters, dict) else frozenset()


def _plain(text: str) -> str:
    return " ".join(re.sub(r"<[^<>]*>", " ", text).split())
