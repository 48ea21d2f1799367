"""SECURITY.md promises nothing that no test holds: each of its sentences is here, with the tests that would fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from leaks import SECRET_KEYS
from pydantic import SecretStr

from connector.config import Settings
from connector.registry import CRMS, PLATFORMS, load

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
HOSTS, TYPED = (
    "security/test_only_configured_hosts.py",
    "security/test_injection.py::test_what_shoppers_type_stays_text",
)
ENDLESS, SUPPLY = "security/test_endless_answers.py", "security/test_supply_chain.py"
HERE = "security/test_security_page.py"
HELD = {
    "nothing listens beyond loopback without a password": [
        "test_web.py::test_without_a_password_only_this_machine_is_answered"
    ],
    "pages and metrics want it, or on loopback a name of this machine": [
        "test_web.py::test_the_password_guards_everything_else",
        "test_web.py::test_without_a_password_it_wants_to_be_called_by_this_machines_name",
    ],
    "webhooks, the inbound API and the snippet have keys of their own": [
        "engine/test_hooked.py::test_one_stores_signature_is_no_good_for_another",
        "inbound/test_inbound_http.py::test_who_is_not_let_in",
        "inbound/test_inbound_browser.py::test_a_wrong_key_and_a_wrong_kind",
    ],
    "names and variants lose links, markup and the placeholders of CRMs": [
        "config/test_fields.py::test_a_name_is_cleaned",
        "test_harmless.py::test_no_crm_reads_a_name_as_its_own_placeholder",
        "test_harmless.py::test_what_was_stored_is_read_harmless",
    ],
    "a country, a locale, a phone number hold nothing else": [
        "test_harmless.py::test_no_template_shows_a_link_that_a_shopper_chose",
        "test_harmless.py::test_a_country_is_two_letters",
        "test_harmless.py::test_a_locale_is_a_language",
        "test_harmless.py::test_a_phone_number_is_no_link",
    ],
    "shopper data is never a template's source": [
        "config/test_fields.py::test_what_a_shopper_typed_is_never_a_template"
    ],
    "what they type stays text in SQL, CSV, JSON, logs, terminals and pages": [
        TYPED,
        "cli/test_cli_words.py::test_shopper_data_is_harmless_wherever_it_is_shown",
        "test_log.py::test_a_shoppers_name_cannot_draw_on_the_terminal_nor_forge_a_json_line",
        "templates/test_template_preview.py::test_what_a_shopper_types_is_inert",
    ],
    "one lead for an address in seven days": [
        "rules/test_seven_days.py::test_activity_inside_the_window_is_renewed_too_soon"
    ],
    "the inbound API wants an HMAC over body and time, five minutes wide": [
        "inbound/test_inbound_http.py::test_a_signature_that_is_not_right_is_told_nothing_more"
    ],
    "webhooks want one over the body": ["platforms/test_hook_signatures.py::test_a_flipped_byte_in_the_body_is_not"],
    "both are compared in constant time": [f"{HERE}::test_no_secret_is_compared_letter_by_letter"],
    "a webhook only brings the next poll forward": ["engine/test_hooked.py::test_a_thousand_webhooks_are_one_hint"],
    "the browser's key can write its own checkouts and nothing else": [
        "inbound/test_inbound_browser.py::test_it_can_only_tell_of_its_own",
        "inbound/test_inbound_browser.py::test_a_browser_does_not_change_what_a_server_told",
    ],
    "sizes and rates are limited": [
        "inbound/test_inbound_http.py::test_what_is_too_large_is_not_read",
        "inbound/test_inbound_http.py::test_a_key_that_sends_too_much_is_told_when_to_come_back",
        "engine/test_hooked.py::test_a_body_that_grows_too_large_is_refused",
    ],
    "who says nothing, or not all, is let go after ten seconds, and health is told even to a crowd": [
        "test_web_crowd.py::test_whoever_does_not_come_to_the_point_is_let_go",
        "test_web_crowd.py::test_a_crowd_that_says_nothing_keeps_nobody_out",
        "test_web_crowd.py::test_a_crowd_of_requests_is_told_to_come_back_and_health_is_told_all_the_same",
        "inbound/test_inbound_http.py::test_a_body_that_does_not_end_is_refused",
    ],
    "redirects are refused": [f"{HOSTS}::test_no_redirect_is_followed_and_no_key_goes_with_it"],
    "a request never leaves the configured origin": ["test_http_door.py::test_a_request_to_another_origin_is_refused"],
    "no address in their data is ever asked": [f"{HOSTS}::test_no_address_in_the_data_is_ever_asked"],
    "only links to web pages are passed on": [
        "test_harmless.py::test_anything_else_is_no_link",
        f"{HOSTS}::test_no_address_in_the_data_is_ever_asked",
    ],
    "no proxy, password or cookie of the environment is used": [
        f"{HOSTS}::test_proxies_passwords_and_cookies_of_the_environment_are_nobodys"
    ],
    "answers end at 16 MiB, which cost half a gigabyte of memory at worst, and at a fixed time": [
        f"{ENDLESS}::test_the_largest_answer_costs_half_a_gigabyte_at_worst",
        f"{ENDLESS}::test_an_answer_without_an_end_ends_with_its_time",
        f"{ENDLESS}::test_a_small_answer_that_unpacks_to_very_much_costs_little_memory",
    ],
    "lists that do not end are given up": [
        f"{ENDLESS}::test_a_list_in_a_crm_that_goes_on_for_ever_is_given_up",
        f"{ENDLESS}::test_a_list_in_a_store_that_does_not_go_on_is_given_up",
    ],
    "one odd record is left out and told": [
        "engine/test_odd_answers.py::test_one_odd_record_blocks_nobody",
        "engine/test_odd_answers.py::test_what_could_not_be_read_is_said",
    ],
    "both are taken out before anything is written": [
        "test_log.py::test_no_line_shows_an_address_or_a_hidden_secret",
        "test_redact.py::test_known_kinds_of_keys_go_wherever_they_stand",
    ],
    "a test searches what a whole troubled run says": [
        "process/test_nothing_leaks.py::"
        "test_no_secret_and_no_address_in_logs_metrics_and_errors_and_none_is_left_after_an_erasure"
    ],
    "no key of a store or CRM is in it": [
        "process/test_nothing_leaks.py::"
        "test_no_secret_and_no_address_in_logs_metrics_and_errors_and_none_is_left_after_an_erasure"
    ],
    "files are the owner's own to read": ["process/test_database.py::test_only_the_owner_can_read_the_file"],
    "what is erased is overwritten, in free pages too": [
        "process/test_nothing_leaks.py::"
        "test_no_secret_and_no_address_in_logs_metrics_and_errors_and_none_is_left_after_an_erasure"
    ],
    "every package is locked to its hashes": [f"{SUPPLY}::test_every_package_is_locked_to_a_version_and_its_hashes"],
    "CI asks osv.dev about each of them": [
        f"{SUPPLY}::test_every_locked_package_is_asked_about",
        f"{SUPPLY}::test_a_known_vulnerability_fails_unless_it_was_withdrawn",
        f"{SUPPLY}::test_what_could_not_be_asked_is_not_called_clean",
        f"{SUPPLY}::test_ci_asks",
    ],
    "`winback.cdx.json`, also in the wheel and the image, lists them with licences and hashes": [
        f"{SUPPLY}::test_the_list_names_every_locked_package_with_version_licence_and_hashes",
        f"{SUPPLY}::test_the_list_of_parts_goes_into_wheel_and_image",
    ],
    "nothing: that is the owner": [],
    "Keys are `SecretStr` in memory, come from the environment or mounted files, and are never in the database.": [
        f"{HERE}::test_every_key_is_a_secret_to_python",
        "config/test_config_references.py::test_a_reference_is_filled_in",
        "config/test_config_references.py::test_a_mounted_secret_loses_its_line_end_and_nothing_else",
        "conformance/test_boundaries.py::test_no_secret_can_be_in_a_campaign",
    ],
    "The container runs as user 10001 on a read-only file system and needs no capability, no new privilege and no "
    "place to write but `/data`: `docker run --read-only --cap-drop ALL --security-opt no-new-privileges …`": [
        "security/test_unprivileged.py::test_the_daemon_works_with_nothing_but_its_data",
        "security/test_unprivileged.py::test_the_box_is_closed",
        f"{HERE}::test_the_image_and_the_pages_say_so",
    ],
    "Dependencies are pinned with hashes.": [f"{SUPPLY}::test_every_package_is_locked_to_a_version_and_its_hashes"],
    "SQL is built by SQLAlchemy with bound values only.": [f"{HERE}::test_no_sql_is_put_together_from_text"],
}


def sentences() -> Iterator[str]:
    """What the page promises: the last column of its table, and the list under "How it is held"."""
    for row in re.findall(r"^\|(?! who might|---)(.+)\|$", PAGE, re.MULTILINE):
        yield from (part.strip() for part in row.split("|")[-1].split(";"))
    listed = PAGE.partition("## How it is held")[2].partition("\n\nEach")[0]
    yield from (" ".join(item.split()) for item in re.split(r"^- ", listed, flags=re.MULTILINE)[1:])


def test_every_sentence_has_its_tests() -> None:
    assert list(sentences()) == list(HELD)


@pytest.mark.parametrize("test", sorted({test for tests in HELD.values() for test in tests}))
def test_the_test_is_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)


def sources(*folders: str) -> Iterator[tuple[Path, ast.AST]]:
    """Every file of ours that ships, as Python reads it."""
    for folder in folders or ("connector", "platforms", "crm"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


SECRET_NAMES = re.compile(r"signature|digest|hmac|password|proof|secret\b|\bkey\b|expected|given", re.IGNORECASE)


def test_no_secret_is_compared_letter_by_letter() -> None:
    """`==` ends at the first letter that differs, and its time tells which one."""
    checked = []
    for path, tree in sources("connector", "platforms"):
        if "sandbox" in path.parts or not re.search(r"^import hmac$", path.read_text(), re.MULTILINE):
            continue
        checked.append(path.name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
                sides = [side for side in (node.left, *node.comparators) if not isinstance(side, ast.Constant)]
                words = " ".join(ast.unparse(side) for side in sides if not isinstance(side, ast.Call))
                assert len(sides) < 2 or not SECRET_NAMES.search(words), f"{path}:{node.lineno}: {ast.unparse(node)}"
    assert {"signature.py", "browser.py", "hooks.py", "web.py", "links.py"} <= set(checked)
    for name in (
        "connector/inbound/signature.py",
        "connector/inbound/browser.py",
        "connector/hooks.py",
        "connector/web.py",
    ):
        assert "hmac.compare_digest(" in (ROOT / name).read_text(encoding="utf-8"), name


RAW = {"text", "exec_driver_sql", "literal_column", "DDL"}


def test_no_sql_is_put_together_from_text() -> None:
    """Where SQL is written as text it is a constant: no f-string, no sum, no value of any variable but a constant's."""
    found = []
    for path, tree in sources():
        constants = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _is_constant(node.value)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id.isupper()
        }
        imports = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            raw = name in RAW and (name in imports or name == "exec_driver_sql")
            if raw or (name == "execute" and node.args and isinstance(node.args[0], (ast.JoinedStr, ast.BinOp))):
                found.append(path.name)
                first = node.args[0]
                constant = _is_constant(first) or (isinstance(first, ast.Name) and first.id in constants)
                assert constant, f"{path}:{node.lineno}: {ast.unparse(node)}"
    assert "db.py" in found, "the search does find SQL"


def _is_constant(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def fields_of(model: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a model and of the models in it."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields"):
            yield from fields_of(inner)
        else:
            yield name, inner


def test_every_key_is_a_secret_to_python() -> None:
    load()
    harmless = {"consent_keys", "key_in_query", "believe_opt_in"}
    models = [Settings, *(cls.Options for each in (PLATFORMS, CRMS) for cls in each.values())]
    secret = [(name, kind) for model in models for name, kind in fields_of(model) if SECRET_KEYS.search(name)]
    assert len(secret) > 8
    for name, kind in secret:
        assert name in harmless or "SecretStr" in str(kind), name
    assert "0123456789" not in repr(SecretStr("0123456789"))


def test_the_image_and_the_pages_say_so() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    final = dockerfile.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", final, re.MULTILINE) == ["10001:10001"]
    assert "WORKDIR /data\nVOLUME /data\n" in final
    flags = "--read-only --cap-drop ALL --security-opt no-new-privileges"
    assert f"`docker run {flags} …`" in PAGE
    for page in ("README.md", "docs/operations.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        (command,) = re.findall(r"^docker run -d .+?[^\\]\n", text, re.MULTILINE | re.DOTALL)
        assert flags in command
        assert ":/config:ro" in command
