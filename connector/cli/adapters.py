"""`winback adapters`: what each platform and CRM can do, from their own declarations."""

from __future__ import annotations

from typing import Any

from connector import registry
from connector.cli.show import as_json as print_json
from connector.cli.show import say


def list_adapters(*, as_json: bool) -> None:
    """Prints every adapter."""
    registry.load()
    rows: list[dict[str, Any]] = [
        {"kind": "platform", "name": cls.name, "title": cls.title, "capabilities": sorted(cls.capabilities)}
        for _, cls in sorted(registry.PLATFORMS.items())
    ]
    rows += [
        {
            "kind": "crm",
            "name": crm.name,
            "title": crm.title,
            "capabilities": sorted(crm.capabilities),
            "exit_condition": crm.exit_condition,
            "repeats": crm.repeats,
        }
        for _, crm in sorted(registry.CRMS.items())
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        say(f"{row['title']} ({row['kind']}: {row['name']})")
        say(f"  can: {', '.join(row['capabilities'])}")
        if row["kind"] == "crm":
            say(f"  so that buyers leave: {row['exit_condition']}")
            say(f"  after a lost answer: {row['repeats'] or 'nothing is ever repeated'}")
