"""The keys of a store that tells by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connector.durations import Duration
from connector.options import StoreOptions, Strict, is_loopback

ACCEPTED = "Winback cannot see purchases of this site"


def origin_of(url: str) -> str:
    """Scheme, host and port of a web address as a browser's Origin header has them; "" where it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    usual = port is None or port == {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{port}"


def _origin(value: str) -> str:
    found, parts = origin_of(value), urlsplit(value)
    if not found or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{value!r} is no origin; write only scheme and host, such as https://www.acme.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"{value} is plain http: a page where shoppers type their address must be https")
    return found


def _long_enough(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < 32:
        raise ValueError("must have 32 characters or more; make one with `openssl rand -hex 32`")
    return value


SigningKey = Annotated[SecretStr | None, AfterValidator(_long_enough)]


class Snippet(Strict):
    """What the browser snippet may do. Its key can be read by anybody who looks at the page."""

    key: str = Field(
        pattern=r"^[A-Za-z0-9_-]{16,64}$",
        description="Any 16 to 64 letters, digits, - and _. It can only tell of checkouts, and everybody can read it.",
    )
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        min_length=1, description="The sites whose pages may use it, such as https://www.acme.example."
    )
    believe_opt_in: bool = Field(
        False,
        description="Take a marketing opt-in from the browser as one. Without it, such a consent counts as unknown.",
    )


class PushedOptions(StoreOptions):
    """What the API asks of a store's options."""

    pushed: ClassVar[bool] = True

    signing_key: SigningKey = Field(None, description="Signs what the site's server sends; 32 characters or more.")
    old_signing_key: SigningKey = Field(
        None, description="The key before it, valid too while you change from one to the other."
    )
    orders: Literal["pushed", "none"] = Field(
        "pushed", description="`none` for a site that cannot tell its orders; it needs `i_accept`."
    )
    i_accept: str = Field("", description=f"With `orders: none`, exactly: {ACCEPTED}.")
    snippet: Snippet | None = Field(None, description="For the browser snippet. See [snippet](#snippet).")
    poll_every: Duration = Field(
        timedelta(minutes=5),
        ge=timedelta(seconds=10),
        le=timedelta(hours=6),
        description="How often the site tells its orders; leads wait when three times that has passed in silence.",
    )

    @property
    def tells_orders(self) -> bool:
        """Whether R4's word comes from this site."""
        return self.orders != "none"

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """Every key that is valid now."""
        found = (self.signing_key, self.old_signing_key)
        return tuple(key.get_secret_value().encode() for key in found if key is not None)

    @model_validator(mode="after")
    def _fits_together(self) -> PushedOptions:
        if self.base_url:
            raise ValueError("base_url is not for a site that tells by itself: Winback sends it nothing")
        accepted = " ".join(self.i_accept.split()).rstrip(".").casefold() == ACCEPTED.casefold()
        if not self.tells_orders and not accepted:
            raise ValueError(
                "orders: none means that shoppers who have bought may get e-mail all the same. If you accept that, add "
                f"i_accept: {ACCEPTED}"
            )
        if self.tells_orders and self.signing_key is None:
            raise ValueError(
                "orders are told with a signing_key: make one with `openssl rand -hex 32`, or write orders: none"
            )
        if self.signing_key is None and self.snippet is None:
            raise ValueError("nobody could tell anything: give it a signing_key, a snippet, or both")
        return self
