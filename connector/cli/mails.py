"""What `winback templates list`, `show` and `push` do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from connector import registry
from connector.cli.opening import clients_of, engine, one_client, pick_client, read_configuration
from connector.cli.show import say
from connector.config.shape import nearest
from connector.engine.accounts import Accounts
from connector.engine.context import Client, Context
from connector.engine.setup import ensure_accounts
from connector.errors import ConfigError, WinbackError
from connector.merge import HasMerge, TakesTemplates
from connector.options import CrmOptions
from connector.templates import EMAILS, LANGUAGES, Template, load
from connector.templates.page import html_of, text_of
from connector.templates.push import push
from connector.templates.syntax import USUAL_FIELDS, Syntax, lacking, mail_of, subjects_of, suggestion, syntax_of
from connector.templates.words import write

PARTS = ("html", "text", "subject")


def list_templates() -> None:
    """Prints what there is."""
    for email, purpose in EMAILS.items():
        say(f"{email:12}{purpose}")
    languages = ", ".join(f"{code} ({name})" for code, name in LANGUAGES.items())
    say(f"each in {languages}; see them with `winback templates preview -c acme.yaml`")


def chosen(emails: Sequence[str] | None, languages: Sequence[str] | None) -> list[Template]:
    """The templates with these names and languages; all names, and English, where none are given."""
    pairs = [
        (_one_of("template", email, EMAILS), _one_of("language", language, LANGUAGES))
        for language in languages or ["en"]
        for email in emails or EMAILS
    ]
    return [load(*pair) for pair in dict.fromkeys(pairs)]


def _one_of(what: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        guess = nearest(name, list(names))
        raise ConfigError(f"there is no {what} {name}{guess or '; there are: ' + ', '.join(names)}")
    return name


def show_template(
    path: Path | None,
    *,
    client: str | None,
    crm: str | None,
    adapter: str | None,
    email: str,
    language: str,
    part: str | None,
) -> None:
    """Prints one e-mail, or one part of it as it is."""
    if part is not None:
        _one_of("part", part, PARTS)
    (template,) = chosen([email], [language])
    whose, syntax = _syntax_of_adapter(adapter) if adapter else _syntax_in_file(path, client, crm)
    _need(whose, template, syntax)
    for line in filter(None, (*_left_out(whose, template, syntax), syntax.merge.note)):
        print(line, file=sys.stderr)
    subjects = subjects_of(template, syntax)
    shown = {
        "html": html_of(template, syntax),
        "text": text_of(template, syntax),
        "subject": "\n".join(subjects.values()),
    }
    if part is not None:
        print(shown[part].rstrip("\n"))
        return
    say(f"{template.name}: {EMAILS[template.email]}")
    for variant, subject in subjects.items():
        say(f"subject ({variant}): {subject}")
    say(f"preheader (it is in the HTML): {write(template.preheader, syntax)}")
    print(f"\n----- text\n{shown['text']}\n----- html\n{shown['html']}", end="")


def _syntax_of_adapter(name: str) -> tuple[str, Syntax]:
    registry.load()
    cls = registry.CRMS[_one_of("adapter", name, sorted(registry.CRMS))]
    return cls.title, syntax_of(_merging(cls).merge(None), USUAL_FIELDS.items())


def _merging(cls: type[registry.Crm]) -> type[HasMerge]:
    if not hasattr(cls, "merge"):
        raise ConfigError(f"{cls.title}: Winback does not know its merge syntax")
    return cast("type[HasMerge]", cls)


def _syntax_in_file(path: Path | None, client_id: str | None, crm_id: str | None) -> tuple[str, Syntax]:
    assert path is not None  # the command refuses to go without
    client = pick_client(clients_of(read_configuration(path)), client_id)
    crm = _crm(client, crm_id)
    return crm.id, _syntax(client, crm)


def _crm(client: Client, crm_id: str | None) -> CrmOptions:
    known = {crm.id: crm for crm in client.config.crms}
    if crm_id is not None:
        return known[_one_of("CRM", crm_id, known)]
    if len(known) == 1:
        return next(iter(known.values()))
    names = ", ".join(known)
    raise ConfigError(
        f"say with --crm which one of: {names}" if known else f"{client.id} has no CRM; add one under crms:"
    )


def _syntax(client: Client, crm: CrmOptions) -> Syntax:
    fields: dict[str, str] = dict(crm.fields)
    for _, step in client.steps_for(crm.id):
        fields |= client.config.fields_for(step, crm)
    return syntax_of(_merging(registry.CRMS[crm.adapter]).merge(crm), fields.items())


def _need(whose: str, template: Template, syntax: Syntax) -> None:
    """Raises ConfigError where a value is missing without which the e-mail makes no sense."""
    needed, _ = lacking(template, syntax)
    if needed:
        raise ConfigError(
            f"{template.name} needs {' and '.join(needed)}, and no field of {whose} holds just that: "
            f"add to its fields {suggestion(needed)}"
        )


def _left_out(whose: str, template: Template, syntax: Syntax) -> list[str]:
    _, optional = lacking(template, syntax)
    if not optional:
        return []
    left, it = ("that is", "it") if len(optional) == 1 else ("these are", "them")
    return [
        f"no field of {whose} holds {', '.join(optional)}, so {left} left out; to have {it}, add {suggestion(optional)}"
    ]


def push_templates(
    path: Path,
    *,
    client: str | None,
    crm: str | None,
    emails: Sequence[str] | None,
    languages: Sequence[str] | None,
    force: bool,
) -> int:
    """Puts the e-mails into a CRM. 1 where it did not take one."""
    templates = chosen(emails, languages)
    with engine(path) as (ctx, _):
        one = one_client(ctx, client)
        options = _crm(one, crm)
        title = registry.CRMS[options.adapter].title
        if registry.Cap.TEMPLATES not in registry.CRMS[options.adapter].capabilities:
            raise ConfigError(
                f"{title} takes no templates that could be kept up to date: copy them from `winback templates show`"
            )
        syntax = _syntax(one, options)
        sendable = [template for template in templates if not lacking(template, syntax)[0]]
        if not sendable or emails:
            for template in templates:
                _need(options.id, template, syntax)
        ensure_accounts(ctx)
        adapter = cast("TakesTemplates", Accounts(ctx).crm(one, options))
        failed = [not _push(ctx, one, options, adapter, template, syntax, force) for template in sendable]
        for template in templates:
            if template not in sendable:
                needed = lacking(template, syntax)[0]
                say(f"{template.name}: not pushed: it needs {suggestion(needed)} among the fields of {options.id}")
    return 1 if any(failed) else 0


def _push(
    ctx: Context,
    client: Client,
    crm: CrmOptions,
    adapter: TakesTemplates,
    template: Template,
    syntax: Syntax,
    force: bool,
) -> bool:
    """Whether the CRM took it; says what became of it, and what to type as subject."""
    mail = mail_of(template, syntax)
    try:
        became = push(ctx, client.id, crm.id, adapter, mail, force=force)
    except ConfigError:
        raise
    except WinbackError as error:
        say(f"{mail.name}: FAILED: {error}")
        return False
    say(f"{mail.name}: {became}")
    for line in _left_out(crm.id, template, syntax):
        say(f"  {line}")
    say("  subjects to choose from: " + " | ".join(subjects_of(template, syntax).values()))
    return True
