"""The pretend account's templates: ten at most on a page, a name may be there twice, 1,000 by API."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from connector.sandbox import Reply, Request
from crm.sandbox._klaviyo_state import Json, RefusedError

MOST = 1000
KINDS = ("CODE", "USER_DRAGGABLE", "SYSTEM_DRAGGABLE")


@dataclass
class Templates:
    """Attributes by id."""

    rows: dict[str, Json] = field(default_factory=dict)

    def edit(self, name: str, html: str) -> None:
        """The owner edits one, in Klaviyo."""
        for row in self.rows.values():
            if row["name"] == name:
                row["html"] = html

    def read(self, request: Request) -> Reply:
        match = re.fullmatch(r"equals\(name,(\".*\")\)", request.param("filter"))
        if not match:
            raise RefusedError(400, "invalid", "Invalid filter.", ("/filter",))
        name, wanted = json.loads(match[1]), request.param("fields[template]").split(",")
        found = [_shown(key, row, wanted) for key, row in self.rows.items() if row["name"] == name]
        links = {"self": "https://a.klaviyo.com/api/templates", "next": None}
        return Reply(200, {"data": found[:10], "links": links})

    def create(self, request: Request) -> Reply:
        attributes = request.json()["data"]["attributes"]
        if attributes.get("editor_type") not in KINDS:
            raise RefusedError(400, "invalid", "editor_type is invalid.", ("/data/attributes/editor_type",))
        if len(self.rows) >= MOST:
            raise RefusedError(400, "invalid", "The account has 1000 templates.")
        key = f"Tm{len(self.rows):04d}"
        self.rows[key] = dict(attributes)
        return Reply(201, {"data": _shown(key, self.rows[key])})

    def update(self, request: Request, key: str) -> Reply:
        if key not in self.rows:
            raise RefusedError(404, "not_found", f"A template with id {key} does not exist.")
        self.rows[key] |= request.json()["data"]["attributes"]
        return Reply(200, {"data": _shown(key, self.rows[key])})


def _shown(key: str, row: Json, wanted: list[str] | None = None) -> Json:
    attributes = {name: value for name, value in row.items() if wanted is None or name in wanted}
    links = {"self": f"https://a.klaviyo.com/api/templates/{key}"}
    return {"type": "template", "id": key, "attributes": attributes, "links": links}
