"""Where a credential may be, at the real Envoy: headers, queries, several kinds at once; and
what the backend sees of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_gateway import Gateway, Reply, api, backend, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.policies.authentication.node import Credential

PATH = "/who/1.0.0"
OAUTH2 = Credential()
JWT = Credential("JWT", "x-jwt")


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port)
        cases = {
            "other-header": (Credential(header="X-Token"),),
            "other-header-shown": (
                Credential(header="X-Token", send_to_upstream=True),
            ),
            "query": (Credential(query="access_token"),),
            "query-only": (Credential(header="", query="t.k"),),
            "query-shown": (
                Credential(header="", query="token", send_to_upstream=True),
            ),
            "jwt": (JWT,),
            "jwt-authorization": (Credential("JWT"),),
            "jwt-audience": (Credential("JWT", "x-jwt", audiences=("a1", "a2")),),
            "jwt-query": (Credential("JWT", "x-jwt", "jwt"),),
            "both": (OAUTH2, JWT),
            "both-in-authorization": (OAUTH2, Credential("JWT", audiences=("a1",))),
        }
        it.put(
            api(
                "/who",
                [
                    operation("GET", f"/{name}", end, credentials=items)
                    for name, items in cases.items()
                ],
            )
        )
        yield it


def ask(live: Gateway, path: str, **headers: str) -> Reply:
    return live.call(
        f"{PATH}/{path}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def refused(reply: Reply, code: str) -> bool:
    return (reply.status, reply.json["code"]) == (401, code)


def test_an_access_token_in_another_header(live: Gateway) -> None:
    token = live.minter.token()
    for scheme in ("Bearer", "bearer", "BEARER", "bEaRer"):
        reply = ask(
            live,
            "other-header",
            X_Token=f"{scheme} {token}",
            Authorization="Basic eDp5",
        )
        assert reply.status == 200
        headers = reply.json["headers"]
        ours = {name for name in headers if name.startswith(("x-token", "x-kapi"))}
        assert ours == {"x-kapi-url"}
        # What is no credential here is the backend's.
        assert reply.json["headers"]["authorization"] == "Basic eDp5"
    assert refused(ask(live, "other-header", Authorization=f"Bearer {token}"), "900902")
    assert refused(ask(live, "other-header"), "900902")
    assert refused(ask(live, "other-header", X_Token=token), "900902")
    assert refused(ask(live, "other-header", X_Token="Bearer a.b.c"), "900901")
    assert refused(ask(live, "other-header", X_Kapi_Bearer=f"Bearer {token}"), "900902")
    shown = ask(live, "other-header-shown", X_Token=f"Bearer {token}")
    assert shown.json["headers"]["x-token"] == f"Bearer {token}"


def test_a_token_in_the_query_only_where_the_conf_says_so(live: Gateway) -> None:
    token = live.minter.token()
    for path, seen in (
        (f"query?access_token={token}", "/query"),
        (f"query?a=1&access_token={token}&b=%20x", "/query?a=1&b=%20x"),
        (f"query-only?t.k={token}", "/query-only"),
        (f"query-shown?token={token}&x=1", f"/query-shown?token={token}&x=1"),
    ):
        reply = ask(live, path)
        assert reply.status == 200, reply.body
        assert reply.json["path"] == seen
        assert "x-kapi-query" not in reply.json["headers"]
    assert ask(live, "query", Authorization=f"Bearer {token}").status == 200
    for path in (
        "query",
        "query?access_token=",
        "query?x=1",
        f"query?Access_Token={token}",
        f"jwt?access_token={token}",
    ):
        assert refused(ask(live, path), "900902"), path
    assert refused(ask(live, "query?access_token=a.b.c"), "900901")
    assert refused(ask(live, "query-only", Authorization=f"Bearer {token}"), "900902")


def test_a_token_without_a_scheme(live: Gateway) -> None:
    token = live.minter.token()
    reply = ask(live, "jwt", X_JWT=token, Authorization="Bearer of-the-backend")
    assert reply.status == 200
    assert "x-jwt" not in reply.json["headers"]
    assert reply.json["headers"]["authorization"] == "Bearer of-the-backend"
    assert ask(live, "jwt-authorization", Authorization=token).status == 200
    assert ask(live, f"jwt-query?jwt={token}").json["path"] == "/jwt-query"
    assert refused(ask(live, "jwt", Authorization=f"Bearer {token}"), "900902")
    assert refused(ask(live, "jwt"), "900902")
    assert ask(live, "jwt", X_JWT="a.b.c").status == 401
    assert ask(live, "jwt-authorization", Authorization="Basic eDp5").status == 401


def test_one_of_the_audiences(live: Gateway) -> None:
    for audience, status in (
        ("a1", 200),
        (["x", "a2"], 200),
        ("a", 401),
        ("a1 a2", 401),
        (["x"], 401),
        ([], 401),
        (None, 401),
    ):
        reply = ask(live, "jwt-audience", X_JWT=live.minter.token(aud=audience))
        assert reply.status == status, audience
        assert status == 200 or reply.json["code"] == "900901"


def test_either_kind_is_enough(live: Gateway) -> None:
    token = live.minter.token()
    assert ask(live, "both", Authorization=f"Bearer {token}").status == 200
    assert ask(live, "both", X_JWT=token).status == 200
    assert refused(ask(live, "both"), "900902")
    assert refused(ask(live, "both", X_JWT="a.b.c"), "900901")


def test_both_kinds_in_one_header_each_with_its_rules(live: Gateway) -> None:
    plain, meant = live.minter.token(), live.minter.token(aud="a1")
    assert (
        ask(live, "both-in-authorization", Authorization=f"Bearer {plain}").status
        == 200
    )
    assert ask(live, "both-in-authorization", Authorization=meant).status == 200
    assert refused(ask(live, "both-in-authorization", Authorization=plain), "900901")
