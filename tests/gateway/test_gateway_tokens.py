"""Bearer tokens and scopes at the real Envoy, with the bodies of apk-interface §4.3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_gateway import Gateway, Minter, api, backend, gateway, operation

from kapi.apis.ir import Endpoint

PATH = "/secure/1.0.0"


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        end = Endpoint("http", "127.0.0.1", port)
        operations = [
            operation("GET", "/open", end, secured=False),
            operation("GET", "/closed", end),
            operation("GET", "/shown", end, send=True),
            operation("GET", "/scoped", end, alternatives=(("a:read",), ("b",))),
            operation("GET", "/all", end, scopes=("a:read", "b")),
            operation(
                "GET",
                "/mixed",
                end,
                scopes=("base",),
                alternatives=(("a:read", "b"), ("c",)),
            ),
        ]
        it.put(api("/secure", operations, default=True))
        yield it


def denied(
    live: Gateway, path: str, status: int, code: str, **arguments: str | dict[str, str]
) -> str:
    reply = live.call(path, **arguments)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert set(reply.json) == {"error_message", "code", "error_description"}
    assert reply.headers.get_all("www-authenticate") is not None
    (challenge,) = reply.headers.get_all("www-authenticate")
    return challenge


def challenge(live: Gateway, path: str) -> str:
    where = (
        f"https://default.gw.wso2.com:{live.settings.gateway.port}/.well-known/"
        f"oauth-protected-resource{path}"
    )
    return f'Bearer realm="kapi", resource_metadata="{where}"'


def test_without_a_token(live: Gateway) -> None:
    for path in (PATH, "/secure"):
        assert denied(live, f"{path}/closed", 401, "900902") == challenge(live, path)


@pytest.mark.parametrize(
    "scheme", ["Bearer", "bearer", "BEARER", "bEaRer", "BEAREr", "bEARER"]
)
def test_with_a_token_that_the_backend_does_not_see(live: Gateway, scheme: str) -> None:
    reply = live.call(
        f"{PATH}/closed", headers={"Authorization": f"{scheme} {live.minter.token()}"}
    )
    assert reply.status == 200
    assert "authorization" not in reply.json["headers"]


@pytest.mark.parametrize(
    "scheme",
    ["Xrer", "XBearer", "xpop", "Negotiate abc, Bearer", "Bearers", "Dpop", "Basic"],
)
def test_a_token_behind_another_scheme_is_no_credential(
    live: Gateway, scheme: str
) -> None:
    reply = live.call(
        f"{PATH}/closed", headers={"Authorization": f"{scheme} {live.minter.token()}"}
    )
    assert (reply.status, reply.json["code"]) in {(401, "900901"), (401, "900902")}


def test_the_backend_sees_the_token_when_the_conf_asks_for_it(live: Gateway) -> None:
    token = live.minter.token()
    assert (
        live.call(f"{PATH}/shown", token=token).json["headers"]["authorization"]
        == f"Bearer {token}"
    )


def test_an_open_route_needs_none_and_ignores_a_bad_one(live: Gateway) -> None:
    assert live.call(f"{PATH}/open").status == 200
    assert live.call(f"{PATH}/open", token="a.b.c").status == 200


def test_an_expired_token(live: Gateway) -> None:
    assert 'error="invalid_token"' in denied(
        live, f"{PATH}/closed", 401, "900903", token=live.minter.token(seconds=-30)
    )


def test_a_few_seconds_of_skew_are_forgiven(live: Gateway) -> None:
    assert (
        live.call(f"{PATH}/closed", token=live.minter.token(seconds=-2)).status == 200
    )


def test_other_bad_tokens(live: Gateway) -> None:
    good = live.minter.token()
    head, body, signature = good.split(".")
    for token in (
        "a.b.c",
        f"{head}.{body}.{signature[:-6]}AAAAAA",
        f"{head}.{body}.",
        Minter(issuer="https://elsewhere.example").token(),
        Minter().token(),
        live.minter.token(exp=None),
        live.minter.token(nbf=99999999999),
    ):
        assert 'error="invalid_token"' in denied(
            live, f"{PATH}/closed", 401, "900901", token=token
        )


def test_the_query_parameter_is_no_credential_and_is_not_repeated(
    live: Gateway,
) -> None:
    assert denied(
        live, f"{PATH}/closed?access_token={live.minter.token()}", 401, "900902"
    ) == challenge(live, PATH)


def test_basic_credentials_are_no_token(live: Gateway) -> None:
    denied(
        live, f"{PATH}/closed", 401, "900902", headers={"Authorization": "Basic eDp5"}
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "x a:read"},
        {"scope": "b x"},
        {"scope": "x b y"},
        {"scope": ["b"]},
        {"scp": "b"},
        {"scp": "y b"},
        {"scp": ["y", "a:read"]},
    ],
)
def test_one_of_the_alternatives_is_enough(
    live: Gateway, claims: dict[str, object]
) -> None:
    assert live.call(f"{PATH}/scoped", token=live.minter.token(**claims)).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"scope": ""},
        {"scope": "a:rea a:reads"},
        {"scope": "a:read,b"},
        {"scp": []},
        {"scopes": "b"},
        {"scope": "xb bx xbx"},
        {"scope": ["x b"]},
    ],
)
def test_without_the_scope(live: Gateway, claims: dict[str, object]) -> None:
    reply = live.call(f"{PATH}/scoped?x=1", token=live.minter.token(**claims))
    assert reply.status == 403
    assert reply.json == {
        "error_message": "The access token does not allow you to access the requested resource",
        "code": "900910",
        "error_description": (
            f"User is NOT authorized to access the Resource: {PATH}/scoped. Scope validation "
            "failed."
        ),
    }
    assert 'error="insufficient_scope"' in reply.headers["www-authenticate"]


def test_scopes_hold_on_the_default_version_path_too(live: Gateway) -> None:
    denied(live, "/secure/scoped", 403, "900910", token=live.minter.token(scope="x"))
    denied(live, "/secure/scoped", 401, "900902")


def test_a_path_in_disguise_is_not_a_way_in(live: Gateway) -> None:
    for path in (
        f"{PATH}/open/../closed",
        "//secure//1.0.0//closed",
        f"{PATH}/%63losed",
        f"{PATH}/closed/",
        f"{PATH}/open;/../closed",
    ):
        assert live.call(path).status in {401, 404}
    assert live.call(f"{PATH}/open%2f..%2fclosed").status == 307


def test_other_issuers_and_withdrawn_keys(live: Gateway) -> None:
    other = Minter("asgardeo", "https://api.asgardeo.io/t/acme/oauth2/token")
    token, before = other.token(scope="b"), live.minter.token(scope="b")

    def trust(*issuers: Minter) -> None:
        live.trust(*(issuer.trusted for issuer in issuers))

    try:
        trust(live.minter, other)
        assert live.call(f"{PATH}/scoped", token=token).status == 200
        assert live.call(f"{PATH}/scoped", token=before).status == 200
        denied(live, f"{PATH}/closed", 401, "900903", token=other.token(seconds=-30))
        denied(
            live, f"{PATH}/closed", 401, "900903", token=live.minter.token(seconds=-30)
        )
        denied(live, f"{PATH}/closed", 401, "900902")
        trust(live.minter)
        denied(live, f"{PATH}/closed", 401, "900901", token=token)
        trust()
        denied(live, f"{PATH}/closed", 401, "900901", token=before)
        denied(live, f"{PATH}/closed", 401, "900901")
        assert live.call(f"{PATH}/open").status == 200
    finally:
        trust(live.minter)


def test_an_audience_is_checked_when_the_issuer_names_one(live: Gateway) -> None:
    import dataclasses

    picky = dataclasses.replace(live.minter.trusted, audiences=("aud1",))
    try:
        live.trust(picky)
        assert (
            live.call(
                f"{PATH}/closed", token=live.minter.token(aud=["x", "aud1"])
            ).status
            == 200
        )
        denied(live, f"{PATH}/closed", 401, "900901", token=live.minter.token(aud="x"))
        denied(live, f"{PATH}/closed", 401, "900901", token=live.minter.token())
    finally:
        live.trust(live.minter.trusted)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "b x a:read"}, 200),
        ({"scope": ["a:read", "b"]}, 200),
        ({"scp": ["b", "a:read"]}, 200),
        ({"scope": "a:read"}, 403),
        ({"scope": "b"}, 403),
        ({"scope": "x"}, 403),
        ({}, 403),
    ],
)
def test_several_scopes_mean_all_of_them(
    live: Gateway, claims: dict[str, object], status: int
) -> None:
    assert live.call(f"{PATH}/all", token=live.minter.token(**claims)).status == status


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ("base a:read b", 200),
        ("c base", 200),
        ("base", 403),
        ("a:read b", 403),
        ("base a:read", 403),
        ("c", 403),
        ("base b", 403),
    ],
)
def test_all_scopes_of_one_alternative_are_needed_beside_the_scopes_for_all(
    live: Gateway, scope: str, status: int
) -> None:
    assert (
        live.call(f"{PATH}/mixed", token=live.minter.token(scope=scope)).status
        == status
    )


@pytest.mark.parametrize(
    ("path", "named"), [("/all", "a:read b"), ("/mixed", "base a:read b")]
)
def test_the_challenge_names_every_scope_that_is_needed(
    live: Gateway, path: str, named: str
) -> None:
    told = denied(
        live, f"{PATH}{path}", 403, "900910", token=live.minter.token(scope="a:read")
    )
    assert f'error="insufficient_scope", scope="{named}"' in told


def test_scopes_in_a_claim_of_the_issuer_are_all_needed_too(live: Gateway) -> None:
    import dataclasses

    other = Minter("other", "https://other.example")
    try:
        live.trust(
            live.minter.trusted,
            dataclasses.replace(other.trusted, scopes_claims=("permissions",)),
        )
        assert (
            live.call(
                f"{PATH}/all", token=other.token(permissions=["b", "a:read"])
            ).status
            == 200
        )
        assert (
            live.call(
                f"{PATH}/all", token=other.token(permissions=["b"], scope="a:read")
            ).status
            == 403
        )
        assert (
            live.call(f"{PATH}/all", token=other.token(scope="a:read b")).status == 403
        )
    finally:
        live.trust(live.minter.trusted)


def test_the_challenge_names_the_scopes_of_the_first_alternative(live: Gateway) -> None:
    told = denied(
        live, f"{PATH}/scoped", 403, "900910", token=live.minter.token(scope="x")
    )
    error = 'error="insufficient_scope", scope="a:read"'
    assert told == challenge(live, PATH).replace(", ", f", {error}, ", 1)


@pytest.mark.parametrize(
    ("claim", "claims", "status"),
    [
        ("permissions", {"permissions": ["x", "b"]}, 200),
        ("permissions", {"permissions": "x b"}, 200),
        ("permissions", {"permissions": ["x"], "scope": "b", "scp": ["b"]}, 403),
        ("permissions", {"permissions": ["b c", 7, None, {"b": 1}]}, 403),
        ("permissions", {"permissions": {"b": "b"}}, 403),
        ("permissions", {"permissions": None}, 403),
        ("realm_access.roles", {"realm_access": {"roles": ["b"]}}, 200),
        ("realm_access.roles", {"realm_access": "b"}, 403),
        ("realm_access.roles", {"roles": ["b"]}, 403),
        ("scp", {"scp": "a:read"}, 200),
        ("scope permissions", {"scope": "b"}, 200),
        ("scope permissions", {"permissions": ["b"]}, 200),
        ("scope permissions", {"scp": "b"}, 403),
    ],
)
def test_scopes_stand_in_the_claim_of_the_issuer(
    live: Gateway, claim: str, claims: dict[str, object], status: int
) -> None:
    import dataclasses

    other = Minter("other", "https://other.example")
    try:
        live.trust(
            live.minter.trusted,
            dataclasses.replace(other.trusted, scopes_claims=tuple(claim.split())),
        )
        assert live.call(f"{PATH}/scoped", token=other.token(**claims)).status == status
        assert (
            live.call(f"{PATH}/scoped", token=live.minter.token(scope="b")).status
            == 200
        )
        assert (
            live.call(
                f"{PATH}/scoped", token=live.minter.token(permissions=["b"])
            ).status
            == 403
        )
    finally:
        live.trust(live.minter.trusted)
