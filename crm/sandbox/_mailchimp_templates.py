"""The pretend account's templates. Their HTML is kept and, as with the real one, never shown again by the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from connector.sandbox import Clock, Reply, Request
from crm.sandbox._mailchimp_wire import Body, Route, body_of, not_found, page, route

HIDDEN = "html"


class Templates:
    """Saved templates by id."""

    def __init__(self, clock: Clock) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self._clock, self._edits = clock, 0

    def routes(self) -> list[Route]:
        return [
            route("GET", "/templates", self._list),
            route("POST", "/templates", self._add),
            route("PATCH", "/templates/*", self._change),
        ]

    def edit(self, name: str, html: str) -> None:
        """The owner edits one, in Mailchimp."""
        (row,) = (row for row in self.rows.values() if row["name"] == name)
        self._save(row, {"html": html})

    def add(self, name: str, html: str) -> int:
        """The owner makes one, in Mailchimp."""
        number = 2000 + len(self.rows)
        row = {"id": number, "type": "user", "active": True, "date_created": self._now(), "content_type": "html"}
        self.rows[number] = row
        self._save(row, {"name": name, "html": html})
        return number

    def _save(self, row: Body, body: Body) -> None:
        self._edits += 1  # so that two edits within one moment of a test's clock are two
        row |= {"name": body.get("name", row.get("name")), HIDDEN: body["html"], "date_edited": self._now()}

    def _now(self) -> str:
        return (self._clock() + timedelta(seconds=self._edits)).isoformat(timespec="seconds")

    def _list(self, request: Request) -> Reply:
        rows = [_shown(row) for row in self.rows.values()]
        return Reply(200, {"templates": page(request, rows), "total_items": len(rows)})

    def _add(self, request: Request) -> Reply:
        body = body_of(request, "name", "html")
        return Reply(200, _shown(self.rows[self.add(body["name"], body["html"])]))

    def _change(self, request: Request, number: str) -> Reply:
        body = body_of(request, "name", "html")
        row = self.rows.get(int(number))
        if row is None:
            raise not_found()
        self._save(row, body)
        return Reply(200, _shown(row))


def _shown(row: Body) -> Body:
    return {key: value for key, value in row.items() if key != HIDDEN}
