"""A real WordPress with a private MariaDB, the companion plugin and a thin stand-in for WooCommerce, over real HTTP."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from browser import Answer, Browser, Json

HERE = Path(__file__).parent
PLUGIN = HERE.parents[1] / "platforms" / "woocommerce_plugin"
CORE = Path(os.environ.get("WORDPRESS_DIR") or "/usr/share/wordpress")
INSTALL = "apt install php-cli php-mysql php-xml php-mbstring mariadb-server wordpress"
KEY = {"authorization": "Basic " + base64.b64encode(b"ck_test:cs_test").decode()}


def missing() -> str:
    """What these tests need and this machine does not have, or ''."""
    lacks = [program for program in ("php", "mariadbd", "mariadb-install-db", "mariadb") if not shutil.which(program)]
    if not (CORE / "wp-settings.php").exists():
        lacks.append("WordPress")
    elif "php" not in lacks and subprocess.run(["php", "-r", 'exit(extension_loaded("mysqli") ? 0 : 1);']).returncode:
        lacks.append("PHP's mysqli")
    return f"no {', '.join(lacks)} here: {INSTALL}" if lacks else ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class WordPress:
    """The running site."""

    folder: Path
    socket: Path
    url: str

    def browser(self) -> Browser:
        """A browser that was never here."""
        return Browser(self.url)

    def shopper(self, *products: int) -> Browser:
        """A new browser with something in its cart."""
        browser = self.browser()
        for product in products or (11,):
            browser.act("add", product=product)
        return browser

    def api(self, path: str, **query: Any) -> Answer:
        """A request to the plugin's endpoint, with a good key."""
        return self.browser().get(f"/wp-json/wc-winback/v1/{path}?{urlencode(query)}", **KEY)

    def api_without_key(self, path: str) -> Answer:
        """The same from anyone."""
        return self.browser().get(f"/wp-json/wc-winback/v1/{path}")

    def checkouts(self, **query: Any) -> list[Json]:
        """The checkouts of one page, none of them too young to be shown."""
        self.age(5)
        found: list[Json] = self.api("checkouts", **query).json["checkouts"]
        return found

    def one(self) -> Json:
        """The only checkout."""
        (found,) = self.checkouts()
        return found

    def age(self, seconds: int, where: str = "TRUE") -> None:
        """Makes checkouts older."""
        times = ("created_at", "updated_at", "activity_at", "completed_at", "consent_at")
        shifts = ", ".join(f"{column} = {column} - INTERVAL {seconds} SECOND" for column in times)
        self.sql(f"UPDATE wp_winback_checkouts SET {shifts} WHERE {where}")

    def sql(self, *statements: str) -> list[list[str]]:
        """What the last statement brings."""
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "--batch", "-N", "wordpress"]
        done = subprocess.run(command, input=";".join(statements), capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def php(self, code: str) -> Json:
        """What a piece of PHP returns, run within WordPress as `wp eval` would."""
        wrapped = f"require '{self.folder}/load.php'; echo \"\\n\", json_encode((function () {{ {code} }})());"
        done = subprocess.run(["php", "-d", "display_errors=stderr", "-r", wrapped], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        assert "PHP" not in done.stderr, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def run_plain(self, code: str) -> None:
        """Runs PHP within WordPress, but without its plugins."""
        load = f"define('WP_INSTALLING', true); require '{self.folder}/load.php'; {code}"
        done = subprocess.run(["php", "-r", load], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout

    def forget_log(self) -> None:
        """What was complained about so far was meant to be."""
        (self.folder / "php.log").unlink(missing_ok=True)

    def log(self) -> str:
        """What PHP and the database complained about, but for old core code on a newer PHP."""
        log = self.folder / "php.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return "\n".join(line for line in lines if "PHP Deprecated" not in line or "winback" in line)

    def clean(self) -> None:
        """Forgets every checkout, session and order."""
        self.sql(
            "DELETE FROM wp_winback_checkouts",
            "DELETE FROM wp_winback_days",
            "DELETE FROM wp_options WHERE option_name LIKE 'stub%'",
        )
        self.forget_log()


def _wait(ready: Any, process: subprocess.Popen[bytes], what: str) -> None:
    for _ in range(600):
        if ready():
            return
        assert process.poll() is None, f"{what} ended with {process.returncode}"
        time.sleep(0.05)
    raise TimeoutError(what)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(command: Sequence[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        # A group of its own: PHP's server does not end its workers.
        environment = os.environ | environment
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def _mariadb(folder: Path) -> Iterator[Path]:
    # As root it wants to be told that this is meant; as anybody else the option must not be there.
    user = ["--user=root"] if os.getuid() == 0 else []
    data, at = folder / "db", folder / "s"
    subprocess.run(
        [
            *("mariadb-install-db", "--no-defaults", *user, f"--datadir={data}"),
            *("--skip-test-db", "--auth-root-authentication-method=normal"),
        ],
        check=True,
        capture_output=True,
    )
    server = ["mariadbd", "--no-defaults", *user, f"--datadir={data}", f"--socket={at}", "--skip-networking"]
    quick = ["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--sql-mode=TRADITIONAL"]
    with _running([*server, *quick, f"--pid-file={folder}/pid"], folder / "mariadb.log") as process:
        _wait(at.exists, process, "MariaDB")
        subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={at}", "-uroot", "-e", "CREATE DATABASE wordpress"], check=True
        )
        yield at


def _lay_out(folder: Path, at: Path) -> Path:
    """WordPress as links to the installed one, with a configuration, a theme and plugins of its own."""
    site = folder / "site"
    content = site / "wp-content"
    (content / "themes" / "plain").mkdir(parents=True)
    (content / "plugins").mkdir()
    for part in CORE.iterdir():
        if part.name not in ("wp-content", "wp-config.php"):
            (site / part.name).symlink_to(part)
    theme = content / "themes" / "plain"
    (theme / "style.css").write_text("/* Theme Name: Plain */")
    (theme / "index.php").write_text("<?php wp_head(); the_post(); the_content(); wp_footer();")
    shutil.copytree(PLUGIN, content / "plugins" / "winback-for-woocommerce")
    shutil.copytree(HERE / "store", content / "plugins" / "woocommerce")
    settings = {
        "DB_NAME": "wordpress",
        "DB_USER": "root",
        "DB_PASSWORD": "",
        "DB_HOST": f"localhost:{at}",
        "DB_CHARSET": "utf8mb4",
        "AUTH_SALT": "salt",
        "AUTH_KEY": "key",
        "LOGGED_IN_SALT": "salt",
        "LOGGED_IN_KEY": "key",
        "NONCE_SALT": "salt",
        "NONCE_KEY": "key",
        "SECURE_AUTH_KEY": "key",
        "SECURE_AUTH_SALT": "salt",
        "DISABLE_WP_CRON": True,
        "WP_HTTP_BLOCK_EXTERNAL": True,
        "AUTOMATIC_UPDATER_DISABLED": True,
        "WP_DEBUG": True,
        "WP_DEBUG_DISPLAY": False,
        "WP_DEBUG_LOG": str(site / "php.log"),
    }
    (site / "url").write_text("http://127.0.0.1")
    home = [f"define('{name}', file_get_contents(__DIR__ . '/url'));" for name in ("WP_HOME", "WP_SITEURL")]
    lines = home + [f"define({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
    config = "\n".join(["<?php", *lines, "$table_prefix = 'wp_';", "require ABSPATH . 'wp-settings.php';"])
    (site / "wp-config.php").write_text(config)
    load = f"define('ABSPATH', '{site}/'); require '{CORE}/wp-load.php';"
    (site / "load.php").write_text(f"<?php {load}")
    (site / "router.php").write_text(
        f"<?php define('WP_USE_THEMES', true); {load} wp(); require ABSPATH . 'wp-includes/template-loader.php';"
    )
    return site


def _install(site: Path) -> None:
    done = subprocess.run(["php", str(HERE / "set_up.php"), str(site / "load.php")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _served(site: Path) -> Iterator[str]:
    """PHP's own web server; another program may take a free port first, so then it is another one."""
    for _ in range(5):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        (site / "url").write_text(url)
        server = ["php", "-S", f"127.0.0.1:{port}", "-t", str(site), str(site / "router.php")]
        # Eight, so that eight requests really run at once.
        with _running(server, site / "web.log", PHP_CLI_SERVER_WORKERS="8") as process:
            try:
                _wait(partial(_answers, port), process, "PHP")
            except AssertionError:
                continue
            first = Browser(url).get("/")  # makes the plugin's tables
            assert first.status == 200, first.text + (site / "web.log").read_text()
            yield url
            return
    raise AssertionError((site / "web.log").read_text())


@contextmanager
def wordpress() -> Iterator[WordPress]:
    """Starts everything, and takes it away again."""
    with tempfile.TemporaryDirectory(prefix="wp-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with _mariadb(folder) as at:
            site = _lay_out(folder, at)
            _install(site)
            with _served(site) as url:
                yield WordPress(site, at, url)
