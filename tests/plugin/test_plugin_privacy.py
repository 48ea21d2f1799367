"""WordPress's privacy tools, forgetting, setting up and taking away."""

from __future__ import annotations

import gettext
import re
import subprocess

from wordpress import PLUGIN, WordPress


def test_export_and_erasure_by_address(site: WordPress) -> None:
    for name in ("ann", "ann", "bob"):
        site.shopper(11).type(f"{name}@example.com", first_name=name.title())
    tools = "$all = apply_filters('wp_privacy_personal_data_{0}', array());"
    tool = tools + "return $all['winback-for-woocommerce']['callback']"
    exported = site.php(tool.format("exporters") + "('ANN@example.com', 1);")
    assert (len(exported["data"]), exported["done"]) == (2, True)
    fields = {field["name"]: field["value"] for field in exported["data"][0]["data"]}
    assert (fields["E-mail"], fields["Name"], fields["Cart"]) == ("ann@example.com", "Ann", "1 × Trail Mug")
    assert "Consent" not in fields
    assert site.php(tool.format("erasers") + "('ann@example.com', 1);")["items_removed"] is True
    assert [row["email"] for row in site.checkouts()] == ["bob@example.com"]
    assert site.php(tool.format("erasers") + "('ann@example.com', 1);")["items_removed"] is False


def test_a_long_export_has_pages(site: WordPress) -> None:
    site.shopper(11).type("ann@example.com")
    columns = "email, created_at, updated_at, activity_at, contact, cart"
    for _ in range(6):
        site.sql(
            f"INSERT INTO wp_winback_checkouts (token, {columns}) "
            f"SELECT MD5(CONCAT(id, RAND())), {columns} FROM wp_winback_checkouts"
        )
    call = "return \\Winback_For_WooCommerce\\export_shopper('ann@example.com', {});"
    pages = [site.php(call.format(page)) for page in (1, 2)]
    assert [(len(page["data"]), page["done"]) for page in pages] == [(50, False), (14, True)]


def test_old_checkouts_and_old_numbers_are_forgotten(site: WordPress) -> None:
    site.shopper(11).type("old@example.com")
    site.age(31 * 86400)
    site.shopper(11).type("new@example.com")
    site.age(29 * 86400, "email = 'new@example.com'")
    site.sql("REPLACE INTO wp_winback_days VALUES (CURDATE() - INTERVAL 401 DAY, 1, 1), (CURDATE(), 2, 2)")
    site.php("do_action('wc_winback_prune'); return 1;")
    assert [row["email"] for row in site.checkouts()] == ["new@example.com"]
    assert len(site.api("visits", since="2020-01-01").json["days"]) == 1


def test_forgetting_is_scheduled_and_ends_with_the_plugin(site: WordPress) -> None:
    assert site.php("return wp_next_scheduled('wc_winback_prune');") > 0
    site.php("do_action('deactivate_winback-for-woocommerce/winback-for-woocommerce.php'); return 1;")
    scheduled = site.sql(
        "SELECT COUNT(*) FROM wp_options WHERE option_name = 'cron' AND option_value LIKE '%wc_winback%'"
    )
    assert scheduled == [["0"]]
    site.php("do_action('activate_winback-for-woocommerce/winback-for-woocommerce.php'); return 1;")
    assert site.php("return wp_next_scheduled('wc_winback_prune');") > 0


def test_an_older_table_is_upgraded_and_keeps_its_rows(site: WordPress) -> None:
    site.shopper(11).type("ann@example.com")
    site.sql(
        "ALTER TABLE wp_winback_checkouts DROP COLUMN stage, DROP KEY updated",
        "UPDATE wp_options SET option_value = '0' WHERE option_name = 'wc_winback_table'",
    )
    site.browser().get("/")
    assert (site.one()["email"], site.one()["stage"]) == ("ann@example.com", "contact")
    assert site.sql("SHOW INDEX FROM wp_winback_checkouts WHERE Key_name = 'updated'")
    assert site.sql("SELECT option_value FROM wp_options WHERE option_name = 'wc_winback_table'") == [["1"]]


def test_setting_up_twice_changes_nothing(site: WordPress) -> None:
    before = site.sql("SHOW CREATE TABLE wp_winback_checkouts")
    assert site.php("\\Winback_For_WooCommerce\\install(); return $GLOBALS['wpdb']->last_error;") == ""
    assert site.sql("SHOW CREATE TABLE wp_winback_checkouts") == before


def test_deleting_the_plugin_leaves_nothing(site: WordPress) -> None:
    site.shopper(11).type("ann@example.com")
    site.sql("INSERT INTO wp_postmeta (post_id, meta_key, meta_value) VALUES (1, '_wc_winback_checkout', 'x')")
    try:
        plugin = f"{site.folder}/wp-content/plugins/winback-for-woocommerce"
        site.run_plain(f"define('WP_UNINSTALL_PLUGIN', 'x'); require '{plugin}/uninstall.php';")
        left = "SELECT COUNT(*) FROM wp_{} WHERE {} LIKE '%winback%' AND {}"
        assert site.sql("SHOW TABLES LIKE '%winback%'") == []
        assert site.sql(left.format("postmeta", "meta_key", "TRUE")) == [["0"]]
        assert site.sql(left.format("options", "option_name", "TRUE")) == [["0"]]
        assert site.sql(left.format("options", "option_value", "option_name = 'cron'")) == [["0"]]
    finally:
        site.php("\\Winback_For_WooCommerce\\install(); return 1;")


def test_without_woocommerce_it_keeps_quiet(site: WordPress) -> None:
    site.shopper(11).type("ann@example.com")
    plugins = site.php(
        "$on = get_option('active_plugins'); update_option('active_plugins', array($on[0])); return $on;"
    )
    try:
        assert site.browser().get("/").status == 200
        assert site.api("checkouts").json["code"] == "rest_no_route"
        assert len(site.php("return \\Winback_For_WooCommerce\\export_shopper('ann@example.com', 1);")["data"]) == 1
    finally:
        site.php(f"update_option('active_plugins', {plugins!r}); return 1;")


def test_every_sentence_is_in_the_template_and_in_german() -> None:
    code = "".join(path.read_text() for path in PLUGIN.rglob("*.php"))
    said = {text.replace("\\'", "'") for text in re.findall(r"__\( '((?:[^'\\]|\\.)*)'", code)}
    template = (PLUGIN / "languages" / "winback-for-woocommerce.pot").read_text()
    listed = set(re.findall(r'^msgid "(.+)"$', template, re.MULTILINE))
    assert said <= listed
    with (PLUGIN / "languages" / "winback-for-woocommerce-de_DE.mo").open("rb") as compiled:
        german = gettext.GNUTranslations(compiled)
    assert [text for text in said if not german._catalog.get(text)] == []  # type: ignore[attr-defined]


def test_version_is_the_same_everywhere() -> None:
    main = (PLUGIN / "winback-for-woocommerce.php").read_text()
    (header,) = re.findall(r"^ \* Version: +(\S+)$", main, re.MULTILINE)
    (constant,) = re.findall(r"const VERSION = '(.+)';", main)
    (stable,) = re.findall(r"^Stable tag: (\S+)$", (PLUGIN / "readme.txt").read_text(), re.MULTILINE)
    assert header == constant == stable


def test_every_file_is_valid_php(site: WordPress) -> None:
    for path in sorted(PLUGIN.rglob("*.php")):
        done = subprocess.run(["php", "-l", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
