"""Claims that reach the backend as headers, and issuers by organization and environment, at the
real Envoy.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from live_gateway import Gateway, Minter, api, backend, gateway, operation

from kapi.apis.ir import Endpoint
from kapi.jose.token_kinds import AccessTokenRule

PATH = "/claims/1.0.0"
ROLES, TENANT, USER = (
    "https://shop.example/roles",
    "https://acme.com/tenant.id",
    "https://acme.com/user",
)
MAPPINGS = (
    ("org", "X-WSO2-Organization"),
    ("groups", "x-wso2-groups"),
    ("nested.name", "x-name"),
    ("level", "x-level"),
)


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port)
        operations = [
            operation("GET", "/closed", end),
            operation("GET", "/open", end, secured=False),
            operation("GET", "/scoped", end, scopes=("items:read",)),
        ]
        it.put(
            api("/claims", operations),
            api("/claims", operations, organization="acme"),
            api(
                "/claims",
                operations,
                organization="acme",
                environment="dev",
                name="dev",
            ),
        )
        yield it


@pytest.fixture(autouse=True)
def restored(live: Gateway) -> Iterator[None]:
    yield
    live.trust(live.minter.trusted)


def mapped(live: Gateway, *mappings: tuple[str, str]) -> None:
    live.trust(dataclasses.replace(live.minter.trusted, claim_mappings=mappings))


def test_claims_go_to_the_backend_as_headers(live: Gateway) -> None:
    mapped(live, *MAPPINGS)
    token = live.minter.token(org="acme", nested={"name": "n"}, level=7)
    headers = live.call(
        f"{PATH}/closed",
        token=token,
        headers={"x-wso2-organization": "evil", "X-WSO2-Groups": "admin"},
    ).json["headers"]
    assert (headers["x-wso2-organization"], headers["x-name"], headers["x-level"]) == (
        "acme",
        "n",
        "7",
    )
    assert "x-wso2-groups" not in headers


NAMESPACED = (
    (TENANT, "x-tenant"),
    (ROLES, "x-roles"),
    (USER, "x-user"),
    ("tenant.id", "x-plain"),
    ("a.b.c", "x-deep"),
)


def test_names_with_dots_go_to_the_backend_too(live: Gateway) -> None:
    """As Auth0 writes claims of one's own: by a URI."""
    mapped(live, *NAMESPACED)
    roles, user = ["admin", "reader"], {"id": 7}
    token = live.minter.token(
        **{
            TENANT: "t-1",
            ROLES: roles,
            USER: user,
            "tenant.id": "t-2",
            "a": {"b": {"c": True}},
        }
    )
    seen = live.call(
        f"{PATH}/closed",
        token=token,
        headers={"x-tenant": "evil", "X-Plain": "evil", "x-deep": "evil"},
    ).json["headers"]
    assert (seen["x-tenant"], seen["x-plain"], seen["x-deep"]) == ("t-1", "t-2", "true")
    # Lists and objects travel as base64 of their JSON.
    assert [
        json.loads(base64.b64decode(seen[name])) for name in ("x-roles", "x-user")
    ] == [
        roles,
        user,
    ]


def test_the_dots_of_a_uri_lead_nowhere(live: Gateway) -> None:
    mapped(live, *NAMESPACED)
    claims = {"https://acme": {"com/tenant": {"id": "wrong"}}, "tenant": {"id": "t-3"}}
    seen = live.call(f"{PATH}/closed", token=live.minter.token(**claims)).json[
        "headers"
    ]
    assert "x-tenant" not in seen
    assert seen["x-plain"] == "t-3"


@pytest.mark.parametrize("names", [("x-tenant", "x-roles"), ("x-plain", "x-deep")])
def test_nobody_sends_a_namespaced_claim_himself(
    live: Gateway, names: tuple[str, ...]
) -> None:
    mapped(live, *NAMESPACED)
    for path, token in (
        ("open", ""),
        ("closed", live.minter.token()),
        ("open", live.minter.token(**{TENANT: "t"})),
    ):
        seen = live.call(
            f"{PATH}/{path}", token=token, headers=dict.fromkeys(names, "evil")
        ).json["headers"]
        assert not set(names) & set(seen)


def test_nor_with_a_token_of_another_issuer(live: Gateway) -> None:
    """Whether that one serves the same APIs or not."""
    other = Minter("other", "https://other.example")
    here = dataclasses.replace(
        live.minter.trusted, claim_mappings=NAMESPACED, organizations=("default",)
    )
    live.trust(here, other.trusted)
    for host in ("default.gw.wso2.com", "acme.gw.wso2.com"):
        seen = live.call(
            f"{PATH}/closed",
            host=host,
            token=other.token(),
            headers={"x-tenant": "evil", "X-Plain": "evil"},
        )
        assert seen.status == 200
        assert not {"x-tenant", "x-plain"} & set(seen.json["headers"])


SCOPED = [
    ((ROLES,), {ROLES: ["items:read", "x"]}, 200),
    ((ROLES,), {ROLES: "x items:read"}, 200),
    ((ROLES,), {ROLES: ["x items:read", 1, None, True, {"items:read": 1}]}, 403),
    ((ROLES,), {ROLES: {"items:read": True}}, 403),
    ((ROLES,), {ROLES: "items:reader", "scope": "items:read"}, 403),
    ((ROLES,), {"https://shop": {"example/roles": ["items:read"]}}, 403),
    (("scope", TENANT), {"scope": "items:read"}, 200),
    (("tenant.roles",), {"tenant.roles": ["items:read"]}, 200),
    (("tenant.roles",), {"tenant": {"roles": ["items:read"]}}, 200),
    (
        ("tenant.roles",),
        {"tenant.roles": ["x"], "tenant": {"roles": ["items:read"]}},
        403,
    ),
]


