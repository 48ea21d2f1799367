"""The three things that can go wrong outside, and what each one asks of us.

Every adapter and the HTTP door raise only these. The message is shown to the store owner as it stands, so it
says what is wrong and what to do, and holds no secret and no full e-mail address.
"""

from __future__ import annotations


class WinbackError(Exception):
    """Base of the three; never raised itself."""


class ConfigError(WinbackError):
    """The owner must act. That store or CRM pauses, and an alert says what to do."""


class TransientError(WinbackError):
    """Try again later. `retry_after` is in seconds where the other side named a time, else None.

    `alone` says that only this shopper has to wait: the account is well, and nobody else waits with them.
    """

    def __init__(self, message: str, retry_after: float | None = None, *, alone: bool = False) -> None:
        super().__init__(message)
        self.retry_after, self.alone = retry_after, alone


class RejectedError(WinbackError):
    """This lead only, and never again as it is. Shown in `winback deliveries`.

    `exchange` is the request and the answer, without secrets and addresses, where one answer said no.
    """

    def __init__(self, message: str, exchange: str = "") -> None:
        super().__init__(message)
        self.exchange = exchange
