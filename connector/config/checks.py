"""What has to fit together in one client's file, beyond what each key may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from connector.config.countries import is_place
from connector.config.shape import Path, nearest
from connector.config.translate import translate
from connector.durations import format_duration
from connector.fields import COUPON_NAMES, compile_template
from connector.options import CrmOptions

if TYPE_CHECKING:
    from connector.config.model import ClientConfig

Trouble = tuple[Path, str]


def cross_checks(config: Any) -> list[Trouble]:
    """Ids that are there twice, names that name nothing, templates that cannot be filled.

    Takes a ClientConfig, or the bare values of a file that may be wrong in other ways, so that an owner sees all
    problems at once.
    """
    return [*_ids(config), *_names(config), *_templates(config)]


def _ids(config: Any) -> Iterator[Trouble]:
    seen: dict[str, str] = {}
    for part in ("stores", "crms"):
        for index, entry in enumerate(_items(config, part)):
            name = _get(entry, "id")
            if not isinstance(name, str | int):
                continue
            place = f"{part}.{index}"
            if first := seen.get(str(name).casefold()):
                yield (part, index, "id"), f"{name} is already the id of {first}; every store and CRM needs its own"
            seen.setdefault(str(name).casefold(), place)


def _names(config: Any) -> Iterator[Trouble]:
    stores = _ids_of(config, "stores")
    crms = _ids_of(config, "crms")
    for part in ("crms", "sequence"):
        for index, entry in enumerate(_items(config, part)):
            when = _get(entry, "when")
            for at, name in enumerate(_items(when, "stores")):
                if stores and str(name) not in stores:
                    yield (part, index, "when", "stores", at), _no_such("store", str(name), stores)
            for at, code in enumerate(_items(when, "countries")):
                if not is_place(str(code).upper()):
                    message = f"{code} is no country; write ISO codes such as DE, or EU, EEA, UK"
                    yield (part, index, "when", "countries", at), message
    for index, step in enumerate(_items(config, "sequence")):
        named = _get(step, "crm")
        for at, name in enumerate([named] if isinstance(named, str) else _items(step, "crm")):
            if str(name) not in crms:
                path: Path = ("sequence", index, "crm")
                yield (path if isinstance(named, str) else (*path, at)), _no_such("CRM", str(name), crms)


def _no_such(kind: str, name: str, names: list[str]) -> str:
    known = nearest(name, names) or (f"; there are: {', '.join(names)}" if names else "")
    return f"no {kind} here has the id {name}{known}"


def _templates(config: Any) -> Iterator[Trouble]:
    for part in ("crms", "sequence"):
        for index, entry in enumerate(_items(config, part)):
            fields = _get(entry, "fields")
            for field, text in fields.items() if isinstance(fields, Mapping) else ():
                try:
                    compile_template(text if isinstance(text, str) else "")
                except ValueError as error:
                    yield (part, index, "fields", str(field)), str(error)


def late_checks(config: ClientConfig) -> list[Trouble]:
    """What can only be told when every key is right: the order of the steps, and whether they fit their CRMs."""
    return [*_distances(config), *_overlays(config), *_empty_codes(config)]


def _distances(config: ClientConfig) -> Iterator[Trouble]:
    steps, leads = config.sequence, config.leads
    first, last = steps[0].after, steps[-1].after
    if first < leads.abandoned_after:
        least = format_duration(leads.abandoned_after)
        yield ("sequence", 0, "after"), f"must be at least leads.abandoned_after, which is {least}"
    if first >= leads.stale_after:
        most = format_duration(leads.stale_after)
        yield ("sequence", 0, "after"), f"must be less than leads.stale_after, which is {most}"
    for index in range(1, len(steps)):
        if steps[index].after <= steps[index - 1].after:
            earlier = format_duration(steps[index - 1].after)
            yield ("sequence", index, "after"), f"must be longer than that of the step before, which is {earlier}"
    if len(steps) > 1 and last >= leads.keep_for:
        most = format_duration(leads.keep_for)
        yield ("sequence", len(steps) - 1, "after"), f"must be less than leads.keep_for, which is {most}"


def _empty_codes(config: ClientConfig) -> Iterator[Trouble]:
    """A step's own fields that show a coupon which no step up to it makes."""
    for index, step in enumerate(config.sequence):
        if any(earlier.coupon for earlier in config.sequence[: index + 1]):
            return
        for field, text in step.fields.items():
            if compile_template(text).names & COUPON_NAMES:
                message = "is always empty: neither this step nor one before it has a coupon"
                yield ("sequence", index, "fields", field), message


def _overlays(config: ClientConfig) -> Iterator[Trouble]:
    for index, step in enumerate(config.sequence):
        for key in ("campaign", "fields"):
            if value := getattr(step, key):
                for crm in config.crms_of(step):
                    found = _misfits(crm, key, value, alone=len(config.crms) == 1 or step.crm is not None)
                    yield from ((("sequence", index, *path), text) for path, text in found)


def _misfits(crm: CrmOptions, key: str, value: Any, alone: bool) -> list[Trouble]:
    try:
        overlay(crm, key, value)
    except ValidationError as error:
        found = translate(error, type(crm), {"adapter": crm.adapter, key: value})
        if alone and all(path[:1] == (key,) for path, _ in found):
            return found
        return [((key,), f"does not fit {crm.id} ({crm.adapter}); say with crm: which CRMs this step is for")]
    return []


def overlay(crm: CrmOptions, key: str, value: Any) -> CrmOptions:
    """The CRM's options with another value for one key, checked by the adapter's model. Raises pydantic's error."""
    model = type(crm)
    given = {model.model_fields[name].alias or name: getattr(crm, name) for name in crm.model_fields_set}
    return model.model_validate({**given, key: value})


def _ids_of(config: Any, part: str) -> list[str]:
    return [str(_get(entry, "id")) for entry in _items(config, part) if _get(entry, "id") is not None]


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _items(holder: Any, name: str) -> list[Any]:
    found = _get(holder, name)
    return list(found) if isinstance(found, list | tuple) else []
