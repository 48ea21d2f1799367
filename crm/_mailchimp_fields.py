"""Mailchimp's merge fields: their tags, their 255 bytes, and making the missing ones.

https://mailchimp.com/developer/marketing/docs/merge-fields/ (read 2026-11): a text value is "truncated to 255 bytes",
in silence. What a `url` field holds is not documented, so it is treated alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from connector.errors import ConfigError, RejectedError
from connector.model import Enrolment, Finding
from crm._mailchimp_api import NO_AUDIENCE, Api

TEXT_BYTES = 255
MERGE_TAG = re.compile(r"[A-Z][A-Z0-9_]{0,9}")
BUILT_IN = "EMAIL"
FILLED_BY_OTHERS = frozenset({"FNAME", "LNAME", "PHONE", "ADDRESS", "BIRTHDAY", "COMPANY"})
URL = re.compile(r"https?://\S+")


def merge_tag(name: str) -> str:
    """A field name of the configuration as Mailchimp writes it. Raises ValueError with a line for the owner."""
    tag = name.strip().upper()
    if not MERGE_TAG.fullmatch(tag):
        raise ValueError(f"{name!r} is not a Mailchimp merge tag: at most 10 letters, digits and _, a letter first")
    return tag


def fit(name: str, value: str, checkout_url: str, short_url: str, *, needs_link: bool) -> str:
    """`value` in at most 255 bytes. Text is cut between characters and before a URL, a URL never inside.

    Raises RejectedError where the link back to the checkout would be lost and the campaign needs it.
    """
    if len(_bytes(value)) <= TEXT_BYTES:
        return value
    link = checkout_url if checkout_url and checkout_url in value else ""
    if link and short_url:
        value, link = value.replace(link, short_url), short_url
    cut = _bytes(value)[:TEXT_BYTES].decode(errors="ignore")
    for url in URL.finditer(value):
        if url.start() < len(cut) < url.end():
            cut = value[: url.start()].rstrip()
    if link and needs_link and link not in cut:
        raise RejectedError(
            f"The field {name} with its link to the checkout is longer than the {TEXT_BYTES} bytes that Mailchimp "
            "keeps. Set public_url so that Winback can write a short link, shorten the text around it, or use "
            "native_cart."
        )
    return cut


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "replace")  # a shop's text can hold half a character (a lone surrogate)


def fitted(enrolment: Enrolment, *, needs_link: bool) -> dict[str, str]:
    """The enrolment's values by merge tag. Raises RejectedError as `fit` does, and ConfigError for a bad name."""
    url, short = enrolment.checkout.url, enrolment.short_url
    return {
        configured_tag(name): fit(name, value, url, short, needs_link=needs_link)
        for name, value in enrolment.fields.items()
    }


def configured_tag(name: str) -> str:
    """Like `merge_tag`, for a name that no option checked (a step's own). Raises ConfigError."""
    try:
        return merge_tag(name)
    except ValueError as error:
        raise ConfigError(f"Mailchimp: {error}. Rename the field in the configuration.") from None


def worth_writing(values: Mapping[str, str]) -> dict[str, str]:
    """Without empty values for the fields that sign-up forms fill: those must not wipe a name."""
    return {name: value for name, value in values.items() if value or name not in FILLED_BY_OTHERS}


class MergeFields:
    """The merge fields of one audience."""

    def __init__(self, api: Api, audience: str) -> None:
        self._api, self._path = api, f"/lists/{audience}/merge-fields"

    def prepare(self, names: Sequence[str]) -> None:
        """Creates what is missing, as text. Raises ConfigError for a bad name and where Mailchimp takes no more."""
        wanted = list(dict.fromkeys(configured_tag(name) for name in names))
        there = self._types() if wanted else {}
        for tag in wanted:
            if tag not in there and tag != BUILT_IN:
                self._create(tag)

    def restore(self, values: Mapping[str, str], answer: object) -> bool:
        """Makes anew what was deleted meanwhile; whether there was such a field, so that the values must be sent again.

        Mailchimp passes over tags that it does not know, and answers a write with all the contact's merge fields.
        """
        found = answer.get("merge_fields") if isinstance(answer, Mapping) else None
        stored = {str(tag).upper() for tag in found} if isinstance(found, Mapping) else set()
        lost = [tag for tag, value in values.items() if value and tag not in stored and tag != BUILT_IN]
        gone = set(lost) - set(self._types()) if lost else set()
        self.prepare(sorted(gone))
        return bool(gone)

    def check(self, templates: Mapping[str, str]) -> Iterator[Finding]:
        """What the owner should know about the configured fields."""
        there = self._types()
        missing = [tag for tag in templates if tag not in there and tag != BUILT_IN]
        if missing:
            yield Finding(f"Winback will create these audience fields: {', '.join(missing)}.", "fields", "info")
        for tag in templates:
            if there.get(tag, "text") not in ("text", "url"):
                yield Finding(f"{tag} is a field of type {there[tag]}; values of another kind are refused.", "fields")

    def _types(self) -> dict[str, str]:
        query = {"count": "1000", "fields": "merge_fields.tag,merge_fields.type"}  # the default is 10
        answer = self._api.request("GET", self._path, query=query, missing=NO_AUDIENCE)
        return {str(field["tag"]).upper(): str(field["type"]) for field in answer.json()["merge_fields"]}

    def _create(self, tag: str) -> None:
        body = {"tag": tag, "name": tag.replace("_", " ").capitalize(), "type": "text", "public": False}
        answer = self._api.request("POST", self._path, json=body, allow=(400,), repeatable=True, missing=NO_AUDIENCE)
        problem = self._api.problem(answer) if answer.status == 400 else None
        if answer.status == 400 and not (problem and "already exists" in problem.text):
            words = problem.detail if problem else "it gave no reason."
            raise ConfigError(
                f"Mailchimp did not create the audience field {tag}: {words} "
                "An audience holds 30 fields on most plans; delete one that is not used, or drop it from `fields:`."
            )
