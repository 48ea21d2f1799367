"""The e-mails of the pretend account: campaigns, each with a message. Only its owner makes them, in the automation."""

from __future__ import annotations

from typing import Any

from connector.sandbox import Reply, Request

Record = dict[str, Any]


class Mails:
    """Campaigns and their messages by id."""

    def __init__(self) -> None:
        self.campaigns: dict[str, Record] = {}
        self.messages: dict[str, Record] = {}

    def add(self, name: str, automation: str, html: str = "") -> None:
        """The owner adds the step “Send an email” to an automation."""
        number = str(500 + len(self.campaigns))
        self.campaigns[number] = {"id": number, "type": "automation", "name": name, "seriesid": automation}
        self.messages[f"9{number}"] = {"id": f"9{number}", "subject": name, "html": html, "text": ""}

    def message(self, name: str) -> Record:
        """The message of the e-mail with that name; the owner may edit it."""
        (number,) = (number for number, row in self.campaigns.items() if row["name"] == name)
        return self.messages[f"9{number}"]

    def list_campaigns(self, request: Request) -> Reply:
        series = request.param("filters[seriesid]")
        found = [row for row in self.campaigns.values() if not series or row["seriesid"] == series]
        start, size = int(request.param("offset", "0")), min(100, int(request.param("limit", "20")))
        return Reply(200, {"campaigns": found[start : start + size], "meta": {"total": str(len(found))}})

    def list_messages(self, _: Request, number: str) -> Reply:
        row = {"id": "1", "campaignid": number, "messageid": f"9{number}", "percentage": "100"}
        return Reply(200, {"campaignMessages": [row] if number in self.campaigns else []})

    def get_message(self, _: Request, number: str) -> Reply:
        if number not in self.messages:
            return Reply(404, {"message": f"No Result found for Message with id {number}"})
        return Reply(200, {"message": self.messages[number]})

    def put_message(self, request: Request, number: str) -> Reply:
        if number not in self.messages:
            return Reply(404, {"message": f"No Result found for Message with id {number}"})
        self.messages[number] |= request.json()["message"]
        return Reply(200, {"message": self.messages[number]})
