"""What those who run the platform look at: health."""

from __future__ import annotations

import subprocess

import pytest

from harness import Platform, curl

CHECKS = ("store", "keys", "gateway", "configuration", "disk", "provider")
WELL = "".join(f"[+]{name} ok\n" for name in CHECKS) + "readyz check passed\n"


@pytest.mark.parametrize("host", ["api.am.wso2.com", "idp.am.wso2.com", "localhost"])
def test_health_on_each_host_of_the_platform(platform: Platform, host: str) -> None:
    def text(path: str) -> str:
        answer = curl(f"https://{host}:{platform.port}{path}", resolve=(host, platform.port))
        return f"{answer.status} {answer.body.decode()}"

    assert text("/livez") == "200 ok"
    assert text("/readyz") == "200 ok"
    assert text("/readyz?verbose") == f"200 {WELL}"


def test_health_on_the_socket(platform: Platform) -> None:
    socket = str(platform.data_dir / "run/control.sock")
    command = ("curl", "-sS", "--unix-socket", socket, "http://localhost/readyz?verbose")
    assert (
        subprocess.run(command, capture_output=True, check=True, timeout=30).stdout.decode() == WELL
    )
