"""Who a shopper is: the e-mail address, trimmed, case-folded, with an IDNA domain; dots and plus-tags are kept."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

LONGEST = 1000  # characters; an address has at most 254 bytes, in whatever letters it was typed


@dataclass(frozen=True, slots=True)
class Contact:
    """`address` is what a CRM is given; `identity` is what two checkouts are compared by."""

    address: str
    identity: str

    @property
    def domain(self) -> str:
        """The domain, for exclusions like `@acme.example`."""
        return self.identity.rpartition("@")[2]


def contact(text: str) -> Contact | None:
    """R1: the contact behind what was typed, or None where it is no valid address. Asks no DNS."""
    text = text.strip()
    return _contact(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=512)
def _contact(text: str) -> Contact | None:
    try:
        valid = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return None
    domain = (valid.ascii_domain or valid.domain).lower()
    return Contact(f"{valid.local_part}@{domain}", f"{valid.local_part.casefold()}@{domain}")


def identity(address: str) -> str:
    """What two addresses are compared by; "" for none."""
    found = contact(address)
    return found.identity if found else ""


def keyed_hash(key: bytes, client: str, identity: str) -> str:
    """The shopper's name in the tables: outlives the address, and tells nothing without the database's own key."""
    return hmac.new(key, f"{client}\x1f{identity}".encode(), hashlib.sha256).hexdigest()[:32]
