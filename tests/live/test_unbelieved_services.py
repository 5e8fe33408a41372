"""Why the certificate of a service is not believed that filters of Envoy call: interceptors,
authorization services, mirrors. In backends.log and in `kapi doctor`, as for backends.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from backends import wilful
from client_keys import certificate
from harness import DEFINITION, Platform
from waiting import until

HOST = "default.gw.wso2.com"
REASONS = {
    "unknown": "not signed by an authority that is trusted",
    "misnamed": "it is for misnamed.example",
    "nameless": "it has no subject alternative name at all",
    "plain": "does not speak TLS",
}
Policies = Callable[[str, dict[str, str]], dict[str, Any]]


def item(name: str, **parameters: Any) -> dict[str, Any]:
    return {"policyName": name, "policyVersion": "v1", "parameters": parameters}


def interceptor(url: str, secret: dict[str, str]) -> dict[str, Any]:
    return {"request": [item("Interceptor", backendUrl=url, **secret)]}


def authorization(url: str, secret: dict[str, str]) -> dict[str, Any]:
    return {"request": [item("ExternalAuthorization", url=url, **secret)]}


def grpc_authorization(url: str, secret: dict[str, str]) -> dict[str, Any]:
    return {
        "request": [item("ExternalAuthorization", url=url, protocol="GRPC", **secret)]
    }


@pytest.fixture(scope="module")
def services(
    platform: Platform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], int]]:
    """Starts a service with one of the faults; its port."""
    folder = tmp_path_factory.mktemp("services")
    authority = certificate("authority", authority=True)
    platform.cli("secret", "set", "service-ca", "ca.crt", stdin=authority.pem.decode())
    made = {
        "unknown": certificate("unknown", for_servers=True),
        "misnamed": certificate("misnamed", authority, for_servers=True),
        "nameless": certificate("nameless", authority, for_servers=True, named=False),
    }
    for name, one in made.items():
        (folder / name).write_bytes(one.pem + one.key_pem)
    with contextlib.ExitStack() as stack:

        def started(fault: str) -> int:
            own = {"certificate": folder / fault} if fault in made else {}
            return stack.enter_context(wilful(**own)).port

        yield started


def call(platform: Platform, echo: int, name: str, policies: dict[str, Any]) -> int:
    """Deploy an API with these policies and call it; the status."""
    operation = {"target": "/items", "verb": "GET", "secured": False}
    conf = {
        "name": name,
        "basePath": f"/{name}",
        "version": "1.0.0",
        "type": "REST",
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
        "operations": [operation | {"operationPolicies": policies}],
    }
    answer = platform.deploy(json.dumps(conf), DEFINITION)
    assert answer.status == 200, answer.body
    return platform.request(HOST, f"/{name}/1.0.0/items?token=hidden").status


def is_told(platform: Platform, ports: dict[str, int]) -> None:
    """In the log, and by doctor with the reason of each fault."""
    log = platform.data_dir / "logs/backends.log"
    until(
        lambda: (
            log.exists()
            and all(f"127.0.0.1:{port}" in log.read_text() for port in ports.values())
        )
    )
    assert "hidden" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
    done = platform.cli("doctor", "-o", "json", check=False)
    checks = json.loads(done.stdout)["checks"]
    [detail] = [
        found["detail"] for found in checks if found["check"] == "https backends"
    ]
    for fault, port in ports.items():
        assert f"127.0.0.1:{port} is not believed: " in detail
        assert REASONS[fault] in detail.partition(f":{port} ")[2].partition(";")[0]


@pytest.mark.parametrize("policies", [interceptor, authorization, grpc_authorization])
def test_it_is_told_of_a_service_that_a_policy_asks(
    platform: Platform,
    echo: int,
    services: Callable[[str], int],
    policies: Policies,
) -> None:
    ports = {fault: services(fault) for fault in REASONS}
    secret = {"tlsSecretName": "service-ca", "tlsSecretKey": "ca.crt"}
    for fault, port in ports.items():
        known = secret if fault in {"misnamed", "nameless"} else {}
        name = f"{policies.__name__}-{fault}".replace("_", "-")
        asked = policies(f"https://127.0.0.1:{port}", known)
        assert call(platform, echo, name, asked) == 500
    is_told(platform, ports)


def test_it_is_told_of_a_mirror_which_no_answer_shows(
    platform: Platform, echo: int, services: Callable[[str], int]
) -> None:
    port = services("unknown")
    mirror = {
        "request": [item("RequestMirror", urls=[f"https://127.0.0.1:{port}/items"])]
    }
    assert call(platform, echo, "mirrored", mirror) == 200
    is_told(platform, {"unknown": port})
