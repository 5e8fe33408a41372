"""Headers that reach a backend: who is calling and by which address is said by the gateway,
whatever a caller sends.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterator

import pytest
from live_gateway import Gateway, Operation, api, backend, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.policies.authentication.node import Credential
from kapi.policies.backend_jwt import BackendJwt
from kapi.policies.callers.ip_restriction import IpRestriction
from kapi.policies.headers import HeaderChange, Headers

CERTIFICATE = "X-WSO2-CLIENT-CERTIFICATE"
PATH = "/heads/1.0.0"
STRANGERS = (
    "Forwarded",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-User",
    "X-Forwarded-Client-Cert",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Envoy-External-Address",
    "X-Envoy-Retry-On",
    "X-Envoy-Upstream-Rq-Timeout-Ms",
    "Proxy-Authorization",
    "Remote-User",
    "X-Remote-User",
    "X-JWT-Assertion",
    "X-Kapi-Path",
    CERTIFICATE,
)


def with_node(made: Operation, node: object) -> Operation:
    return dataclasses.replace(made, policies=(*made.policies, node))


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    fronts = ("198.51.100.0/24", "2001:db8::/32")
    with (
        backend() as port,
        gateway(
            client_certificate_header=CERTIFICATE,
            trusted_fronts=fronts,
            public_port=443,
        ) as it,
    ):
        end = Endpoint("http", "127.0.0.1", port, "/v2")
        changes = Headers(
            (
                HeaderChange("set", "x-user-id", "7"),
                HeaderChange("remove", "x-group-id"),
            )
        )
        operations = [
            operation("GET", "/open", end, secured=False),
            operation("GET", "/closed", end),
            with_node(operation("GET", "/changed", end, secured=False), changes),
            with_node(
                operation("GET", "/told", end, secured=False),
                BackendJwt(header="X-Backend-Token"),
            ),
            with_node(
                operation("GET", "/own", end, secured=False),
                Headers((HeaderChange("set", "x-forwarded-host", "other.example"),)),
            ),
            operation(
                "GET",
                "/key",
                end,
                credentials=(Credential("OAuth2", header="api_key"),),
            ),
        ]
        it.put(api("/heads", operations, default=True))
        yield it


@pytest.mark.parametrize("name", STRANGERS)
@pytest.mark.parametrize("path", ["/open", "/closed"])
def test_what_a_stranger_says_of_the_caller_reaches_no_backend(
    live: Gateway, path: str, name: str
) -> None:
    for spelling in (name, name.replace("-", "_"), name.replace("-", "_", 1)):
        reply = live.call(
            PATH + path, token=live.minter.token(), headers={spelling: "forged"}
        )
        assert reply.status == 200
        assert "forged" not in str(reply.json["headers"]), spelling


def test_the_last_address_is_the_one_that_connected(live: Gateway) -> None:
    for name in ("X-Forwarded-For", "X_Forwarded_For", "X-Forwarded_For"):
        seen = live.call(f"{PATH}/open", headers={name: "203.0.113.7"}).json["headers"]
        # From loopback Envoy says its own address.
        ipaddress.ip_address(seen["x-forwarded-for"])
        assert "203.0.113.7" not in str(seen)


def test_a_backend_is_told_the_public_address(live: Gateway) -> None:
    for base in (PATH, "/heads"):
        seen = live.call(f"{base}/open").json["headers"]
        assert {
            name: seen[name]
            for name in seen
            if "forwarded" in name and name != "x-forwarded-for"
        } == {
            "x-forwarded-host": "default.gw.wso2.com",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-forwarded-prefix": base,
            "forwarded": 'host="default.gw.wso2.com";proto=https',
        }


def test_a_header_of_the_conf_wins_over_the_gateways(live: Gateway) -> None:
    assert (
        live.call(f"{PATH}/own").json["headers"]["x-forwarded-host"] == "other.example"
    )


def test_authorization_is_the_backends_where_nothing_is_checked(live: Gateway) -> None:
    for sent in ("Basic eDp5", f"Bearer {live.minter.token()}", "Own x"):
        assert (
            live.call(f"{PATH}/open", headers={"Authorization": sent}).json["headers"][
                "authorization"
            ]
            == sent
        )
    assert (
        "authorization"
        not in live.call(f"{PATH}/closed", token=live.minter.token()).json["headers"]
    )


def test_names_may_have_an_underscore(live: Gateway) -> None:
    assert (
        live.call(f"{PATH}/open", headers={"api_key": "x", "a_b-c": "y"})
        .json["headers"]
        .items()
        >= {"api_key": "x", "a_b-c": "y"}.items()
    )
    assert (
        live.call(
            f"{PATH}/key", headers={"api_key": f"Bearer {live.minter.token()}"}
        ).status
        == 200
    )
    assert live.call(f"{PATH}/key").status == 401


def test_other_spellings_of_headers_that_a_route_sets_or_removes_are_removed(
    live: Gateway,
) -> None:
    sent = {"X_User_Id": "1", "X-User_Id": "2", "X_Group_Id": "3", "X-Group-Id": "4"}
    seen = live.call(f"{PATH}/changed", headers=sent).json["headers"]
    assert {
        name: value for name, value in seen.items() if "user" in name or "group" in name
    } == {"x-user-id": "7"}
    seen = live.call(
        f"{PATH}/told",
        headers={"X-Backend-Token": "forged", "X_Backend_Token": "forged"},
    ).json["headers"]
    assert "forged" not in str(seen)


def test_a_header_that_is_a_claim_elsewhere_is_not_a_callers_to_set(
    live: Gateway,
) -> None:
    live.trust(
        dataclasses.replace(
            live.minter.trusted, claim_mappings=(("tenant", "x-tenant"),)
        )
    )
    try:
        for name in ("X-Tenant", "X_Tenant"):
            for path in ("/open", "/closed"):
                seen = live.call(
                    PATH + path, token=live.minter.token(), headers={name: "forged"}
                ).json["headers"]
                assert "forged" not in str(seen)
        assert (
            live.call(f"{PATH}/closed", token=live.minter.token(tenant="acme")).json[
                "headers"
            ]["x-tenant"]
            == "acme"
        )
    finally:
        live.trust(live.minter.trusted)


@pytest.mark.parametrize(
    ("fronts", "status"), [(("127.0.0.0/8",), 200), (("198.51.100.0/24",), 403)]
)
def test_the_address_that_counts_is_the_one_that_a_trusted_front_names(
    fronts: tuple[str, ...], status: int
) -> None:
    with backend() as port, gateway(trusted_fronts=fronts) as it:
        end = Endpoint("http", "127.0.0.1", port)
        allowed = IpRestriction(allow=("203.0.113.0/24",))
        it.put(
            api(
                "/heads",
                [with_node(operation("GET", "/open", end, secured=False), allowed)],
            )
        )
        for told, expected in (("198.51.100.1, 203.0.113.7", status), ("", 403)):
            headers = {"X-Forwarded-For": told} if told else {}
            assert it.call(f"{PATH}/open", headers=headers).status == expected


def test_a_trusted_front_names_the_client() -> None:
    with (
        backend() as port,
        gateway(
            client_certificate_header=CERTIFICATE, trusted_fronts=("127.0.0.0/8",)
        ) as it,
    ):
        it.put(
            api(
                "/heads",
                [
                    operation(
                        "GET",
                        "/open",
                        Endpoint("http", "127.0.0.1", port),
                        secured=False,
                    )
                ],
            )
        )
        forged = {name: "forged" for name in STRANGERS if name != CERTIFICATE}
        sent = {**forged, "X-Forwarded-For": "203.0.113.7", CERTIFICATE: "pem"}
        seen = it.call(f"{PATH}/open", headers=sent).json["headers"]
        assert seen["x-forwarded-for"].startswith("203.0.113.7,")
        assert seen[CERTIFICATE.lower()] == "pem"
        assert "forged" not in str(seen)
