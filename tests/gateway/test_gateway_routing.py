"""Routing through the real Envoy: which backend is asked, with which path, and what is not
found.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
from collections.abc import Iterator

import pytest
from live_gateway import Gateway, api, backend, gateway, operation

from kapi import run_files
from kapi.apis.ir import Endpoint


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with (
        backend() as production,
        backend() as sandbox,
        gateway(hosts={"pets.example": f"127.0.0.1:{production}"}) as it,
    ):
        one = Endpoint("http", "pets.example", 80, "/v2")
        two = Endpoint("http", "127.0.0.1", sandbox)
        with (
            backend(str(run_files.identity_socket(it.settings, 0))),
            backend(str(run_files.control_socket(it.settings))),
        ):
            it.put(
                api(
                    "/petstore",
                    [
                        operation("GET", "/pets", one, sandbox=two, secured=False),
                        operation("GET", "/pets/{id}", one, secured=False),
                        operation("GET", "/", one, secured=False),
                        operation("GET", "/*", one, secured=False),
                    ],
                    default=True,
                )
            )
            slashes = ("/list/", "/both", "/both/", "/of/{id}", "/of/{id}/")
            it.put(
                api(
                    "/slashes",
                    [
                        operation("GET", target, one, secured=False)
                        for target in slashes
                    ],
                )
            )
            it.put(
                api(
                    "/petstore",
                    [operation("GET", "/pets", two, secured=False)],
                    version="2.0.0",
                )
            )
            it.put(
                api(
                    "/petstore",
                    [operation("GET", "/pets", two, secured=False)],
                    organization="acme",
                    environment="dev",
                )
            )
            it.put(api("/health", [operation("GET", "/mine", two, secured=False)]))
            yield it


def test_a_target_goes_to_the_backend_with_its_base_path(live: Gateway) -> None:
    seen = live.call("/petstore/1.0.0/pets?limit=3&q=a%2Fb").json
    assert seen["path"] == "/v2/pets?limit=3&q=a%2Fb"
    assert seen["headers"]["host"] == "pets.example"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/petstore/1.0.0/pets/7", "/v2/pets/7"),
        ("/petstore/1.0.0/pets/7/", "/v2/pets/7"),
        ("/petstore/1.0.0/pets/", "/v2/pets"),
        ("/petstore/pets/7?x=1", "/v2/pets/7?x=1"),
        ("/petstore?x=1", "/v2/?x=1"),
        ("/petstore/?x=a/b", "/v2/?x=a/b"),
        ("/petstore/1.0.0?x=/y", "/v2/?x=/y"),
        ("//petstore/1.0.0//pets", "/v2/pets"),
        ("/x/../petstore/1.0.0/pets", "/v2/pets"),
        ("/petstore/1.0.0/else/where", "/v2/else/where"),
    ],
)
def test_paths(live: Gateway, path: str, asked: str) -> None:
    assert live.call(path).json["path"] == asked


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/list", "/list/"),
        ("/list/", "/list/"),
        ("/both", "/both"),
        ("/both/", "/both/"),
        ("/of/7", "/of/7"),
        ("/of/7/", "/of/7/"),
    ],
)
def test_a_backend_gets_the_last_slash_of_the_conf(
    live: Gateway, path: str, asked: str
) -> None:
    assert live.call(f"/slashes/1.0.0{path}?x=/").json["path"] == f"/v2{asked}?x=/"


def test_the_host_is_case_insensitive(live: Gateway) -> None:
    assert live.call("/petstore/1.0.0/pets", host="Default.GW.wso2.com").status == 200


def test_organization_and_environment_make_the_host(live: Gateway) -> None:
    assert live.call("/petstore/1.0.0/pets", host="acme-dev.gw.wso2.com").status == 200
    assert live.call("/petstore/1.0.0/pets", host="acme.gw.wso2.com").status == 404


def test_the_sandbox_host_goes_to_the_sandbox_endpoint(live: Gateway) -> None:
    assert (
        live.call("/petstore/1.0.0/pets", host="default.sandbox.gw.wso2.com").json[
            "path"
        ]
        == "/pets"
    )


def test_an_operation_without_sandbox_endpoint_is_not_there(live: Gateway) -> None:
    assert (
        live.call("/petstore/1.0.0/pets/7", host="default.sandbox.gw.wso2.com").status
        == 404
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nothing",
        "/petstoreX",
        "/petstore/2.0.0/nothing",
        "/petstore/2.0.0/pets/7",
    ],
)
def test_not_found_has_the_body_of_apk(live: Gateway, path: str) -> None:
    reply = live.call(path)
    assert reply.status == 404
    assert reply.json == {
        "code": "404",
        "message": "Not Found",
        "description": "The requested resource is not available.",
    }
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"


def test_a_method_that_is_not_declared_is_not_allowed(live: Gateway) -> None:
    reply = live.call("/petstore/1.0.0/pets", method="DELETE")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (reply.json["code"], reply.json["message"]) == ("405", "Method Not Allowed")


def test_nothing_says_who_serves(live: Gateway) -> None:
    reply = live.call("/petstore/1.0.0/pets")
    assert "server" not in reply.headers
    assert not [name for name in reply.headers if name.lower().startswith("x-envoy")]


def test_a_caller_sends_no_header_of_the_gateway(live: Gateway) -> None:
    said = dict.fromkeys(("x-kapi-url", "x-kapi-peer", "x_kapi_url"), "evil/health")
    seen = live.call("/petstore/1.0.0/pets?secret=1", headers=said).json
    own = {}
    for name, value in seen["headers"].items():
        if name.startswith(("x-kapi", "x_kapi")):
            own[name] = value
    assert own == {"x-kapi-url": "default.gw.wso2.com/petstore/1.0.0/pets"}
    assert not [name for name in seen["headers"] if name.startswith("x-envoy")]
    assert seen["headers"]["x-forwarded-proto"] == "https"


def test_the_system_hosts_answer_without_a_token_and_keep_the_callers_authorization(
    live: Gateway,
) -> None:
    for host, path in [
        ("idp.am.wso2.com", "/oauth2/token"),
        ("idp.am.wso2.com", "/.well-known/openid-configuration"),
        ("idp.am.wso2.com", "/health?x=1"),
        ("api.am.wso2.com", "/api/deployer/1.0.0/apis/deploy"),
        ("api.am.wso2.com", "/ready"),
        ("api.am.wso2.com", "/readyz"),
        ("idp.am.wso2.com", "/livez"),
        ("localhost", "/health"),
    ]:
        reply = live.call(path, host=host, headers={"Authorization": "Basic eDp5"})
        assert (
            reply.status,
            reply.json["path"],
            reply.json["headers"]["authorization"],
        ) == (
            200,
            path,
            "Basic eDp5",
        )


def test_an_api_may_share_a_segment_with_a_system_route(live: Gateway) -> None:
    assert live.call("/health/1.0.0/mine").json["path"] == "/mine"
    assert live.call("/health", host="api.am.wso2.com").status == 200
    assert live.call("/health/1.0.0/mine", host="nobody.gw.wso2.com").status == 404


def test_a_backend_that_is_down_is_named_by_its_code(live: Gateway) -> None:
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(backend())
    live.put(
        api(
            "/down",
            [
                operation(
                    "GET", "/x", Endpoint("http", "127.0.0.1", port), secured=False
                )
            ],
        )
    )
    reply = live.call("/down/1.0.0/x")
    assert (reply.status, reply.json["code"], reply.json["message"]) == (
        503,
        "102503",
        "Upstream connection failed",
    )


def test_a_big_body_passes(live: Gateway) -> None:
    live.put(
        api(
            "/upload",
            [
                operation(
                    "POST", "/x", Endpoint("http", "pets.example", 80), secured=False
                )
            ],
        )
    )
    assert (
        live.call("/upload/1.0.0/x", method="POST", body=b"x" * 300_000).json["length"]
        == 300_000
    )


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x": "y" * 40_000}, 431, "431"),
        ({f"h{n}": "v" for n in range(120)}, 431, "431"),
    ],
)
def test_edge_limits_answer_in_json(
    live: Gateway, headers: dict[str, str], status: int, code: str
) -> None:
    reply = live.call("/petstore/1.0.0/pets", headers=headers)
    assert reply.status == status
    assert reply.json["code"] == code


def test_websocket_upgrades_are_refused(live: Gateway) -> None:
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    assert live.call("/petstore/1.0.0/pets", headers=headers).status == 403


def test_https_backends_are_checked_by_chain_and_name(live: Gateway) -> None:
    ours = live.certificate.ca_file
    with backend(certificate=ours.with_name("edge.pem")) as port:
        hosts = {"wrong.example": f"127.0.0.1:{port}"}
        own = dataclasses.replace(live.settings.gateway, hosts=hosts)
        before, live.context = (
            live.context,
            dataclasses.replace(live.context, gateway=own, ca_file=str(ours)),
        )
        try:
            for name, host, number in [
                ("byname", "localhost", port),
                ("byip", "127.0.0.1", port),
                ("wrong", "wrong.example", 443),
            ]:
                live.put(
                    api(
                        f"/{name}",
                        [
                            operation(
                                "GET",
                                "/x",
                                Endpoint("https", host, number),
                                secured=False,
                            )
                        ],
                    )
                )
            assert live.call("/byname/1.0.0/x").status == 200
            assert live.call("/byip/1.0.0/x").status == 200
            assert live.call("/wrong/1.0.0/x").status == 503
            live.context = dataclasses.replace(live.context, ca_file=before.ca_file)
            live.put(
                api(
                    "/stranger",
                    [
                        operation(
                            "GET",
                            "/x",
                            Endpoint("https", "localhost", port),
                            secured=False,
                        )
                    ],
                )
            )
            assert live.call("/stranger/1.0.0/x").status == 503
        finally:
            live.context = before


def test_http_2_is_spoken(live: Gateway) -> None:
    context = ssl.create_default_context(cafile=str(live.certificate.ca_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    address = ("127.0.0.1", live.settings.gateway.port)
    with (
        socket.create_connection(address, timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="default.gw.wso2.com") as tls,
    ):
        assert tls.selected_alpn_protocol() == "h2"
