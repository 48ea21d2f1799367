"""Any other site: it tells its checkouts and orders by itself, over the API in connector/inbound (docs/inbound.md)."""

from __future__ import annotations

from typing import ClassVar, Literal

from connector.http import Http, Rate
from connector.inbound.options import PushedOptions
from connector.model import Finding, Health, Identity
from connector.registry import Cap, StoreOptions, platform

BLIND = (
    "orders: none: Winback cannot see purchases of this site, so shoppers who have bought may get e-mail all the same. "
    "As soon as the site can tell its orders, take that line out"
)


class InboundOptions(PushedOptions):
    """The keys of a site that tells by itself."""

    platform: Literal["inbound"]


@platform
class Inbound:
    """There is nobody to ask: every request is the site's own."""

    name: ClassVar[str] = "inbound"
    title: ClassVar[str] = "Any other site"
    capabilities: ClassVar[frozenset[Cap]] = frozenset(
        {Cap.PUSHED, Cap.CHECKOUTS, Cap.ORDERS, Cap.CONSENT, Cap.RECOVERY_URL}
    )
    rate: ClassVar[Rate] = Rate(per_second=10, burst=100)  # that each key may send
    Options: ClassVar[type[StoreOptions]] = InboundOptions

    def __init__(self, options: InboundOptions, http: Http) -> None:  # noqa: ARG002  (it asks nobody)
        self._options = options

    def check(self) -> Health:
        """Who it is, and what its owner accepted."""
        findings = () if self._options.tells_orders else (Finding(BLIND, "orders"),)
        return Health(Identity("inbound", "tells by itself"), findings)
