"""Starting, stopping and looking after a platform: what a refused start, a stale file, a rotation
and a hang-up do.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import commands
from backends import wilful
from client_keys import certificate
from harness import DEFINITION, Platform, conf, free_port
from waiting import until

HOMELESS = """
import os, pwd, sys
class Nobody:
    def getpwuid(self, uid): raise KeyError(uid)
    def getpwnam(self, name): raise KeyError(name)
sys.modules["pwd"] = Nobody()
from kapi.front.cli.main import main
main()
"""
"""The command line of a user who has no entry in the password database."""


CLIENTS = """
[[identity.clients]]
id = "browser"
secret = "browser-secret"
grants = ["authorization_code"]
redirect_uris = ["https://shop.example/callback"]

[[identity.clients]]
id = "reader"
secret = "reader-secret"
scopes = ["items:read"]
"""


def kapi(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "NO_COLOR": "1", **environment}
    return commands.run(arguments, variables, timeout=90)


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("operated")
    (folder / "kapi.toml").write_text(
        "[gateway]\naccess_log = true\naccess_log_bytes = 20000\n" + CLIENTS
    )
    platform = Platform(
        free_port(), folder / "data", ("--config", str(folder / "kapi.toml"))
    )
    platform.start()
    yield platform
    platform.stop()


def snapshot(data_dir: Path) -> dict[str, bytes]:
    kept = [
        path
        for path in data_dir.rglob("*")
        if path.is_file()
        and not path.name.startswith("kapi.db")
        and path.suffix != ".log"
    ]
    return {str(path.relative_to(data_dir)): path.read_bytes() for path in kept}


@pytest.mark.parametrize("detach", [(), ("--detach",)])
def test_a_refused_start_writes_nothing(
    operated: Platform, detach: tuple[str, ...]
) -> None:
    before = snapshot(operated.data_dir)
    refused = kapi(
        "up",
        "--data-dir",
        str(operated.data_dir),
        "--port",
        str(free_port()),
        "--workers",
        "3",
        *detach,
    )
    assert (refused.returncode, "another kapi" in refused.stderr) == (7, True)
    assert f"kapi down --data-dir {operated.data_dir}" in refused.stderr
    assert snapshot(operated.data_dir) == before
    assert not (operated.data_dir / "logs/kapi.log").exists()
    os.kill(operated.pid("control"), signal.SIGKILL)
    until(
        lambda: (
            operated.state()["children"]["control"]["restarts"]
            and operated.api("/ready").status == 200
        )
    )
    assert operated.token().count(".") == 2


def test_down_leaves_a_stranger_alone_whose_process_id_is_in_a_stale_file(
    tmp_path: Path,
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (tmp_path / "state.json").write_text(
            json.dumps({"pid": stranger.pid, "ready": True, "children": {}})
        )
        (tmp_path / "lock").write_text(str(stranger.pid))
        done = kapi("down", "--data-dir", str(tmp_path))
        assert (done.returncode, "nothing runs in" in done.stderr) == (0, True)
        assert kapi("status", "--data-dir", str(tmp_path)).returncode == 7
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_every_file_of_a_platform_is_for_its_owner_alone(operated: Platform) -> None:
    until((operated.data_dir / "logs/access.log").exists)
    open_to_others = [
        path
        for path in operated.data_dir.rglob("*")
        if not path.is_dir() and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


def test_logs_of_an_older_version_become_private_at_the_next_start(
    tmp_path: Path,
) -> None:
    platform = Platform(free_port(), tmp_path / "data")
    (tmp_path / "data/logs").mkdir(parents=True)
    for name in ("envoy.log", "access.log.1"):
        (tmp_path / "data/logs" / name).touch(0o644)
    platform.start()
    try:
        assert [
            path.name
            for path in (tmp_path / "data/logs").iterdir()
            if path.stat().st_mode & 0o077
        ] == []
    finally:
        platform.stop()


@pytest.fixture(scope="module")
def unbelieved(
    tmp_path_factory: pytest.TempPathFactory, operated: Platform
) -> Iterator[dict[str, int]]:
    """Backends that an API calls by https://127.0.0.1, each with another fault; port by name. Two
    have a trusted authority.
    """
    folder, authority = (
        tmp_path_factory.mktemp("backends"),
        certificate("authority", authority=True),
    )
    operated.cli("secret", "set", "backend-ca", "ca.crt", stdin=authority.pem.decode())
    made = {
        "unknown": certificate("unknown", for_servers=True),
        "misnamed": certificate("misnamed", authority, for_servers=True),
        "nameless": certificate("nameless", authority, for_servers=True, named=False),
    }
    with contextlib.ExitStack() as stack:
        ports = {}
        for name, one in made.items():
            (folder / name).write_bytes(one.pem + one.key_pem)
            ports[name] = stack.enter_context(wilful(certificate=folder / name)).port
        ports["plain"] = stack.enter_context(wilful()).port
        yield ports


def test_why_an_https_backend_is_not_believed_is_logged_and_told_by_doctor(
    operated: Platform, unbelieved: dict[str, int]
) -> None:
    assert operated.cli("doctor").returncode == 0
    for name, port in unbelieved.items():
        text = conf(
            name=name,
            base=f"/{name}",
            port=port,
            operations='- {target: "/x", verb: GET, secured: false}\n',
        )
        own = (
            '\n    certificate: {secretName: "backend-ca", secretKey: "ca.crt"}'
            if name in {"misnamed", "nameless"}
            else ""
        )
        text = text.replace(
            f'"http://127.0.0.1:{port}/backend"', f'"https://127.0.0.1:{port}"{own}'
        )
        assert operated.deploy(text, DEFINITION.replace("/items", "/x")).status == 200
        assert (
            operated.request(
                "default.gw.wso2.com", f"/{name}/1.0.0/x?token=hidden"
            ).status
            == 503
        )
    log = operated.data_dir / "logs/backends.log"
    until(
        lambda: (
            log.exists()
            and all(
                f"127.0.0.1:{port}" in log.read_text() for port in unbelieved.values()
            )
        )
    )
    assert "hidden" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    done = operated.cli("doctor", "-o", "json", check=False)
    finding = next(
        item
        for item in json.loads(done.stdout)["checks"]
        if item["check"] == "https backends"
    )
    assert (done.returncode, finding["result"]) == (7, "fail")
    for name, why in (
        ("unknown", "not signed by an authority that is trusted"),
        ("misnamed", "it is for misnamed.example"),
        ("nameless", "it has no subject alternative name at all"),
        ("plain", "does not speak TLS"),
    ):
        assert f"127.0.0.1:{unbelieved[name]} is not believed: " in finding["detail"]
        assert (
            why
            in finding["detail"].partition(f":{unbelieved[name]} ")[2].partition(";")[0]
        )


def test_hang_up_opens_renamed_logs_again_and_stops_nothing(operated: Platform) -> None:
    logs = operated.data_dir / "logs"
    children = {name: operated.pid(name) for name in operated.state()["children"]}
    names = [*children, "access"]
    for name in names:
        (logs / f"{name}.log").rename(logs / f"{name}.log.rotated")
    assert operated.process is not None
    operated.process.send_signal(signal.SIGHUP)
    until(
        lambda: (
            operated.token() and all((logs / f"{name}.log").exists() for name in names)
        )
    )
    until(
        lambda: '/oauth2/token"' in (logs / "access.log").read_text().replace(" ", "")
    )
    until(lambda: "no other setting has changed" in operated.output())
    assert {name: operated.pid(name) for name in children} == children
    assert [
        name for name in names if (logs / f"{name}.log").stat().st_mode & 0o077
    ] == []


def test_the_access_log_is_bounded(operated: Platform) -> None:
    logs = operated.data_dir / "logs"

    def rotated() -> bool:
        for _ in range(20):
            operated.api("/health")
        return (logs / "access.log.1").exists()

    until(rotated)
    until(
        lambda: (
            operated.token()
            and (logs / "access.log").exists()
            and (logs / "access.log").stat().st_size
        )
    )


def test_hang_up_reloads_the_settings(operated: Platform) -> None:
    config, envoy = operated.data_dir.parent / "kapi.toml", operated.pid("envoy")
    before = config.read_text()
    config.write_text("[gateway]\nport = 'x'\n")
    assert operated.process is not None
    operated.process.send_signal(signal.SIGHUP)
    until(lambda: "the settings were not reloaded" in operated.output())
    assert "gateway.port" in operated.output()
    client = '[[identity.clients]]\nid = "late"\nsecret = "a-secret-that-came-late"\n'
    config.write_text(
        before.replace("[gateway]", "[gateway]\nconcurrency = 1") + client
    )
    answer = json.loads(operated.cli("reload", "-o", "json").stdout)
    assert [item["name"] for item in answer["takenUp"]] == ["identity.clients[late]"]
    assert [(item["name"], item["after"]) for item in answer["needsRestart"]] == [
        ("gateway.concurrency", 1)
    ]
    assert "a-secret-that-came-late" not in str(answer)
    assert (
        "these settings change by a restart only: gateway.concurrency"
        in operated.output()
    )
    fields = (
        "-u",
        "late:a-secret-that-came-late",
        "-d",
        "grant_type=client_credentials",
    )
    # The command returns when the processes have the settings.
    assert operated.request("idp.am.wso2.com", "/oauth2/token", *fields).status == 200
    assert operated.pid("envoy") == envoy
    good = config.read_text()
    config.write_text(good.replace("concurrency = 1", 'listen = "0.0.0.0"'))
    refused = operated.cli("reload", check=False)
    config.write_text(good)
    assert (refused.returncode, "non-production" in refused.stderr) == (3, True)
    assert operated.request("idp.am.wso2.com", "/oauth2/token", *fields).status == 200


def test_hang_up_reads_files_again_that_the_settings_name(operated: Platform) -> None:
    folder, config = operated.data_dir.parent, operated.data_dir.parent / "kapi.toml"
    (folder / "clients.pem").write_bytes(certificate("first", authority=True).pem)
    config.write_text(
        f'[identity]\nclient_ca_file = "clients.pem"\n{config.read_text()}'
    )
    assert operated.process is not None
    for _ in range(2):
        before = operated.pid("identity-0")
        (folder / "clients.pem").write_bytes(certificate("next", authority=True).pem)
        operated.process.send_signal(signal.SIGHUP)
        until(lambda before=before: operated.pid("identity-0") not in (before, None))


def test_a_user_without_a_home_names_the_data_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOMELESS]

    def homeless(
        *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*command, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "fault in kapi" not in done.stderr
        return done

    shown = homeless("config", "show", "-o", "json", KAPI_DATA_DIR="/somewhere/else")
    assert json.loads(shown.stdout)["data_dir"] == "/somewhere/else"
    assert (
        json.loads(
            homeless("config", "show", "-o", "json", "--data-dir", "/there").stdout
        )["data_dir"]
        == "/there"
    )
    nowhere = homeless("config", "show")
    assert (
        nowhere.returncode,
        "no home directory" in nowhere.stderr,
        "--data-dir" in nowhere.stderr,
    ) == (3, True, True)
    tilde = homeless("config", "show", "--data-dir", "~/data")
    assert (tilde.returncode, "needs a home directory" in tilde.stderr) == (3, True)
    assert homeless("token", KAPI_DATA_DIR=str(tmp_path / "data")).returncode == 7


def test_commands_take_a_client_that_may_do_what_they_need(operated: Platform) -> None:
    assert operated.cli("token").stdout.count(".") == 2
    for command in (["apis"], ["key", "list"]):
        assert operated.cli(*command).returncode == 0
    refused = operated.cli("token", "--client", "browser", check=False)
    assert (refused.returncode, "browser" in refused.stderr) == (4, True)
