"""`winback woocommerce-plugin`: the companion plugin's zip, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli_case import ROOT, Owner

from connector.cli.companions import packed
from connector.errors import ConfigError

NAME = "winback-for-woocommerce"
FOLDER = ROOT / "platforms" / "woocommerce_plugin"


def test_it_writes_the_plugins_zip(owner: Owner) -> None:
    said = owner.bare("woocommerce-plugin")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{NAME}.zip: the plugin for WooCommerce. In WordPress, open")
    assert "Plugins > Add New > Upload Plugin" in said.out
    with zipfile.ZipFile(owner.folder / f"{NAME}.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        main = archive.read(f"{NAME}/{NAME}.php").decode()
    assert "Plugin Name:" in main
    assert all(name.startswith(f"{NAME}/") for name in names)
    assert names == sorted(names)
    files = {str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*") if file.is_file()}
    assert {name.removeprefix(f"{NAME}/") for name in names} == files
    assert not [name for name in names if "/." in name or "/tests/" in name]


def test_it_replaces_nothing_unless_told_to(owner: Owner) -> None:
    (owner.folder / "plugin.zip").write_text("mine")
    refused = owner.bare("woocommerce-plugin", "-o", "plugin.zip").refused()
    assert refused == "plugin.zip is there already; name another file with -o, or add --force to replace it"
    assert (owner.folder / "plugin.zip").read_text() == "mine"
    assert owner.bare("woocommerce-plugin", "-o", "plugin.zip", "--force").code == 0
    assert zipfile.is_zipfile(owner.folder / "plugin.zip")
    assert sorted(file.name for file in owner.folder.iterdir()) == ["acme.yaml", "plugin.zip"]


def test_it_says_where_it_cannot_write(owner: Owner) -> None:
    refused = owner.bare("woocommerce-plugin", "-o", "nowhere/plugin.zip").refused()
    assert refused == "nowhere/plugin.zip cannot be written: No such file or directory"
    (owner.folder / "folder").mkdir()
    assert (
        "folder cannot be written: it is no file"
        in owner.bare("woocommerce-plugin", "-o", "folder", "--force").refused()
    )


def test_it_goes_to_stdout_as_it_is(owner: Owner) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector", "woocommerce-plugin", "-o", "-"],
        cwd=owner.folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    assert zipfile.ZipFile(io.BytesIO(done.stdout)).testzip() is None
    owner.bare("woocommerce-plugin")
    assert (owner.folder / f"{NAME}.zip").read_bytes() == done.stdout


def test_equal_files_make_equal_bytes(tmp_path: Path) -> None:
    for place, names in (("a", ("x.php", "b/y.php")), ("b", ("b/y.php", "x.php"))):
        for name in names:
            file = tmp_path / place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
    (tmp_path / "b" / ".hidden").write_text("left out")
    (tmp_path / "b" / "tests").mkdir()
    (tmp_path / "b" / "tests" / "t.php").write_text("left out")
    made = [packed(tmp_path / place, "top") for place in ("a", "b")]
    assert made[0] == made[1]
    assert hashlib.sha256(made[0]).hexdigest() == "ac23147cfee9ede541cda5d78cc962b4ed83a3fa665c00fb21879cfad65f7c0b"


def test_an_installation_without_the_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lacks the files of top: install it again"):
        packed(tmp_path, "top")


def test_it_is_in_the_list_of_commands(owner: Owner) -> None:
    said = owner.bare("--help")
    assert "woocommerce-plugin" in said.out
    assert "Write the plugin for WooCommerce as a zip." in said.out
    assert "--force" in owner.bare("woocommerce-plugin", "--help").out


def test_a_word_that_is_no_command_is_still_refused(owner: Owner) -> None:
    assert "No such command 'woocommerce-plugn'" in owner.bare("woocommerce-plugn").refused()
