"""An adapter for the tests of Klaviyo."""

from __future__ import annotations

from typing import Any

from connector.http import Http
from crm.klaviyo import Klaviyo
from crm.sandbox.klaviyo import KlaviyoSandbox


def adapter(sandbox: KlaviyoSandbox, **changes: Any) -> Klaviyo:
    """An adapter for the sandbox, configured as a client's file would."""
    keys = {"id": "mail", **sandbox.options(), **changes}
    options = Klaviyo.Options.model_validate({name: value for name, value in keys.items() if value is not None})
    return Klaviyo(options, Http())  # type: ignore[arg-type]
