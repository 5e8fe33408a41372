"""Nobody else notices: no request to other APIs fails while 200 APIs are deployed, changed and
undeployed under load.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import pytest

from backends import Wilful, wilful
from harness import DEFINITION, Platform

HOST = "default.gw.wso2.com"
APIS = 200
STEADY = 4


@pytest.fixture(scope="module")
def backend() -> Iterator[Wilful]:
    with wilful() as server:
        yield server


class Caller:
    """One keep-alive connection to one host of the gateway."""

    def __init__(self, platform: Platform, host: str) -> None:
        self._platform, self._host = platform, host
        self._connection: http.client.HTTPSConnection | None = None

    def __call__(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        connection = self._connection or self._connect()
        connection.request(method, path, body, {"Host": self._host, **(headers or {})})
        answer = connection.getresponse()
        content = answer.read()
        if answer.will_close:
            # Envoy may say that it closes; that is polite and no failure.
            connection.close()
            self._connection = None
        return answer.status, content

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(
            cafile=str(self._platform.data_dir / "tls" / "ca.pem")
        )
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", self._platform.port, timeout=20, context=context
        )
        raw = socket.create_connection(("127.0.0.1", self._platform.port), 20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.sock = context.wrap_socket(raw, server_hostname=self._host)
        return self._connection


def conf(name: str, backend: Wilful, verb: str) -> str:
    return (
        f"name: {name}\nbasePath: /{name}\nversion: '1'\ntype: REST\nendpointConfigurations:\n"
        "  production:\n"
        f'    endpoint: "http://127.0.0.1:{backend.port}/{name}"\n'
        "corsConfiguration: {corsConfigurationEnabled: true, accessControlAllowOrigins: ['*']}\n"
        "apiPolicies: {request: [{policyName: SetHeader, parameters: {headerName: X-A, "
        "headerValue: b}}]}\n"
        f"operations:\n- {{target: /x, verb: {verb}, secured: false}}\n"
        f"- {{target: /x, verb: PUT, scopes: [a]}}\n"
    )


def deployed(ask: Caller, token: str, text: str) -> str:
    parts = (("apkConfiguration", text), ("definitionFile", DEFINITION))
    body = (
        "".join(
            (
                f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\n\r\n'
                f"{content}\r\n"
            )
            for name, content in parts
        )
        + "--b--\r\n"
    )
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "multipart/form-data; boundary=b",
    }
    status, answer = ask(
        "POST", "/api/deployer/1.2.0/apis/deploy", body.encode(), headers
    )
    assert status == 200, answer
    return next(
        line.split('"')[1]
        for line in answer.decode().splitlines()
        if line.startswith("id:")
    )


class Load:
    """Threads that call the steady APIs one request after the other and write down what was not
    right.
    """

    def __init__(self, platform: Platform) -> None:
        self.failures: list[Any] = []
        self.calls = 0
        self._platform = platform
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(f"steady{number % STEADY}",))
            for number in range(STEADY)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str) -> None:
        ask = Caller(self._platform, HOST)
        while not self._stop.is_set():
            try:
                status, body = ask("GET", f"/{name}/1/x?q=1")
                if status != 200 or json.loads(body)["path"] != f"/{name}/x?q=1":
                    self.failures.append((name, status, body[:200]))
            except Exception as error:
                self.failures.append((name, repr(error)))
                ask = Caller(self._platform, HOST)
            self.calls += 1
            # Python is the slowest part; without a pause it would leave nothing to those who
            # deploy.
            self._stop.wait(0.003)


@pytest.mark.long
def test_no_request_fails_while_other_apis_come_change_and_go(
    platform: Platform, backend: Wilful
) -> None:
    token = platform.token("apk:api_create")
    first = Caller(platform, "api.am.wso2.com")
    for number in range(STEADY):
        deployed(first, token, conf(f"steady{number}", backend, "GET"))
    local = threading.local()

    def ask(host: str) -> Caller:
        known = local.__dict__.setdefault("callers", {})
        return known.setdefault(host, Caller(platform, host))

    def live(number: int) -> None:
        name = f"moving{number}"
        api_id = deployed(ask("api.am.wso2.com"), token, conf(name, backend, "GET"))
        assert ask(HOST)("GET", f"/{name}/1/x")[0] == 200
        assert (
            deployed(ask("api.am.wso2.com"), token, conf(name, backend, "DELETE"))
            == api_id
        )
        assert (
            ask(HOST)("DELETE", f"/{name}/1/x")[0],
            ask(HOST)("GET", f"/{name}/1/x")[0],
        ) == (
            200,
            405,
        )
        status, _ = ask("api.am.wso2.com")(
            "POST",
            f"/api/deployer/1.2.0/apis/undeploy?apiId={api_id}",
            b"",
            {"Authorization": f"Bearer {token}"},
        )
        assert status == 202
        assert ask(HOST)("DELETE", f"/{name}/1/x")[0] == 404

    with Load(platform) as load, ThreadPoolExecutor(3) as pool:
        list(pool.map(live, range(APIS)))
    assert load.failures == []
    assert load.calls > APIS
