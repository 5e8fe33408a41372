"""The whole platform on PostgreSQL.

The guide, the documented flows of people and clients, a restart, a server that goes away.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import DEFINITION, Platform, conf, free_port
from live.test_story import *  # noqa: F403
from postgres import PostgresServer
from waiting import awaited

# isort: split
# After the story, which begins without APIs: the pages leave some.
from live.test_documentation import test_the_blocks_do_what_they_say  # noqa: F401

pytestmark = pytest.mark.long
GW = "default.gw.wso2.com"


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> str:
    return postgres.database()


@pytest.fixture(scope="module")
def platform(
    postgres: PostgresServer, url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    arguments = ("--database", url)
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data", arguments)
    running.secrets.append(postgres.password)
    running.start()
    yield running
    running.stop()
    assert not (running.data_dir / "kapi.db").exists()


def call(platform: Platform, token: str) -> int:
    return platform.request(
        GW, "/kept/1.0.0/items", "-H", f"Authorization: Bearer {token}"
    ).status


def test_a_restart_keeps_apis_and_keys(platform: Platform, echo: int) -> None:
    token = platform.token()
    assert platform.deploy(conf("Kept", "/kept", port=echo), DEFINITION).status == 200
    assert call(platform, token) == 200
    platform.stop()
    platform.start()
    assert call(platform, token) == 200


def test_the_password_is_shown_nowhere(
    platform: Platform, postgres: PostgresServer, url: str
) -> None:
    shown = subprocess.run(
        ["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True
    )
    assert str(platform.data_dir) in shown.stdout
    assert postgres.password not in shown.stdout
    settings = platform.cli(
        "config", "show", environment={"KAPI_STORE__DATABASE": url}
    ).stdout
    assert url.replace(postgres.password, "***") in settings
    wrong = url.replace(postgres.password, "mistaken-secret")
    done = platform.cli(
        "up", "--data-dir", f"{platform.data_dir}-2", "--database", wrong, check=False
    )
    assert done.returncode == 7
    assert "The database does not answer" in done.stderr
    assert "password authentication failed" in done.stderr
    assert "mistaken-secret" not in done.stderr


def test_the_password_of_an_ephemeral_platform_is_shown_nowhere(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    command = (
        Path(sys.executable).with_name("kapi"),
        "up",
        "--ephemeral",
        "--port",
        "0",
    )
    database = f"--database={postgres.database()}"
    with subprocess.Popen(
        (*command, database), stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as running:
        assert running.stdout is not None
        try:
            assert json.loads(running.stdout.readline())["ready"]
            shown = Path(f"/proc/{running.pid}/cmdline").read_text("utf-8")
            assert "--ephemeral" in shown
            assert postgres.password not in shown
        finally:
            running.terminate()
            assert running.wait(60) == 0


def test_the_password_may_be_in_the_environment(
    platform: Platform, postgres: PostgresServer, url: str
) -> None:
    bare = url.replace(f":{postgres.password}", "")
    target = f"{platform.data_dir}-3"
    environment = {"PGPASSWORD": postgres.password}
    done = platform.cli(
        "store", "copy", "--from", bare, "--to", target, environment=environment
    )
    assert re.search(r"rows of \d+ tables", done.stderr)
    again = platform.cli(
        "store", "copy", "--from", target, "--to", postgres.database(), "-o", "json"
    )
    assert '"table": "apis"' in again.stdout


def test_the_password_may_be_in_a_file(
    platform: Platform, postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "passwords"
    file.write_text(f"127.0.0.1:{postgres.port}:*:*:{postgres.password}\n")
    file.chmod(0o600)
    bare = url.replace(f":{postgres.password}", "")
    copy = (
        "store",
        "copy",
        "--from",
        f"{bare}?passfile={file}",
        "--to",
        f"{platform.data_dir}-4",
    )
    assert re.search(r"rows of \d+ tables", platform.cli(*copy).stderr)
    copy = ("store", "copy", "--from", bare, "--to", f"{platform.data_dir}-5")
    done = platform.cli(*copy, environment={"PGPASSFILE": str(file)})
    assert re.search(r"rows of \d+ tables", done.stderr)


def test_while_the_server_is_away_what_needs_no_store_goes_on(
    platform: Platform, postgres: PostgresServer, echo: int
) -> None:
    token, create = platform.token(), platform.token("apk:api_create")
    postgres.stop()
    try:
        assert call(platform, token) == 200
        assert call(platform, platform.token()) == 200
        refused = platform.deploy(
            conf("Later", "/later", port=echo), DEFINITION, create
        )
        assert (refused.status, refused.json()["code"]) == (503, 900943)
        assert "retry-after" in refused.headers
        assert postgres.password not in refused.body.decode()
    finally:
        postgres.start()
    answer = awaited(
        lambda: platform.deploy(conf("Later", "/later", port=echo), DEFINITION, create),
        lambda answer: answer.status != 503,
    )
    assert answer.status == 200, answer.body
