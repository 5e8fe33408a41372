"""Many issuers of one server, the HTTP interface, real sockets, and the pytest plugin."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kapi.jose.jwt import parse_jwt
from kapi.testing import Issuer, Server, serve

FORM = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def test_an_issuer_is_made_by_its_first_request_by_path_and_by_host(
    server: Server,
) -> None:
    document = server.request(
        "GET", "/issuers/acme/.well-known/openid-configuration"
    ).json()
    assert document["issuer"] == "https://idp.kapi.test/issuers/acme"
    assert (
        document["token_endpoint"] == "https://idp.kapi.test/issuers/acme/oauth2/token"
    )
    inserted = server.request(
        "GET", "/.well-known/oauth-authorization-server/issuers/acme"
    ).json()
    assert inserted["issuer"] == document["issuer"]
    by_host = server.request(
        "GET",
        "/.well-known/openid-configuration",
        headers={"host": "globex.idp.kapi.test"},
    ).json()
    assert by_host["issuer"] == "https://globex.idp.kapi.test"
    assert {"acme", "globex"} <= {issuer.name for issuer in server.issuers()}
    assert server.request("GET", "/issuers/a%2Fb/").status == 404


def test_issuers_do_not_know_each_other(server: Server) -> None:
    one, two = server.issuer(), server.issuer()
    assert not two.explain(one.token())["accepted"]
    one.clock.travel(hours=1)
    one.faults.add("status")
    assert (
        two.request("POST", "/oauth2/token", form=FORM, auth=two.client).status == 200
    )
    assert (
        one.request("POST", "/oauth2/token", form=FORM, auth=one.client).status == 503
    )
    assert len(two.journal.entries()) == 1


def test_the_issuer_identifier_may_differ_from_the_address(server: Server) -> None:
    issuer = server.issuer("renamed", url="https://acme.eu.auth0.com/")
    document = issuer.request("GET", "/.well-known/openid-configuration").json()
    assert document["issuer"] == "https://acme.eu.auth0.com/"
    assert document["jwks_uri"] == "https://idp.kapi.test/issuers/renamed/oauth2/jwks"
    assert parse_jwt(issuer.token()).claims["iss"] == "https://acme.eu.auth0.com/"


def test_every_power_over_http(server: Server) -> None:
    def power(method: str, path: str, body: Any = None) -> Any:
        answer = server.request(method, f"/testing/issuers/http/{path}", json=body)
        assert answer.status == 200, answer.text
        return answer.json()

    made = server.request(
        "POST", "/testing/issuers", json={"name": "http", "level": "certified"}
    )
    assert made.json()["strictness"] == "certified"
    token = power("POST", "mint", {"recipe": "expired", "claims": {"a": 1}})["token"]
    assert power("POST", "explain", {"token": token})["accepted"] is False
    assert power("PUT", "clock", {"freeze": 1_800_000_000})["now"] == 1_800_000_000
    assert power("GET", "clock")["frozen"]
    assert power("DELETE", "clock")["offset"] == 0
    assert (
        power("POST", "faults", [{"kind": "status", "times": 1}, {"kind": "drop"}])[1][
            "id"
        ]
        == 2
    )
    power("DELETE", "faults/2")
    assert server.request("GET", "/issuers/http/oauth2/jwks").status == 503
    assert power("GET", "faults")[0]["done"] == 1
    power("DELETE", "faults")
    assert power("GET", "journal?endpoint=jwks&status=503")[0]["fault"] == "status"
    assert power("POST", "journal/verify", {"endpoint": "jwks", "times": 1}) == {
        "ok": True
    }
    power("DELETE", "journal")
    kid = power("POST", "keys", {"action": "rotate", "algorithm": "ES256"})["kid"]
    assert kid in [key["kid"] for key in power("GET", "keys")]
    assert power("PUT", "strictness", {"level": "lenient"})["strictness"] == "lenient"
    assert power("PUT", "seed", {"token_lifetime": 5})["token_lifetime"] == 5
    assert power("POST", "reset")["strictness"] == "certified"
    assert len(power("GET", "faults/kinds")) > 60
    assert len(power("GET", "mint/recipes")) > 40
    assert server.request("GET", "/testing").json()["powers"]
    assert server.request("DELETE", "/testing/issuers/http").status == 200


@pytest.mark.parametrize(
    ("method", "path", "parts", "status"),
    [
        ("POST", "mint", {"json": {"recipe": "?"}}, 400),
        ("POST", "mint", {"form": {"recipe": "expired"}}, 400),
        (
            "POST",
            "mint",
            {"json": {}, "headers": {"origin": "https://evil.example"}},
            400,
        ),
        ("PUT", "seed", {"json": {"nonsense": 1}}, 400),
        ("POST", "journal/verify", {"json": {"endpoint": "token", "times": 7}}, 400),
        ("POST", "keys", {"json": {"action": "retire", "kid": "x"}}, 404),
        ("DELETE", "faults/99", {}, 404),
        ("GET", "nonsense", {}, 404),
        ("POST", "explain", {"json": {}}, 400),
        ("POST", "explain", {"json": ["token"]}, 400),
        ("PUT", "strictness", {"json": {"strict": True}}, 400),
        ("DELETE", "faults/first", {}, 400),
        ("GET", "journal?status=ok", {}, 400),
        ("POST", "faults", {"json": {"kind": "status", "value": "often"}}, 400),
        ("POST", "faults", {"json": {"kind": "status", "value": 9999}}, 400),
        ("POST", "faults", {"json": {"kind": "huge", "value": 10**12}}, 400),
    ],
)
def test_the_http_interface_says_what_is_wrong(
    server: Server, method: str, path: str, parts: dict[str, Any], status: int
) -> None:
    assert server.request(method, f"/testing/{path}", **parts).status == status


def test_a_client_signs_a_person_in_below_a_path(server: Server) -> None:
    issuer = server.issuer("paths")
    login = "/oauth2/authorize?response_type=code&scope=openid&client_id={}&redirect_uri={}".format(
        issuer.client[0], "http%3A%2F%2Fhttpbin.org"
    )
    issuer.level = "certified"
    first = server.request("GET", f"/issuers/paths{login}")
    page = (
        server.request("GET", first.header("location"), headers=_cookies(first))
        if first.status == 303
        else first
    )
    assert 'action="/issuers/paths/' in page.text
    assert (
        "__Host-paths-" in first.header("set-cookie") + page.header("set-cookie")
        or page.status == 200
    )


def _cookies(reply: Any) -> dict[str, str]:
    pairs = [
        value.partition(";")[0] for name, value in reply.headers if name == "set-cookie"
    ]
    return {"cookie": "; ".join(pairs)} if pairs else {}


def test_a_real_socket_and_a_dropped_connection() -> None:
    with serve() as server:
        assert server.base_url.startswith("http://localhost:")
        with urllib.request.urlopen(server.default.discovery_url) as answer:
            document = json.load(answer)
        assert document["token_endpoint"] == f"{server.base_url}/oauth2/token"
        server.default.faults.add("drop", endpoint="jwks", times=1)
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            urllib.request.urlopen(document["jwks_uri"])
        server.default.faults.add("cut", endpoint="jwks")
        with (
            urllib.request.urlopen(document["jwks_uri"]) as answer,
            pytest.raises(http.client.IncompleteRead),
        ):
            answer.read()


def test_the_plugin_gives_each_test_its_own_issuer(
    kapi_issuer: Issuer,
    kapi_token: Callable[..., str],
    kapi_clock: Any,
    kapi_faults: Any,
    kapi_journal: Any,
) -> None:
    assert kapi_issuer.explain(kapi_token(user="org1user"))["accepted"]
    kapi_clock.travel(hours=2)
    kapi_faults.add("status")
    assert kapi_issuer.request("GET", "/oauth2/jwks").status == 503
    kapi_journal.assert_called("jwks", times=1, status=503)


@pytest.mark.kapi(level="lenient", seed={"token_lifetime": 7})
def test_the_marker_says_how_the_issuer_is(kapi_issuer: Issuer) -> None:
    assert kapi_issuer.level == "lenient"
    claims = parse_jwt(kapi_issuer.token()).claims
    assert claims["exp"] - claims["iat"] == 7


def test_the_plugin_imports_nothing_before_it_is_used() -> None:
    code = (
        "import sys, kapi.testing.pytest_plugin;"
        " print([name for name in sys.modules if name.startswith('kapi')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(eval(found.stdout)) == {
        "kapi",
        "kapi.testing",
        "kapi.testing.pytest_plugin",
    }


def test_one_issuer_has_several_addresses_and_a_check_tells_where_they_disagree() -> (
    None
):
    with serve() as server:
        port = server.base_url.rpartition(":")[2]
        browser, container = server.base_url, f"http://127.0.0.1:{port}"
        path = "/issuers/shop"
        issuer = server.issuer(
            "shop",
            url=f"{browser}{path}",
            base_url=f"{container}{path}",
            base_urls=["http://127.0.0.1:1" + path],
            front_url=f"{browser}{path}",
        )
        inside = issuer.request(
            "GET",
            "/.well-known/openid-configuration",
            headers={"host": f"127.0.0.1:{port}"},
        ).json()
        assert inside["issuer"] == f"{browser}{path}"
        assert inside["jwks_uri"].startswith(container)
        assert inside["authorization_endpoint"].startswith(browser)
        told = {item["address"]: item["problem"] for item in issuer.check_addresses()}
        assert told[f"{browser}{path}"] == told[f"{container}{path}"] == ""
        assert "cannot be reached" in told["http://127.0.0.1:1" + path]
        issuer.faults.add("issuer-mismatch", times=1)
        assert "clients refuse it" in issuer.check_addresses()[0]["problem"]
        found = server.request("GET", "/testing/issuers/shop/addresses").json()
        assert len(found) == 3
        with pytest.raises(ValueError, match="cannot be a base address"):
            server.issuer("wrong", base_urls=["http://idp:1/other"])


def test_an_offer_of_http_2_is_ignored() -> None:
    """RFC 9110 §7.8; Java's HTTP client sends it with every request over plain http."""
    with serve() as server:
        offer = {
            "Connection": "Upgrade, HTTP2-Settings",
            "Upgrade": "h2c",
            "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            "Content-Type": "application/json",
        }
        body = json.dumps({"recipe": "expired"}).encode()
        port = int(server.base_url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/testing/mint", body, offer)
        token = json.loads(connection.getresponse().read())["token"]
        connection.close()
        assert not server.default.explain(token)["accepted"]
