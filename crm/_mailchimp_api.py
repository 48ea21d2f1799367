"""How Mailchimp's Marketing API is spoken to, and what its refusals mean.

Errors are problem documents (`title`, `status`, `detail`, `errors`); throttling may come without one.
https://mailchimp.com/developer/marketing/docs/errors/ and …/api-concepts/rate-limits-and-timeouts (read 2026-11).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import ConfigError, RejectedError, TransientError, WinbackError
from connector.http import Door, Query, Response

NOT_FOUND = "Mailchimp does not find what was asked for. Compare the ids in the configuration with Mailchimp."
NO_AUDIENCE = (
    "Mailchimp has no such audience under this API key. Copy the id from Audience > Settings > Audience name and "
    "defaults, and check that the key belongs to the same account."
)
HANDLED = (400, 401, 403, 404)
BARRED = {
    "member in compliance state": "This contact unsubscribed, bounced or complained, and Mailchimp will not mail them.",
    "forgotten email not subscribed": "This contact was permanently deleted in Mailchimp, which will not mail them "
    "unless they sign up again themselves.",
}
REFUSALS = (
    (
        "looks fake or invalid",
        "Mailchimp takes this address for a fake or mistyped one and does not accept it.",
    ),
    (
        "lot of lists",
        "This address signed up to many lists in a short time, so Mailchimp accepts no more for now. "
        "Retry it later with `winback deliveries retry`.",
    ),
)


class BarredError(RejectedError):
    """Mailchimp says that it will not mail this contact (R9)."""


@dataclass(frozen=True)
class Problem:
    """Mailchimp's problem document, with addresses and keys already taken out."""

    title: str
    detail: str
    fields: str = ""

    @property
    def text(self) -> str:
        """Title and detail in lower case, to look for known phrases."""
        return f"{self.title} {self.detail}".lower()


def subscriber_hash(email: str) -> str:
    """What Mailchimp calls a contact by: the MD5 of the lower-case address."""
    return hashlib.md5(email.lower().encode(), usedforsecurity=False).hexdigest()


class Api:
    """Requests to one Mailchimp user, below `/3.0`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Query = (),
        allow: Collection[int] = (),
        repeatable: bool | None = None,
        missing: str = NOT_FOUND,
    ) -> Response:
        """A 2xx answer, or one in `allow`. `missing` is what a 404 means to the owner here.

        Raises ConfigError, TransientError, RejectedError, and BarredError among the last.
        """
        answer = self._door.request(
            method, path, json=json, query=query, allow=(*HANDLED, *allow), repeatable=repeatable
        )
        if answer.status < 300 or answer.status in allow:
            return answer
        raise self._refusal(answer, missing)

    def problem(self, answer: Response) -> Problem | None:
        """The problem document of an answer, or None where Mailchimp sent none."""
        try:
            data = answer.json()
        except TransientError:
            return None
        if not isinstance(data, Mapping) or not (data.get("title") or data.get("detail")):
            return None
        errors = data.get("errors")
        rows = [row for row in errors if isinstance(row, Mapping)] if isinstance(errors, list) else []
        fields = "; ".join(f"{row.get('field') or 'a field'}: {row.get('message', '')}" for row in rows)
        words = (str(data.get("title", "")), str(data.get("detail", "")), fields)
        return Problem(*(self._door.redact(text) for text in words))

    def bad_request(self, answer: Response) -> RejectedError:
        """What a 400 means, for callers that allowed it and then want it raised."""
        kind, words = _bad_request(self.problem(answer))
        return kind(words, self._door.refusal(answer, words).exchange)

    def _refusal(self, answer: Response, missing: str) -> WinbackError:
        problem = self.problem(answer)
        if answer.status == 401:
            return ConfigError(
                "Mailchimp does not accept the API key. Make a new one under Profile > Extras > API keys, "
                "and put it into the configuration."
            )
        if answer.status == 403 and problem is None:
            # Under load Mailchimp throttles with a bare 403; a refused permission always has a body.
            return TransientError("Mailchimp turns requests away for the moment (at most 10 at once for one user).")
        if answer.status == 403 and problem is not None:
            return ConfigError(
                f"Mailchimp does not allow this to the API key: {problem.detail or problem.title} "
                "Its user needs the role Manager or higher, and the account's plan must include the feature."
            )
        if answer.status == 404:
            return ConfigError(missing)
        return self.bad_request(answer)


def _bad_request(problem: Problem | None) -> tuple[type[RejectedError], str]:
    if problem is None:
        return RejectedError, "Mailchimp refused the request (HTTP 400) and did not say why."
    if sentence := BARRED.get(problem.title.lower()):
        return BarredError, sentence
    for phrase, sentence in REFUSALS:
        if phrase in problem.text:
            return RejectedError, sentence
    if problem.fields:
        return RejectedError, f"Mailchimp did not accept these values: {problem.fields}"
    return RejectedError, f"Mailchimp refused the request: {problem.detail or problem.title}"
