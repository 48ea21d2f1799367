"""What Shopify's refusals mean, in the store owner's words. Pure: no request is made here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import ConfigError, TransientError, WinbackError
from connector.model import Finding

DASHBOARD = "Dev Dashboard (dev.shopify.com) → your app"
ADMIN_APP = "for an app made in the store's admin: Settings → Apps → Develop apps → your app → Configuration"
PROTECTED = f"{DASHBOARD} → API access requests → Protected customer data: choose name, email, phone and address"

NO_URL = (
    "Shopify withholds the recovery links. It gives them only to apps that may read all four protected customer "
    f"fields: name, email, phone and address. Open {PROTECTED}, and save; apps made in the store's admin need nothing. "
    "Until then the link in the e-mail only refills the cart, and needs the scope read_products for that"
)
NO_PRODUCTS = (
    "The app lacks the scope read_products: product ids, product links and the links that refill a cart are missing. "
    f"Add it: {DASHBOARD} → Versions → new version → scopes → Release ({ADMIN_APP})"
)
GRANT_ERRORS = {
    "shop_not_permitted": "this app and this shop are not in the same Shopify organisation, so client_id and "
    "client_secret do not work. Create the app in the Dev Dashboard of the shop's own organisation",
    "app_not_installed": "the app is not installed in this shop. Open the Dev Dashboard → your app → Home → "
    "Install app, and choose the shop",
    "application_cannot_be_found": "Shopify knows no app with this client_id. Copy it again from the Dev Dashboard → "
    "your app → Settings",
    "invalid_client": "client_id and client_secret do not belong together. Copy both again from the Dev Dashboard → "
    "your app → Settings",
}
STATUSES = {
    401: "Shopify refuses the access token. It was revoked or mistyped, or the app was uninstalled; install the app "
    "again and copy the new token",
    402: "Shopify has frozen this shop because a bill is unpaid. Settle it in the Shopify admin",
    404: "Shopify knows no shop under this name. Copy the name from the Shopify admin → Settings → Domains",
    423: "Shopify has locked this shop. Ask Shopify support why",
}
SCOPE = re.compile(r"`?\b((?:read|write)_\w+)`?")
FIELD = re.compile(r"(?:denied for|to use the) (\w+)")


@dataclass(frozen=True)
class Refusal:
    """A part of an answer that Shopify withheld. `path` holds field names only, `scope` the one that is missing."""

    path: tuple[str, ...]
    scope: str
    message: str

    @property
    def field(self) -> str:
        """The field that was withheld, "" where Shopify did not say."""
        return self.path[-1] if self.path else ""


def refusal(error: Mapping[str, Any]) -> Refusal | None:
    """Reads one entry of `errors`; None where it is no refusal but some other trouble."""
    message = str(error.get("message") or "")
    extensions = error.get("extensions") or {}
    # A withheld protected field comes with a message and a path, and without a code.
    # https://shopify.dev/docs/apps/launch/protected-customer-data#graphql-admin-api-request-with-unapproved-fields
    if extensions.get("code") != "ACCESS_DENIED" and not re.search(r"not approved to|access denied", message, re.I):
        return None
    scope = SCOPE.search(str(extensions.get("requiredAccess") or message))
    path = tuple(part for part in error.get("path") or () if isinstance(part, str))
    if not path and (named := FIELD.search(message)):
        path = (named[1],)
    return Refusal(path, scope[1] if scope else "", message)


def denied(name: str, what: Refusal) -> ConfigError:
    """The error for a refusal without which nothing can be read."""
    if what.scope:
        return ConfigError(
            f"{name}: the app lacks the scope {what.scope}. Add it: {DASHBOARD} → Versions → new version → scopes → "
            f"Release, and accept it in the shop ({ADMIN_APP})"
        )
    return ConfigError(
        f"{name}: Shopify does not let this app read its customers ({what.field or 'protected customer data'}). "
        f"Open {PROTECTED}. Some Shopify plans do not offer this to custom apps; then the plan must be raised"
    )


def withheld(fields: set[str]) -> Finding:
    """The finding for protected fields that can be done without."""
    names = ", ".join(sorted(fields))
    return Finding(f"Shopify withholds {names}. Open {PROTECTED}", subject="protected customer data")


def trouble(name: str, code: str, message: str) -> WinbackError:
    """The error for an entry of `errors` that is no refusal."""
    if code == "SHOP_INACTIVE":
        return ConfigError(f"{name}: the shop is closed or paused. Open it in the Shopify admin, or remove it here")
    if code in ("undefinedField", "argumentNotAccepted", "GRAPHQL_VALIDATION_FAILED") or "doesn't exist on" in message:
        return ConfigError(f"{name}: Shopify no longer understands this version of Winback; update it. {message}")
    return TransientError(f"{name}: Shopify could not answer: {message or code or 'no reason given'}")


def scope_findings(granted: set[str]) -> list[Finding]:
    """What the scopes that the app was given mean for the owner. A write scope includes the read scope."""

    def has(scope: str) -> bool:
        return scope in granted or scope.replace("read_", "write_") in granted

    findings = [
        Finding(str(denied("Shopify", Refusal((), scope, ""))), subject=scope, level="error")
        for scope in ("read_orders", "read_customers")
        if not has(scope)
    ]
    if not has("read_products"):
        findings.append(Finding(NO_PRODUCTS, subject="read_products"))
    if "read_all_orders" not in granted:
        findings.append(
            Finding(
                "Shopify shows this app the orders of the last 60 days only, which is enough here",
                subject="read_all_orders",
                level="info",
            )
        )
    return findings
