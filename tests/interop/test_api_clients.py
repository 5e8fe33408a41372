"""Collections of `kapi export`, run through the gateway by newman and by the command of Bruno."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from javascript import PEERS

from harness import Platform, free_port
from kapi.settings import WELL_KNOWN_CLIENT_SECRET
from waiting import until

PETSTORE = Path(__file__).parents[2] / "examples" / "petstore"
REQUESTS = 19
REFUSED = frozenset((401, 403, 500, 502, 503))


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, PETSTORE / "backend.py", str(port)])
    yield port
    process.kill()
    process.wait(20)


@pytest.fixture(scope="module")
def petstore(
    tmp_path_factory: pytest.TempPathFactory, backend: int
) -> Iterator[tuple[Platform, Path]]:
    """A platform with the example, and the folder of its conf."""
    folder = tmp_path_factory.mktemp("clients")
    running = Platform(free_port(), folder / "data")
    running.start()
    conf = (PETSTORE / "petstore.apk-conf").read_text().replace(":8080", f":{backend}")
    (folder / "petstore.apk-conf").write_text(conf)
    definition = (PETSTORE / "openapi.yaml").read_text()
    (folder / "openapi.yaml").write_text(definition)
    assert running.deploy(conf, definition).status == 200
    stock = "/petstore/1.0.0/store/inventory"
    host, bearer = "default.gw.wso2.com", f"Authorization: Bearer {running.token()}"
    until(lambda: running.request(host, stock, "-H", bearer).status == 200)
    yield running, folder
    running.stop()


def _node(platform: Platform, program: str, *arguments: str, cwd: Path) -> None:
    """Run a program of npm with the platform's authority, all names leading to loopback."""
    ca = str(platform.data_dir / "tls" / "ca.pem")
    done = subprocess.run(
        [PEERS / "node_modules" / ".bin" / program, *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "NODE_OPTIONS": f"-r {PEERS / 'loopback.cjs'}",
            "NODE_EXTRA_CA_CERTS": ca,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed:" not in done.stdout + done.stderr


def _newman(
    platform: Platform, collection: Path, scope: str = "", *more: str
) -> list[int]:
    report = collection.with_suffix(".report.json")
    token = f"accessToken={platform.token(scope)}"
    _node(
        platform, "newman", "run", str(collection), "--env-var", token,
        "--reporters", "json", "--reporter-json-export", str(report), *more, cwd=collection.parent,
    )  # fmt: skip
    executions = json.loads(report.read_text())["run"]["executions"]
    return [item["response"]["code"] for item in executions]


def _bruno(platform: Platform, collection: Path, *paths: str) -> list[int]:
    report = collection.with_suffix(".report.json")
    ca = str(platform.data_dir / "tls" / "ca.pem")
    secret = f"clientSecret={WELL_KNOWN_CLIENT_SECRET}"
    _node(
        platform, "bru", "run", *paths, "-r", "--env", "kapi", "--env-var", secret,
        "--cacert", ca, "--reporter-json", str(report), cwd=collection,
    )  # fmt: skip
    results: list[dict[str, Any]] = json.loads(report.read_text())[0]["results"]
    return [item["response"]["status"] for item in results]


def test_newman_runs_the_collection_of_a_conf(petstore: tuple[Platform, Path]) -> None:
    platform, folder = petstore
    made = folder / "conf.json"
    files = (str(folder / "petstore.apk-conf"), str(folder / "openapi.yaml"))
    platform.cli("export", "--to", "postman", *files, "--write", str(made))
    statuses = _newman(platform, made)
    assert len(statuses) == REQUESTS
    assert 200 in statuses
    assert REFUSED.isdisjoint(statuses)


def test_bruno_gets_a_token_and_runs_the_collection_of_a_deployed_api(
    petstore: tuple[Platform, Path],
) -> None:
    platform, folder = petstore
    made = folder / "deployed"
    platform.cli(
        "export", "--to", "bruno", "--api", "Petstore:1.0.0", "--write", str(made)
    )
    statuses = _bruno(platform, made)
    assert len(statuses) == REQUESTS
    assert 200 in statuses
    assert REFUSED.isdisjoint(statuses)


def test_both_call_the_system_apis(petstore: tuple[Platform, Path]) -> None:
    platform, folder = petstore
    made = folder / "system.json"
    platform.cli("export", "--to", "postman", "--system", "--write", str(made))
    assert 200 in _newman(platform, made, "apk:api_create", "--folder", "Secrets")
    made = folder / "system"
    platform.cli("export", "--to", "bruno", "--system", "--write", str(made))
    assert _bruno(platform, made, "Whoami") == [200]
