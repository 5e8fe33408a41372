"""kapi with the rights that the image and the chart give it: the probes answer, the certificate is
renewed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from on_kubernetes.cluster import certificate
from on_kubernetes.confined import Confined
from waiting import awaited, until

pytestmark = pytest.mark.long
KAPI = str(Path(sys.executable).with_name("kapi"))
SETTINGS = "[identity]\nwell_known_client = false\nwell_known_users = false\n"
HOSTS = ("idp.am.wso2.com", "api.am.wso2.com", "localhost")


def put(folder: Path, names: tuple[str, ...] = HOSTS) -> bytes:
    """The files of the volumes, readable by all."""
    made, key = certificate(*names)
    for name, content in (
        ("kapi.toml", SETTINGS.encode()),
        ("tls.crt", made),
        ("tls.key", key),
    ):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)
    return made


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confined]:
    folder = tmp_path_factory.mktemp("files")
    put(folder)
    made = Confined.made(folder)
    try:
        yield made
    finally:
        made.stop()


ENVIRONMENT = {
    "PATH": f"{Path(KAPI).parent}:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "KAPI_CONFIG": "/mnt/kapi.toml",
    "KAPI_DATA_DIR": "/srv/kapi",
    "KAPI_GATEWAY__CERTIFICATE_FILE": "/mnt/tls.crt",
    "KAPI_GATEWAY__PRIVATE_KEY_FILE": "/mnt/tls.key",
}


@pytest.fixture(scope="module")
def running(space: Confined) -> Iterator[subprocess.Popen[bytes]]:
    migrated = space.run(KAPI, "store", "migrate", env=ENVIRONMENT)
    assert migrated.returncode == 0, migrated.stderr
    log = (space.files.parent / "up.log").open("wb")
    up = subprocess.Popen(
        space.command(KAPI, "up", "--listen", "0.0.0.0", "--port", "9095"),
        env=ENVIRONMENT, cwd="/", stdout=log, stderr=log,
    )  # fmt: skip
    try:
        until(lambda: probe(space, "readyz") == "ok 200" or up.poll() is not None)
        assert up.poll() is None, (space.files.parent / "up.log").read_text()
        yield up
    finally:
        up.terminate()
        assert up.wait(30) == 0


def probe(space: Confined, path: str) -> str:
    """What the kubelet sees: no certificate is checked, the Host is localhost."""
    asked = (
        "curl",
        "-sk",
        "-m",
        "5",
        "-w",
        " %{http_code}",
        f"https://127.0.0.1:9095/{path}",
    )
    return space.run(*asked, "-H", "Host: localhost").stdout


def test_the_probes_answer(space: Confined, running: subprocess.Popen[bytes]) -> None:
    assert (probe(space, "livez"), probe(space, "readyz")) == ("ok 200", "ok 200")


def test_the_health_check_of_the_image_passes(
    space: Confined, running: subprocess.Popen[bytes]
) -> None:
    checked = space.run(KAPI, "status", env=ENVIRONMENT)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_nothing_but_data_and_tmp_can_be_written(
    space: Confined, running: subprocess.Popen[bytes]
) -> None:
    for place in ("/etc/x", str(Path(KAPI).parent / "x"), "/mnt/x"):
        assert space.run("touch", place).returncode != 0, place
    held = space.run(
        "grep", "-h", "^\\(Uid\\|CapEff\\|NoNewPrivs\\)", "/proc/self/status"
    ).stdout
    assert re.search(r"Uid:\s+10001\s", held)
    assert re.search(r"CapEff:\s+0+\s", held)
    assert re.search(r"NoNewPrivs:\s+1", held)


def test_a_renewed_certificate_is_served_without_a_restart(
    space: Confined, running: subprocess.Popen[bytes]
) -> None:
    renewed = put(space.files).decode().strip()
    copied = space.run(
        "cp", "-r", f"/proc/{os.getpid()}/root{space.files}/.", "/mnt/", user=False
    )
    assert copied.returncode == 0, copied.stderr
    asked = (
        *[
            "openssl",
            "s_client",
            "-connect",
            "127.0.0.1:9095",
            "-servername",
            "localhost",
        ],
    )

    def served() -> str:
        return space.run(*asked, input="").stdout

    awaited(served, lambda text: renewed in text)
    assert running.poll() is None
    until(lambda: probe(space, "readyz") == "ok 200")
