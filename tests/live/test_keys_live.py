"""Rotation of signing keys under load: no verifier ever refuses a fresh token. Emergency rotation
refuses the old ones at once.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from harness import BASIC, DEFINITION, Platform, conf, free_port
from waiting import awaited, until

IDP, API, GATEWAY = "idp.am.wso2.com", "api.am.wso2.com", "default.gw.wso2.com"
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[Platform]:
    running = Platform(
        free_port(),
        tmp_path_factory.mktemp("kapi") / "data",
        arguments=("--workers", "2"),
    )
    running.start()
    assert running.deploy(conf(port=echo), DEFINITION).status == 200
    yield running
    running.stop()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "PRIVATE KEY" not in logs


class Caller:
    """One keep-alive connection per host; the certificate is not looked at."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._context = ssl._create_unverified_context()
        self._open: dict[str, http.client.HTTPSConnection] = {}

    def call(
        self, host: str, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, bytes]:
        if host not in self._open:
            connection = http.client.HTTPSConnection(
                host, self._port, context=self._context, timeout=20
            )
            connection.sock = self._context.wrap_socket(
                socket.create_connection(("127.0.0.1", self._port)),
                server_hostname=host,
            )
            self._open[host] = connection
        connection = self._open[host]
        connection.request(
            method, path, body, {"Host": f"{host}:{self._port}", **headers}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()


FORM = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Authorization": f"Basic {BASIC}",
}


def kid_of(token: str) -> str:
    return json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))[
        "kid"
    ]


def faults_of(caller: Caller) -> tuple[str, list[str]]:
    """A fresh token in every place that verifies: its kid, and who refused it."""
    _, body = caller.call(
        IDP,
        "POST",
        "/oauth2/token",
        "grant_type=client_credentials&scope=apk%3Aapi_create",
        **FORM,
    )
    token = json.loads(body)["access_token"]
    keys = json.loads(caller.call(IDP, "GET", "/oauth2/jwks")[1])["keys"]
    faults = [] if kid_of(token) in {key["kid"] for key in keys} else ["jwks"]
    faults += (
        ["private"] if PRIVATE & {member for key in keys for member in key} else []
    )
    for host, path in (
        (GATEWAY, "/echo/1.0.0/items"),
        (API, "/api/deployer/1.2.0/apis"),
    ):
        status, answer = caller.call(host, "GET", path, Authorization=f"Bearer {token}")
        faults += [f"{host} {status} {answer[:200]!r}"] if status != 200 else []
    return kid_of(token), faults


def test_rotation_under_load_never_fails_a_fresh_token(platform: Platform) -> None:
    stop, faults, kids, calls = threading.Event(), [], set(), []

    def load() -> None:
        caller = Caller(platform.port)
        while not stop.is_set():
            try:
                kid, found = faults_of(caller)
            except Exception as error:
                faults.append(repr(error))
                break
            kids.add(kid)
            faults.extend(found)
            calls.append(1)
        caller.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    rotated = [platform.cli("key", "rotate", "--now").stdout.strip() for _ in range(4)]
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert set(rotated[:3]) <= kids
    assert len(calls) > 50
    states = {
        key["kid"]: key["state"]
        for key in json.loads(platform.cli("key", "list", "-o", "json").stdout)["keys"]
    }
    assert states["gateway_certificate_alias"] == "retired"
    assert [
        kid
        for kid, state in states.items()
        if state == "active" and kid.startswith("rs256")
    ] == rotated[-1:]


def called(platform: Platform, token: str) -> int:
    return platform.request(
        GATEWAY, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}"
    ).status


def eventually(platform: Platform, token: str, status: int) -> None:
    until(lambda: called(platform, token) == status)


def test_a_token_of_a_retired_key_stays_good_and_one_of_a_compromised_key_does_not(
    platform: Platform,
) -> None:
    old = platform.token("apk:api_create")
    platform.cli("key", "rotate", "--now")
    eventually(platform, old, 200)
    platform.cli("key", "rotate", "--emergency")
    eventually(platform, old, 401)
    refused = platform.request(
        GATEWAY, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {old}"
    )
    assert (refused.status, refused.json()["code"]) == (401, "900901")
    assert platform.api("/api/deployer/1.2.0/apis", token=old).status == 401
    # A worker that has not noticed yet may sign once more with the key that is refused; the next
    # token is good.
    until(lambda: called(platform, platform.token("apk:api_create")) == 200)
    until(lambda: called(platform, platform.token("apk:api_create")) == 200)
    new = platform.token("apk:api_create")
    assert platform.api("/api/deployer/1.2.0/apis", token=new).status == 200
    until(lambda: len(platform.request(IDP, "/oauth2/jwks").json()["keys"]) == 4)


def test_steps_by_command_and_what_is_refused(platform: Platform) -> None:
    kid = platform.cli("key", "stage", "--algorithm", "ES384").stdout.strip()
    platform.cli("key", "activate", kid)
    assert kid in {
        key["kid"] for key in platform.request(IDP, "/oauth2/jwks").json()["keys"]
    }
    assert platform.cli("key", "retire", kid, check=False).returncode == 1
    assert platform.cli("key", "activate", "nobody", check=False).returncode == 5
    assert (
        platform.cli("key", "stage", "--algorithm", "none", check=False).returncode == 3
    )
    awaited(
        lambda: platform.request(IDP, "/.well-known/openid-configuration").json(),
        lambda document: "ES384" in document["id_token_signing_alg_values_supported"],
    )
    token = platform.token("kapi:keys")
    for body, status in (
        ("{", 400),
        ("[]", 400),
        ('{"algorithm": 7}', 400),
        ('{"x": 1}', 400),
        ("x" * 5000, 400),
        ('{"algorithm": "HS256"}', 400),
    ):
        for path in ("/api/keys", "/api/keys/rotate"):
            assert (
                platform.api(path, "-X", "POST", "-d", body, token=token).status
                == status
            )
    assert platform.api("/api/keys").status == 401
    assert platform.api("/api/keys", token=platform.token("default")).status == 403
    assert "PRIVATE" not in platform.api("/api/keys", token=token).body.decode()
