"""Killing, restarting, refusing a second instance: the platform mends itself and keeps what it
answered.
"""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from harness import DEFINITION, KAPI, Echo, Platform, conf, free_port
from waiting import until

GW = "default.gw.wso2.com"


@pytest.fixture(scope="module")
def deployed(platform: Platform, echo: int) -> str:
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    return platform.token()


def works(platform: Platform, token: str) -> bool:
    try:
        return (
            platform.request(
                GW, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}"
            ).status
            == 200
        )
    except AssertionError:
        return False


@pytest.mark.parametrize("child", ["control", "identity-0"])
def test_calls_to_deployed_apis_outlive_any_python_process(
    platform: Platform, deployed: str, child: str
) -> None:
    failures: list[int] = []
    stop = threading.Event()

    def call() -> None:
        while not stop.is_set():
            if not works(platform, deployed):
                failures.append(1)

    caller = threading.Thread(target=call)
    caller.start()
    old = platform.pid(child)
    os.kill(old, signal.SIGKILL)
    until(lambda: platform.pid(child) not in (None, old))
    until(lambda: platform.api("/ready").status == 200 and platform.token())
    stop.set()
    caller.join()
    assert not failures
    assert platform.state()["children"][child]["restarts"] >= 1


def test_a_killed_envoy_is_back_within_seconds_with_all_apis(
    platform: Platform, deployed: str
) -> None:
    os.kill(platform.pid("envoy"), signal.SIGKILL)
    until(lambda: works(platform, deployed))
    assert (
        platform.deploy(conf(name="After", base="/after", port=1), DEFINITION).status
        == 200
    )


def test_a_deploy_while_control_is_killed_is_whole_or_absent(
    platform: Platform, echo: int
) -> None:
    answers: dict[int, int] = {}

    def deploy(number: int) -> None:
        try:
            answers[number] = platform.deploy(
                conf(name=f"K{number}", base=f"/k{number}", port=echo),
                DEFINITION,
                token,
            ).status
        except AssertionError:
            answers[number] = 0

    token, reader = platform.token("apk:api_create"), platform.token()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(deploy, number) for number in range(8)]
        time.sleep(0.15)
        os.kill(platform.pid("control"), signal.SIGKILL)
        concurrent.futures.wait(futures)
    until(lambda: platform.api("/ready").status == 200)
    listed = {
        item["name"]
        for item in platform.api("/api/deployer/apis", token=token).json()["apis"]
    }
    for number, status in answers.items():
        present = f"K{number}" in listed
        assert present or status != 200, f"an answered deploy was lost: {number}"
        called = platform.request(
            GW, f"/k{number}/1.0.0/items", "-H", f"Authorization: Bearer {reader}"
        ).status
        assert called == (200 if present else 404)


