"""What `kapi issuer test`, `kapi explain` and the console say about a token, step by step."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.trials.token import Step, token_steps
from kapi.jose.jwk_set import KeySet, read_jwks
from kapi.jose.jwt import LARGEST
from standin import Key

NOW = 1_800_000_000
NAME = "https://idp.example/Realm"
ISSUER = Issuer("idp", "oidc", NAME, "", "", advice=("Ask for audience a.", "Then b."))
A, B = Key.make("a", "ES256"), Key.make("b", "EdDSA")
CLAIMS: dict[str, Any] = {
    "iss": NAME,
    "exp": NOW + 60,
    "clientId": "shop",
    "scope": "w r",
}


def keys_of(*jwks: dict[str, Any], issuer: Issuer = ISSUER) -> KeySet:
    return read_jwks(json.dumps({"keys": list(jwks)}), issuer.algorithms)


KEYS = keys_of(A.jwk())


def token(key: Key = A, header: dict[str, Any] | None = None, **claims: Any) -> str:
    return key.token({**CLAIMS, **claims}, **(header or {}))


def steps_of(
    text: str, issuer: Issuer = ISSUER, keys: KeySet = KEYS
) -> dict[str, Step]:
    return {step.step: step for step in token_steps(text, issuer, keys, NOW)}


def test_a_token_without_a_fault() -> None:
    assert token_steps(token(), ISSUER, KEYS, NOW) == [
        Step("token", "ok", "alg 'ES256', typ 'JWT', kid 'a'"),
        Step("iss", "ok", NAME),
        Step("signature", "ok", "by a key of the issuer"),
        Step("kind", "ok", "an access token"),
        Step("time", "ok", f"valid until {NOW + 60}"),
        Step("aud", "ok", "not checked; the token says (none)"),
        Step("client", "ok", "shop"),
        Step("scopes", "ok", "r w"),
        Step("organization", "ok", "none; the default one is used"),
    ]


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  ", "DPoP ", "  Bearer ", ""])
def test_a_token_may_be_pasted_with_its_scheme(scheme: str) -> None:
    assert steps_of(f"{scheme}{token()}\n")["signature"].result == "ok"


@pytest.mark.parametrize(
    ("text", "detail", "hint"),
    [
        ("a.b.c.d.e", "it is encrypted (JWE)", "Let the provider issue signed tokens."),
        ("opaque", "an opaque token, or cut off", "Ask for a JWT access token."),
        ("a.b", "an opaque token, or cut off", "Ask for a JWT access token."),
        ("a.b.c.d", "an opaque token, or cut off", "Ask for a JWT access token."),
        (
            f"{'a' * LARGEST}..",
            "an opaque token, or cut off",
            "Ask for a JWT access token.",
        ),
        (f"{'a' * (LARGEST - 2)}..", "it is not a well-formed JWT", "without quotes"),
        ("a.b.c", "it is not a well-formed JWT", "without quotes"),
        ("Basic a.b.c", "it is not a well-formed JWT", "without quotes"),
        ('"a.b.c"', "it is not a well-formed JWT", "without quotes"),
    ],
)
def test_a_text_that_is_not_a_jwt(text: str, detail: str, hint: str) -> None:
    (step,) = token_steps(text, ISSUER, KEYS, NOW)
    assert (step.step, step.result) == ("token", "fail")
    assert detail in step.detail
    assert hint in step.hint
    well_formed = "well-formed" in detail
    assert step.hint.endswith("Ask for audience a. Then b.") is not well_formed


def test_a_header_without_members_is_shown_so() -> None:
    steps = steps_of(token(header={"typ": ..., "kid": ...}))
    assert steps["token"].detail == "alg 'ES256', typ (none), kid (none)"
    assert steps["signature"].result == "ok"


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        (f"{NAME}/", "a slash or in case only"),
        (NAME.lower(), "a slash or in case only"),
        ("https://other.example", "Another provider, tenant, realm or version"),
        (7, "Another provider, tenant, realm or version"),
    ],
)
def test_a_token_of_another_issuer(said: Any, hint: str) -> None:
    step = steps_of(token(iss=said))["iss"]
    assert step.result == "fail"
    assert step.detail == f"the token says {said!r}, declared is {NAME!r}"
    assert hint in step.hint


def test_a_token_without_an_issuer() -> None:
    step = steps_of(token(iss=...))["iss"]
    assert step.detail == f"the token says (none), declared is {NAME!r}"
    assert "Another provider" in step.hint


def test_an_algorithm_that_is_not_accepted() -> None:
    issuer = replace(ISSUER, algorithms=("RS256", "PS256"))
    step = steps_of(token(), issuer)["signature"]
    assert (step.result, step.detail) == (
        "fail",
        "alg 'ES256' is not accepted: RS256, PS256",
    )
    assert "--algorithm" in step.hint


def test_a_signature_by_another_key_with_the_kid() -> None:
    step = steps_of(token(replace(Key.make("x", "ES256"), kid="a")))["signature"]
    assert (step.result, step.detail) == ("fail", "the signature does not fit the key")
    assert "another key has the same kid" in step.hint


def test_a_header_with_parts_that_must_be_understood() -> None:
    step = steps_of(token(header={"crit": ["b64"], "b64": False}))["signature"]
    assert step.result == "fail"
    assert step.hint == "Only plain signed JWTs are accepted."


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (KEYS, "a"),
        (keys_of(A.jwk(), B.jwk()), "a, b"),
        (KeySet(()), "none"),
    ],
)
def test_a_key_that_the_issuer_does_not_have(keys: KeySet, shown: str) -> None:
    step = steps_of(token(replace(A, kid="z")), keys=keys)["signature"]
    assert (step.result, step.detail) == (
        "fail",
        f"kid 'z' is not among the keys: {shown}",
    )
    assert "Another issuer signed it" in step.hint


def test_a_key_without_kid_is_shown_as_such() -> None:
    keys = keys_of(B.jwk(kid=...), B.jwk())
    step = steps_of(token(replace(A, kid="z")), keys=keys)["signature"]
    assert step.detail == "kid 'z' is not among the keys: (none), b"


def test_a_key_that_is_for_another_algorithm() -> None:
    """RFC 7517 §4.4: a key is used for its own alg only."""
    rsa = Key.make("r")
    keys = keys_of(rsa.jwk(alg="RS256"), A.jwk(), {**B.jwk(), "kid": "r"})
    step = steps_of(token(replace(rsa, alg="PS256")), keys=keys)["signature"]
    assert step.detail == (
        "the token is signed with PS256, and the `alg` of its key 'r' in the JWKS says RS256, EdDSA"
    )
    assert "sign with RS256, EdDSA, or publish the key with alg PS256" in step.hint


@pytest.mark.parametrize(
    ("header", "claims", "fields", "rule", "detail"),
    [
        (
            {"typ": "logout+jwt"},
            {},
            {},
            "typ",
            "'logout+jwt' is not that of an access token",
        ),
        ({"typ": ...}, {}, {"types": ("at+jwt",)}, "typ", "typ (none) is not that"),
        (
            {},
            {"tid": "theirs"},
            {"required_claims": (("tid", "ours"),)},
            "required claim",
            "tid is 'theirs', it must be ours",
        ),
        (
            {},
            {},
            {"required_claims": (("tid", ""),)},
            "required claim",
            "tid is (none), it must be there",
        ),
        (
            {},
            {"token_use": "id"},
            {},
            "kind",
            "token_use is 'id', so it is another kind",
        ),
        ({}, {"nonce": "n"}, {}, "ID token", "it has nonce, a claim of ID tokens"),
    ],
)
def test_a_token_of_another_kind(
    header: dict[str, Any],
    claims: dict[str, Any],
    fields: dict[str, Any],
    rule: str,
    detail: str,
) -> None:
    step = steps_of(token(A, header, **claims), replace(ISSUER, **fields))["kind"]
    assert step.result == "fail"
    assert step.detail.startswith(f"rule {rule}: ")
    assert detail in step.detail
    assert step.hint


def test_the_accepted_types_are_named() -> None:
    step = steps_of(token(header={"typ": "x"}))["kind"]
    assert step.detail.endswith("accepted: (none), JWT, at+jwt")
    assert (
        step.hint
        == "Send the access token. If this is one, accept its type with --typ."
    )


def test_an_id_token_claim_says_how_to_accept_both() -> None:
    step = steps_of(token(nonce="n"))["kind"]
    assert "accept both with --id-tokens and an --audience" in step.hint
    accepted = steps_of(token(nonce="n"), replace(ISSUER, id_tokens=True))["kind"]
    assert (accepted.result, accepted.detail) == (
        "ok",
        "an ID token or an access token; both are accepted",
    )


@pytest.mark.parametrize(
    ("times", "result", "detail", "hint"),
    [
        ({"exp": NOW - 4}, "ok", f"valid until {NOW - 4}", ""),
        ({"exp": NOW - 5}, "fail", "the token is expired", "Get a fresh token."),
        ({"nbf": NOW + 5}, "ok", f"valid until {NOW + 60}", ""),
        ({"nbf": NOW + 6}, "fail", "the token is not yet valid", "Compare the clocks."),
        ({"exp": ...}, "fail", "exp is missing or is not a number", "must have exp"),
        ({"exp": "soon"}, "fail", "exp is missing or is not a number", "must have exp"),
        ({"exp": True}, "fail", "exp is missing or is not a number", "must have exp"),
        ({"nbf": "now"}, "fail", "nbf is missing or is not a number", "must have exp"),
    ],
)
def test_the_times(times: dict[str, Any], result: str, detail: str, hint: str) -> None:
    step = steps_of(token(**times))["time"]
    assert (step.result, step.detail) == (result, detail)
    assert hint in step.hint


@pytest.mark.parametrize(
    ("aud", "audiences", "result", "detail"),
    [
        ("orders", ("orders",), "ok", "'orders'"),
        (["x", "orders"], ("stock", "orders"), "ok", "['x', 'orders']"),
        ("other", ("stock", "orders"), "fail", "says 'other', accepted: stock, orders"),
        (..., ("orders",), "fail", "the token says (none), accepted: orders"),
        ("other", (), "ok", "not checked; the token says 'other'"),
    ],
)
def test_the_audience(
    aud: Any, audiences: tuple[str, ...], result: str, detail: str
) -> None:
    step = steps_of(token(aud=aud), replace(ISSUER, audiences=audiences))["aud"]
    assert step.result == result
    assert detail in step.detail
    assert bool(step.hint) is (result == "fail")


def test_an_audience_that_is_needed_and_not_declared_is_noted() -> None:
    issuer = replace(ISSUER, audience_needed=True)
    step = steps_of(token(aud="x"), issuer)["aud"]
    assert (step.result, step.detail) == ("note", "not checked; the token says 'x'")
    assert "--audience" in step.hint
    declared = steps_of(token(aud="x"), replace(issuer, audiences=("x",)))["aud"]
    assert declared.result == "ok"


def test_a_token_that_names_no_client() -> None:
    step = steps_of(token(clientId=...))["client"]
    assert (step.result, step.hint) == ("note", "Set consumerKeyClaim.")
    own = replace(ISSUER, consumer_key_claim="app")
    assert steps_of(token(app="till"), own)["client"].detail == "till"


def test_a_token_without_scopes() -> None:
    step = steps_of(token(scope=""))["scopes"]
    assert (step.result, step.detail) == ("note", "none in scope or scp")
    assert "Operations that need a scope refuse it." in step.hint


@pytest.mark.parametrize(
    ("said", "result", "detail"),
    [
        ("acme", "ok", "acme"),
        ("Acme Inc.", "ok", "acme"),
        ("Other Inc.", "fail", "it cannot be an organization here"),
        (7, "fail", "it cannot be an organization here"),
    ],
)
def test_the_organization(said: Any, result: str, detail: str) -> None:
    issuer = replace(ISSUER, organizations={"Acme Inc.": "acme"})
    step = steps_of(token(organization=said), issuer)["organization"]
    assert (step.result, step.detail) == (result, detail)
    assert ("organizations = {" in step.hint) is (result == "fail")


def test_long_values_are_cut() -> None:
    step = steps_of(token(aud="x" * 5000))["aud"]
    shown = "'" + "x" * 199
    assert step.detail == f"not checked; the token says {shown}"
