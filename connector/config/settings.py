"""Daemon-wide settings: `winback.yaml` beside the clients' files, and over it the environment (`WINBACK_…`)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from connector.config.shape import nearest
from connector.database_url import parse_url, passwords
from connector.errors import ConfigError
from connector.options import Strict, Url, is_loopback

PREFIX = "WINBACK_"


def _check_database(value: SecretStr) -> SecretStr:
    try:
        parse_url(value.get_secret_value())
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return value


def _check_listen(value: str) -> str:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})", value)
    if not match or int(match[2]) > 65535:
        raise ValueError("write an address and a port, such as 127.0.0.1:8484")
    return value


class HttpSettings(Strict):
    """Where health, metrics, the dashboard and short links are served."""

    listen: Annotated[str, AfterValidator(_check_listen)] = Field(
        "127.0.0.1:8484", description="Address and port. Any address but this machine's own needs a password."
    )
    username: str = Field("winback", min_length=1, description="For the dashboard and the metrics.")
    password: SecretStr | None = Field(None, min_length=1, description="For the dashboard and the metrics.")

    @property
    def host(self) -> str:
        """The address without the port, and without the brackets of IPv6."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port; 0 takes any free one."""
        return int(self.listen.rpartition(":")[2])

    @model_validator(mode="after")
    def _guarded(self) -> HttpSettings:
        if self.password is None and not is_loopback(self.host):
            raise ValueError(
                f"{self.listen} can be reached from other machines: set http.password, or listen on 127.0.0.1"
            )
        return self


class LogSettings(Strict):
    """What goes to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = Field("auto", description="auto: text on a terminal, JSON otherwise.")


class Settings(BaseSettings):
    """The settings of the daemon. Nothing here is read from the process's environment by itself: see `read_env`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    database_url: Annotated[SecretStr, AfterValidator(_check_database)] = Field(
        SecretStr("sqlite:///data/winback.db"),
        description="SQLite, its path counted from the current directory, or PostgreSQL.",
    )
    engine: Literal["embedded"] = Field("embedded", description="embedded: this process does all the work.")
    http: HttpSettings = HttpSettings()
    public_url: Url | None = Field(
        None, description="The address, with https, at which short links and webhooks reach this daemon from outside."
    )
    log: LogSettings = LogSettings()

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for redaction."""
        password = self.http.password.get_secret_value() if self.http.password else ""
        return (*passwords(parse_url(self.database_url.get_secret_value())), *([password] if password else []))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the loader brings: it merges file and environment itself, to name the place of a mistake."""
        return (init_settings,)


def read_env(env: Mapping[str, str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The settings that the environment holds, nested, and what is wrong with their names as (variable, message)."""
    mine = {name: value for name, value in env.items() if name.upper().startswith(PREFIX) and value != ""}
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in mine.items()}
    try:
        found = source()
    except (SettingsError, ValueError):
        blocks = (name for name in mine if name[len(PREFIX) :].lower() in ("http", "log"))
        return {}, [(name, f"name each key by itself, such as {name}__KEY") for name in blocks]
    return dict(found), [*_typos(mine)]


def _typos(names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that look like a misspelt setting. Others are let be: a client's file may use any name."""
    known, nested = _variables()
    return [
        (name, f"unknown setting{guess}")
        for name in names
        if not _is_setting(name) and (guess := nearest(name, [*known, *nested], cutoff=0.88))
    ]


def unused(env: Mapping[str, str], used: Collection[str]) -> list[tuple[str, str]]:
    """Variables that begin like a setting, are none, and are used by no file either, as (variable, message)."""
    known = [name.removeprefix(PREFIX) for names in _variables() for name in names]
    others = [name for name in sorted(env) if name.upper().startswith(PREFIX) and name not in used]
    return [
        (name, f"no setting and used by no file, so it does nothing{guess.replace('mean ', f'mean {PREFIX}')}")
        for name in others
        if not _is_setting(name)
        for guess in [nearest(name[len(PREFIX) :], known)]
    ]


def _is_setting(name: str) -> bool:
    return name.upper().split("__")[0] in _variables()[0]


def _variables() -> tuple[list[str], list[str]]:
    """The variables of whole settings and blocks, and those of the keys in blocks."""
    blocks: dict[str, type[Strict]] = {"HTTP": HttpSettings, "LOG": LogSettings}
    known = [f"{PREFIX}{key.upper()}" for key in Settings.model_fields]
    return known, [f"{PREFIX}{block}__{key.upper()}" for block, model in blocks.items() for key in model.model_fields]
