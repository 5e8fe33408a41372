"""HTTP/3 through the real gateway with aioquic: the same answers as over TCP, and no client
certificates.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from harness import BASIC, DEFINITION, Answer, Platform, conf, free_port
from http3 import hold, http3
from waiting import until

HOST = "default.gw.wso2.com"
MOST = 12
CERTIFICATES = """authentication:
- {authType: OAuth2, enabled: false}
- {authType: mTLS, required: mandatory, certificates: [{name: clients, key: ca.crt}]}
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[Platform]:
    running = Platform(
        free_port(),
        tmp_path_factory.mktemp("kapi") / "data",
        environment={
            "KAPI_GATEWAY__HTTP3": "true",
            "KAPI_GATEWAY__MAX_CONNECTIONS": str(MOST),
        },
    )
    running.start()
    authority = running.data_dir / "tls" / "ca.pem"
    running.cli("secret", "set", "clients", "ca.crt", "--file", str(authority))
    for name, extra in (("Echo", ""), ("Certificates", CERTIFICATES)):
        text = conf(name, f"/{name.lower()}", port=echo, extra=extra)
        answer = running.deploy(text, DEFINITION)
        assert answer.status == 200, answer.body
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


def call(platform: Platform, host: str, path: str, **more: Any) -> Answer:
    authorities = platform.data_dir / "tls" / "ca.pem"
    return http3(platform.port, host, path, authorities=authorities, **more)


def test_a_call_needs_its_token(platform: Platform) -> None:
    get = partial(call, platform, HOST, "/echo/1.0.0/items")
    missing = get()
    assert (missing.status, missing.json()["code"]) == (401, "900902")
    answer = get(authorization=f"Bearer {platform.token()}", **{"x-kapi-iss": "forged"})
    assert (answer.status, answer.json()["path"]) == (200, "/backend/items")
    assert not {"authorization", "x-kapi-iss"} & set(answer.json()["headers"])


def test_a_token_is_issued_and_a_body_is_passed_on(platform: Platform) -> None:
    fields = {
        "authorization": f"Basic {BASIC}",
        "content-type": "application/x-www-form-urlencoded",
    }
    body = b"grant_type=client_credentials"
    issued = call(
        platform, "idp.am.wso2.com", "/oauth2/token", method="POST", body=body, **fields
    )
    assert issued.status == 200
    bearer = {"authorization": f"Bearer {json.loads(issued.body)['access_token']}"}
    path = "/echo/1.0.0/files/large"
    assert (
        call(platform, HOST, path, method="POST", body=b"x" * 200_000, **bearer).status
        == 200
    )


def test_responses_over_tcp_name_it(platform: Platform) -> None:
    answer = platform.request(HOST, "/echo/1.0.0/open")
    assert answer.headers["alt-svc"] == f'h3=":{platform.port}"; ma=86400'


def test_an_api_that_needs_a_client_certificate_is_closed(platform: Platform) -> None:
    answer = call(platform, HOST, "/certificates/1.0.0/items")
    assert (answer.status, answer.json()["code"]) == (401, "900902")


def test_connections_over_quic_are_limited(platform: Platform) -> None:
    authorities = platform.data_dir / "tls" / "ca.pem"
    assert hold(platform.port, HOST, MOST + 1, authorities=authorities) == MOST
    until(lambda: call(platform, HOST, "/echo/1.0.0/open").status == 200)
