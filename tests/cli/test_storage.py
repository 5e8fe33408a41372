"""A data directory that cannot be used, and a disk that is full: a sentence, and exit code 7."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from harness import DEFINITION, KAPI, free_port
from idp import basic, call, identity_app
from kapi.errors import StorageBusy, StorageFull
from kapi.front.cli.output import exit_code
from kapi.front.web.system.apis import build_system_api
from kapi.settings import IdentitySettings, Settings
from kapi.settings.identity import RegistrationSettings
from kapi.store import Store
from kapi.store.engine.database import Database


def run(
    *arguments: str, stdout: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        [KAPI, *arguments],
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_newer_data_directory_is_refused(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "kapi.db")
    with database.transaction() as db:
        db.execute("INSERT INTO migrations (name) VALUES ('9999_of_later.sql')")
    database.close()
    before = (tmp_path / "kapi.db").read_bytes()
    for more in ((), ("--detach",)):
        done = run("up", "--data-dir", str(tmp_path), "--port", str(free_port()), *more)
        assert done.returncode == 7
        assert (
            "The data directory was written by a newer version of kapi" in done.stderr
        )
        assert (
            f"{tmp_path / 'kapi.db'} contains the migration 9999_of_later.sql"
            in done.stderr
        )
        assert (
            "Start the newer version, or choose another data directory" in done.stderr
        )
    assert (tmp_path / "kapi.db").read_bytes() == before


def test_without_the_driver_of_postgresql_the_extra_is_named(tmp_path: Path) -> None:
    """A `psycopg` that cannot be imported, as when it is not installed."""
    (tmp_path / "psycopg.py").write_text("raise ImportError('No module named psycopg')")
    arguments = ("up", "--data-dir", str(tmp_path / "data"), "--port", str(free_port()))
    done = subprocess.run(
        [KAPI, *arguments, "--database", "postgresql://kapi@127.0.0.1/kapi"],
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "PostgreSQL needs the driver psycopg, which is not installed" in done.stderr
    assert "pip install 'kapi[postgres]'" in done.stderr


def test_a_command_that_cannot_write_says_why(tmp_path: Path) -> None:
    (tmp_path / "definition.yaml").write_text(DEFINITION)
    with Path("/dev/full").open("w") as full:
        done = run("generate", str(tmp_path / "definition.yaml"), stdout=full)
    assert (done.returncode, "The disk is full" in done.stderr) == (7, True), (
        done.stderr
    )


def test_exit_codes() -> None:
    assert exit_code(StorageFull()) == exit_code(StorageBusy()) == 7


def test_the_provider_says_it(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "kapi.db")
    app = identity_app(
        Settings(
            tmp_path, IdentitySettings(registration=RegistrationSettings(open=True))
        ),
        store,
        lambda: 1_800_000_000,
    )
    body = b'{"client_name": "%s", "redirect_uris": ["https://a.example/cb"]}' % (
        b"x" * 2000
    )
    with store.database.transaction() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count={pages}")
    answers = [
        call(app, "POST", "/dcr/register", body, content_type="application/json")
        for _ in range(20)
    ]
    full = answers[-1]
    assert (full.status, full.json()["error"]) == (507, "server_error")
    assert full.json()["error_description"].startswith("The disk is full")
    assert {answer.status for answer in answers} <= {201, 507}
    assert call(app, authorization=basic()).status == 200


def test_the_system_apis_say_it() -> None:
    async def full(request: Request) -> Response:
        raise StorageFull

    async def no_space(request: Request) -> Response:
        raise OSError(errno.ENOSPC, "No space left on device", str(request.url))

    async def busy(request: Request) -> Response:
        raise StorageBusy

    app = build_system_api(
        [Route("/full", full), Route("/no-space", no_space), Route("/busy", busy)]
    )
    for path in ("/full", "/no-space"):
        answer = call(app, "GET", path, b"")
        assert (answer.status, answer.json()["code"], answer.json()["message"]) == (
            507,
            900942,
            "The disk is full",
        )
    answer = call(app, "GET", "/busy", b"")
    assert (answer.status, answer.json()["code"], answer.headers["retry-after"]) == (
        503,
        900941,
        "2",
    )