@pytest.mark.parametrize(("names", "claims", "status"), SCOPED)
def test_scopes_may_stand_in_a_namespaced_claim(
    live: Gateway, names: tuple[str, ...], claims: dict[str, Any], status: int
) -> None:
    live.trust(dataclasses.replace(live.minter.trusted, scopes_claims=names))
    reply = live.call(f"{PATH}/scoped", token=live.minter.token(**claims))
    assert reply.status == status
    assert status == 200 or reply.json["code"] == "900910"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({TENANT: "a", "t.x": "b"}, 200),
        ({TENANT: "a", "t": {"x": "b"}}, 200),
        ({TENANT: "a"}, 401),
        ({"t.x": "b"}, 401),
    ],
)
def test_a_claim_that_must_be_there_may_have_dots(
    live: Gateway, claims: dict[str, Any], status: int
) -> None:
    live.trust(
        dataclasses.replace(
            live.minter.trusted,
            rule=AccessTokenRule(required_claims=((TENANT, "a"), ("t.x", "b"))),
        )
    )
    assert (
        live.call(f"{PATH}/closed", token=live.minter.token(**claims)).status == status
    )


def test_what_a_client_sends_by_these_names_is_removed(live: Gateway) -> None:
    mapped(live, *MAPPINGS)
    for path, token in (("open", ""), ("closed", live.minter.token())):
        seen = live.call(
            f"{PATH}/{path}",
            token=token,
            headers={"X-Wso2-Organization": "evil", "x-name": "evil"},
        )
        assert not {"x-wso2-organization", "x-name"} & set(seen.json["headers"])


@pytest.mark.parametrize(
    "value",
    [
        "a\r\nx-evil: 1",
        "a\nx-evil: 1",
        "a\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
        "a\x00b",
        "\r",
        "\x7f",
    ],
)
def test_a_claim_cannot_smuggle_a_header(live: Gateway, value: str) -> None:
    mapped(live, *MAPPINGS)
    seen = live.call(
        f"{PATH}/closed", token=live.minter.token(org=value, nested={"name": value})
    )
    assert (seen.status, seen.json["code"]) == (401, "900901")
    assert live.call(f"{PATH}/closed", token=live.minter.token(jti=value)).status in {
        200,
        401,
        400,
        503,
    }


def test_headers_that_decide_how_a_message_is_read_are_not_mapped(
    live: Gateway,
) -> None:
    mapped(
        live,
        *(
            ("org", name)
            for name in (
                "Host",
                "content-length",
                "Transfer-Encoding",
                "authorization",
                "x-kapi-jti",
                ":path",
                "a b",
                "x-forwarded-for",
            )
        ),
    )
    seen = live.call(f"{PATH}/closed", token=live.minter.token(org="1"))
    assert seen.status == 200
    assert seen.json["headers"]["host"] != "1"
    assert "authorization" not in seen.json["headers"]


def test_an_issuer_serves_its_organizations_and_environments_only(
    live: Gateway,
) -> None:
    other = Minter("other", "https://other.example")
    hosts = {
        ("default", ""): "default.gw.wso2.com",
        ("acme", ""): "acme.gw.wso2.com",
        ("acme", "dev"): "acme-dev.gw.wso2.com",
    }
    for organizations, environments, served in (
        ((), (), hosts.keys()),
        (("*",), ("*",), hosts.keys()),
        (("acme",), (), {("acme", ""), ("acme", "dev")}),
        (("acme",), ("dev",), {("acme", "dev")}),
        (("default", "acme"), ("prod",), set()),
        (("acm", "acme-dev"), (), set()),
    ):
        live.trust(
            live.minter.trusted,
            dataclasses.replace(
                other.trusted, organizations=organizations, environments=environments
            ),
        )
        for place, host in hosts.items():
            reply = live.call(f"{PATH}/closed", host=host, token=other.token())
            assert reply.status == (200 if place in served else 401), (
                organizations,
                environments,
                place,
            )
            assert (
                live.call(f"{PATH}/closed", host=host, token=live.minter.token()).status
                == 200
            )


def test_the_same_issuer_may_be_trusted_with_other_rules_elsewhere(
    live: Gateway,
) -> None:
    here = dataclasses.replace(
        live.minter.trusted, organizations=("default",), audiences=("a",)
    )
    there = dataclasses.replace(
        live.minter.trusted, name="there", organizations=("acme",), audiences=("b",)
    )
    live.trust(here, there)
    for audience, statuses in (
        ("a", (200, 401)),
        ("b", (401, 200)),
        (["a", "b"], (200, 200)),
        (None, (401, 401)),
    ):
        token = live.minter.token(aud=audience)
        found = tuple(
            live.call(f"{PATH}/closed", host=host, token=token).status
            for host in ("default.gw.wso2.com", "acme.gw.wso2.com")
        )
        assert found == statuses, audience


def test_without_any_issuer_everything_closed_stays_closed(live: Gateway) -> None:
    live.trust()
    reply = live.call(f"{PATH}/closed", token=live.minter.token())
    assert (reply.status, reply.json["code"]) == (401, "900901")
    assert live.call(f"{PATH}/open").status == 200
