"""What is kept as JSON in the tables: checkouts, and what a delivery put on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter

from connector.harmless import presentable
from connector.model import Checkout, LeadId

_PAYLOAD: TypeAdapter[Checkout] = TypeAdapter(Checkout)


def write_payload(checkout: Checkout) -> str:
    """The Checkout as JSON, the same for the same content."""
    return _PAYLOAD.dump_json(checkout).decode()


def read_payload(payload: str) -> Checkout:
    """The Checkout that was stored, harmless: all that is shown or sent on of a checkout comes from here."""
    return presentable(_PAYLOAD.validate_json(payload))


@dataclass(frozen=True)
class Applied:
    """The tags and campaigns that deliveries put on, or may have put on; campaigns as plain JSON values.

    `accounts` are those that the CRM answered as then: what was put on in one is taken off in that one only. `leads`
    are those that it was put on for, each as [store, checkout, generation], and `tried_at` is when it was last sent, in
    UTC, where that is known; only a withdrawal names these two.
    """

    tags: tuple[str, ...] = ()
    campaigns: tuple[Any, ...] = ()
    accounts: tuple[str, ...] = ()
    leads: tuple[Any, ...] = ()
    tried_at: datetime | None = None

    @classmethod
    def read(cls, text: str) -> Applied:
        """What was written; nothing for an empty text."""
        found = json.loads(text) if text else {}
        tags, campaigns, accounts, leads = (
            tuple(found.get(name, ())) for name in ("tags", "campaigns", "accounts", "leads")
        )
        tried_at = datetime.fromisoformat(found["tried_at"]) if "tried_at" in found else None
        return cls(tags, campaigns, accounts, leads, tried_at)

    @classmethod
    def all_of(cls, texts: Iterable[str]) -> Applied:
        """Everything that several deliveries put on."""
        every = [cls.read(text) for text in texts]
        return cls(
            _each_once(tag for one in every for tag in one.tags),
            _each_once(campaign for one in every for campaign in one.campaigns),
            _each_once(account for one in every for account in one.accounts),
            _each_once(lead for one in every for lead in one.leads),
        )

    @classmethod
    def by_account(cls, texts: Iterable[str]) -> dict[str, Applied]:
        """Likewise, each account's own; "" is whichever answers, for what was put on before that was kept."""
        every = [cls.read(text) for text in texts]
        accounts = _each_once(account for one in every for account in one.accounts or ("",))
        return {
            account: replace(
                cls.all_of(one.write() for one in every if account in (one.accounts or ("",))),
                accounts=(account,) if account else (),
            )
            for account in accounts
        }

    def is_owed_to_another(self, account: str | None) -> bool:
        """Whether the account that the CRM is now was never given any of it."""
        return bool(self.accounts) and account not in self.accounts

    def also(self, tags: Iterable[str], campaign: Any, account: str = "") -> Applied:
        """With what one more attempt puts on."""
        if isinstance(campaign, BaseModel):
            campaign = campaign.model_dump(mode="json", by_alias=True, exclude_unset=True)
        started = () if campaign is None else (campaign,)
        accounts = _each_once((*self.accounts, *([account] if account else [])))
        tags, campaigns = _each_once((*self.tags, *tags)), _each_once((*self.campaigns, *started))
        return replace(self, tags=tags, campaigns=campaigns, accounts=accounts)

    def put_on_for(self, *leads: LeadId) -> Applied:
        """With the leads that it was put on for."""
        return replace(self, leads=_each_once((*self.leads, *map(list, map(astuple, leads)))))

    def other_leads(self, than: LeadId) -> tuple[LeadId, ...]:
        """Those that it was put on for, but for one."""
        return tuple(lead for lead in (LeadId(*each) for each in self.leads) if lead != than)

    def write(self) -> str:
        """As JSON."""
        values = asdict(self)
        tried_at = values.pop("tried_at")
        if tried_at:
            values["tried_at"] = tried_at.isoformat()
        return json.dumps(values, ensure_ascii=False)


def _each_once(values: Iterable[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return tuple(found)
