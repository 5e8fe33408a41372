"""What is an access token, at the real Envoy: the same answer as the rule gives to every other
verifier.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest
from live_gateway import ISSUER, Gateway, api, backend, gateway, operation

from attacks import compact, rs256
from kapi.apis.ir import Endpoint
from kapi.jose.token_kinds import OWN_TOKENS, AccessTokenRule

PATH = "/kinds/1.0.0/closed"
RULES = {
    "usual": AccessTokenRule(),
    "ours": OWN_TOKENS,
    "ID tokens too": AccessTokenRule(id_tokens=True),
    "Keycloak": AccessTokenRule(required_claims=(("typ", "Bearer"),)),
    "Entra ID": AccessTokenRule(
        types=("", "JWT"), required_claims=(("tid", "t"), ("azp", ""))
    ),
    "RFC 9068 only": AccessTokenRule(types=("application/at+jwt",)),
    "a path or a truth value": AccessTokenRule(
        required_claims=(("org.name", "acme"), ("verified", "true"))
    ),
}
TYPES: tuple[Any, ...] = (
    *(
        ...,
        "",
        "JWT",
        "jwt",
        "application/jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
    ),
    *("id_token+jwt", "logout+jwt", "application/application/jwt", None, 5, ["JWT"]),
)
CLAIMS: tuple[dict[str, Any], ...] = (
    {},
    {"clientId": "c"},
    {"clientId": None},
    {"nonce": "n"},
    {"nonce": "n", "scope": ""},
    {"nonce": "n", "scope": "a"},
    {"nonce": "n", "roles": ["a"]},
    {"nonce": None},
    {"at_hash": "h", "scope": "a"},
    {"c_hash": "h"},
    {"s_hash": "h"},
    {"events": {}},
    {"typ": "Bearer"},
    {"typ": "Bearer", "nonce": "n"},
    {"typ": "ID"},
    {"typ": "Refresh"},
    {"token_use": "id"},
    {"token_use": "access"},
    {"token_type": "id_token"},
    {"token_type": "refresh_token"},
    {"token_type": 5},
    {"tid": "t", "azp": "c"},
    {"tid": ["t", "u"], "azp": "c"},
    {"tid": "t"},
    {"tid": "t", "azp": None},
    {"tid": "t", "azp": "c", "nonce": "n"},
    {"org": {"name": "acme"}, "verified": True},
    {"org.name": "acme", "verified": "true"},
    {"org.name": ["x", "acme"], "verified": [True]},
    {"org.name": "other", "org": {"name": "acme"}, "verified": True},
    {"org.name": None, "org": {"name": "acme"}, "verified": True},
    {"org": {"name": "acme"}, "verified": False},
)


@pytest.fixture(scope="module")
def live() -> Iterator[Gateway]:
    with backend() as port, gateway() as it:
        it.put(
            api(
                "/kinds",
                [operation("GET", "/closed", Endpoint("http", "127.0.0.1", port))],
            )
        )
        yield it


@pytest.mark.parametrize("name", RULES)
def test_the_gateway_and_the_rule_agree(live: Gateway, name: str) -> None:
    rule = RULES[name]
    live.trust(dataclasses.replace(live.minter.trusted, rule=rule))
    sign, now = rs256(live.minter.key), int(time.time())
    cases = [(typ, claims) for typ in TYPES for claims in CLAIMS[:5]]
    cases += [(typ, claims) for typ in ("JWT", "at+jwt") for claims in CLAIMS[5:]]
    answers = set()
    for typ, changes in cases:
        header = {
            "alg": "RS256",
            "kid": live.minter.name,
            **({} if typ is ... else {"typ": typ}),
        }
        claims = {"iss": ISSUER, "exp": now + 600, **changes}
        expected = 401 if rule.objection(header, claims) else 200
        assert (
            live.call(PATH, token=compact(header, claims, sign)).status == expected
        ), (
            typ,
            changes,
        )
        answers.add(expected)
    assert answers == {200, 401}


def test_of_an_issuer_that_is_declared_twice_both_declarations_count(
    live: Gateway,
) -> None:
    """The stricter rule decides, whichever of the two is for the organization of the API."""
    lenient = dataclasses.replace(
        live.minter.trusted,
        rule=AccessTokenRule(id_tokens=True),
        organizations=("default",),
    )
    strict = dataclasses.replace(
        live.minter.trusted, name="strict", organizations=("acme",)
    )
    live.trust(lenient, strict)
    assert live.call(PATH, token=live.minter.token(scope="a")).status == 200
    assert live.call(PATH, token=live.minter.token(nonce="n")).status == 401