def test_a_second_instance_is_refused(platform: Platform, tmp_path: Path) -> None:
    for arguments, words in (
        (
            ["--port", str(free_port()), "--data-dir", str(platform.data_dir)],
            "another kapi",
        ),
        (
            ["--port", str(platform.port), "--data-dir", str(tmp_path / "other")],
            "cannot listen",
        ),
    ):
        done = subprocess.run(
            [KAPI, "up", *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 7
        assert words in done.stderr
        assert "hint:" in done.stderr


def test_concurrent_deploys_of_one_api_end_as_one_of_them_whole(
    platform: Platform, echo: int, other_echo: int
) -> None:
    token, reader = platform.token("apk:api_create"), platform.token()
    texts = [
        conf(name="Race", base="/race", port=port) for port in (echo, other_echo)
    ] * 4
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [
            answer.status
            for answer in pool.map(
                lambda text: platform.deploy(text, DEFINITION, token), texts
            )
        ]
    assert statuses == [200] * 8
    ports = {
        platform.request(
            GW, "/race/1.0.0/items", "-H", f"Authorization: Bearer {reader}"
        ).json()["port"]
        for _ in range(8)
    }
    assert len(ports) == 1


def test_a_restart_keeps_all_data_and_leaves_no_process(
    tmp_path: Path, echo: int
) -> None:
    platform = Platform(free_port(), tmp_path / "data")
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    token, keys = (
        platform.token(),
        platform.request("idp.am.wso2.com", "/oauth2/jwks").json()["keys"],
    )
    pids = [platform.pid(name) for name in platform.state()["children"]]
    assert platform.stop() == 0
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    platform.start()
    try:
        assert works(platform, token)
        # Keys of slower algorithms may have been made meanwhile; none may have gone.
        after = platform.request("idp.am.wso2.com", "/oauth2/jwks").json()["keys"]
        assert keys
        assert [key for key in keys if key not in after] == []
    finally:
        platform.stop()


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    platform = Platform(free_port(), tmp_path / "data")
    platform.start()
    assert platform.process is not None
    supervisor = psutil.Process(platform.process.pid)
    document = b"openapi: 3.0.3\na: [" + b"a," * 4_000_000 + b"a]"
    (tmp_path / "large").write_bytes(document)
    form = ("-F", f"definition=@{tmp_path / 'large'}", "-F", "apiType=REST")
    path = "/api/configurator/apis/generate-configuration"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        generated = pool.submit(platform.api, path, *form)
        until(
            lambda: any(
                "kapi.pool.process" in _command(item) for item in _below(supervisor)
            )
        )
        family = _below(supervisor)
        names = {"envoy", "control", "identity"}
        assert names <= {
            name for item in family for name in names if name in _command(item)
        }
        supervisor.kill()
        supervisor.wait()
        generated.exception()
    # The next one need not wait for their ends: it starts at once.
    platform.start()
    until(lambda: not any(_alive(item.pid) for item in family))
    assert platform.token()
    assert platform.stop() == 0


def _below(supervisor: psutil.Process) -> list[psutil.Process]:
    return supervisor.children(recursive=True)


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_request_under_way_is_answered_before_a_stop(tmp_path: Path) -> None:
    class Slow(Echo):
        def answer(self) -> None:
            time.sleep(1)
            super().answer()

        do_GET = answer

    backend = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    platform = Platform(free_port(), tmp_path / "data")
    platform.start()
    assert (
        platform.deploy(conf(port=backend.server_address[1]), DEFINITION).status == 200
    )
    with concurrent.futures.ThreadPoolExecutor() as pool:
        under_way = pool.submit(platform.request, GW, "/echo/1.0.0/open")
        time.sleep(0.4)
        assert platform.stop() == 0
        assert under_way.result().status == 200
    backend.shutdown()


def test_several_identity_workers_sign_with_one_key(tmp_path: Path, echo: int) -> None:
    platform = Platform(free_port(), tmp_path / "data", ("--workers", "3"))
    platform.start()
    try:
        assert platform.deploy(conf(port=echo), DEFINITION).status == 200
        assert {"identity-0", "identity-1", "identity-2"} <= set(
            platform.state()["children"]
        )
        assert all(works(platform, platform.token()) for _ in range(9))
    finally:
        platform.stop()


def test_files_are_private(platform: Platform) -> None:
    assert platform.data_dir.stat().st_mode & 0o777 == 0o700
    for path in platform.data_dir.rglob("*"):
        if not path.is_dir() and path.suffix != ".log":
            assert path.stat().st_mode & 0o077 == 0, path


def test_detach_and_down(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "KAPI_DATA_DIR": str(tmp_path / "data"),
        "KAPI_GATEWAY__PORT": str(free_port()),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [KAPI, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    up = run("up", "--detach")
    assert up.returncode == 0, up.stderr
    assert "NON-PRODUCTION" in up.stdout + up.stderr
    assert run("token").stdout.count(".") == 2
    assert run("status").returncode == 0
    assert run("down").returncode == 0
    assert run("status").returncode != 0


def test_another_address_is_refused_with_the_well_known_client(tmp_path: Path) -> None:
    done = subprocess.run(
        [KAPI, "up", "--listen", "0.0.0.0", "--data-dir", str(tmp_path / "d")],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 3
    assert "--non-production-on-network" in done.stderr
