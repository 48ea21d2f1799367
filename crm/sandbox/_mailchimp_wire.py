"""How the pretend Mailchimp reads requests and refuses them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from connector.sandbox import Reply, Request

Body = dict[str, Any]
Handler = Callable[..., Reply]
Route = tuple[str, re.Pattern[str], Handler]


class RefusedError(Exception):
    """Ends the handling of a request with a problem document."""

    def __init__(self, status: int, title: str, detail: str, errors: list[Body] | None = None) -> None:
        super().__init__(title)
        self.reply = problem(status, title, detail, errors)


def problem(status: int, title: str, detail: str, errors: list[Body] | None = None) -> Reply:
    """Mailchimp's problem document."""
    body: Body = {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title, "status": status}
    body |= {"detail": detail, "instance": "00000000-0000-0000-0000-000000000000"}
    return Reply(status, body | ({"errors": errors} if errors else {}), {"Content-Type": "application/problem+json"})


def not_found() -> RefusedError:
    """Nothing with that id, or no such path."""
    return RefusedError(404, "Resource Not Found", "The requested resource could not be found.")


def bad(detail: str, title: str = "Bad Request", errors: list[Body] | None = None) -> RefusedError:
    """A request that Mailchimp does not carry out."""
    return RefusedError(400, title, detail, errors)


def invalid(*missing: str) -> RefusedError:
    """A body that fails the schema."""
    rows = [{"field": name, "message": "This value should not be blank."} for name in missing]
    return bad("The resource submitted could not be validated.", "Invalid Resource", rows)


def body_of(request: Request, *required: str) -> Body:
    """The JSON object that was sent, with every required key."""
    try:
        body = request.json()
    except ValueError:
        raise bad("We encountered an unspecified JSON parsing error.", "JSON Parse Error") from None
    if not isinstance(body, dict):
        raise invalid("body")
    if missing := [name for name in required if name not in body]:
        raise invalid(*missing)
    return body


def page(request: Request, rows: Sequence[Body]) -> list[Body]:
    """The rows asked for: ten unless `count` says otherwise."""
    start = int(request.param("offset", "0"))
    return list(rows[start : start + min(1000, int(request.param("count", "10")))])


def password(header: str) -> str:
    """The password of a Basic authorization header, or an empty text."""
    kind, _, token = header.partition(" ")
    try:
        return base64.b64decode(token).decode().partition(":")[2] if kind == "Basic" else ""
    except ValueError:
        return ""


def member_id(email: str) -> str:
    """The subscriber hash."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


def route(method: str, path: str, handler: Handler) -> Route:
    """A path with `*` for each id in it."""
    return method, re.compile("/3.0" + re.escape(path).replace(r"\*", "([^/]+)")), handler
