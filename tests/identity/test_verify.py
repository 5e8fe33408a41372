"""Bearer tokens at the system APIs: what is accepted, and every attack on a verifier that is
refused.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from kapi.errors import Problem
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.verify import (
    IssuerKeys,
    Principal,
    require_scope,
    verify_bearer,
)
from kapi.jose.jwt import LARGEST
from kapi.jose.signing_keys import SigningKey

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
KEY = SigningKey(
    "k", "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)
)
OTHER = SigningKey(
    "k", "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)
)
TRUSTED = (IssuerKeys.inbuilt(ISSUER, (KEY,)),)
PEM = KEY.private.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "s",
    "exp": NOW + 60,
    "nbf": NOW,
    "iat": NOW,
    "clientId": "c",
    "scope": "a apk:api_create",
}
HEADER: dict[str, Any] = {"alg": "RS256", "typ": "JWT", "kid": "k"}


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(
    header: Any = None,
    claims: Any = None,
    key: SigningKey = KEY,
    raw: str | None = None,
    **changes: Any,
) -> str:
    head = (
        json.dumps({k: v for k, v in (HEADER | (header or {})).items() if v is not ...})
        if not isinstance(header, str)
        else header
    )
    body = (
        raw
        if raw is not None
        else json.dumps(
            {
                name: value
                for name, value in (CLAIMS | changes).items()
                if value is not ...
            }
        )
    )
    signed = f"{b64(head.encode())}.{b64(body.encode())}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def code_of(authorization: str) -> str:
    with pytest.raises(Problem) as caught:
        verify_bearer(authorization, TRUSTED, NOW)
    assert caught.value.status == 401
    # RFC 6750 §3.1: no error code in the challenge when no credentials were sent.
    invalid = (
        'Bearer realm="kapi", error="invalid_token", error_description="The provided token is '
        'invalid"'
    )
    assert caught.value.headers["WWW-Authenticate"] == (
        'Bearer realm="kapi"' if caught.value.code == "900902" else invalid
    )
    return caught.value.code


def test_a_good_token_names_its_caller() -> None:
    for scheme in ("Bearer", "bearer", "bEaRer"):
        principal = verify_bearer(
            f"{scheme} {token(organization='org1')}", TRUSTED, NOW
        )
        assert (principal.subject, principal.client_id, principal.organization) == (
            "s",
            "c",
            "org1",
        )
        assert principal.scopes == {"a", "apk:api_create"}
    assert verify_bearer(f"Bearer {token(scope=['x', 1])}", TRUSTED, NOW).scopes == {
        "x"
    }
    assert verify_bearer(f"Bearer {token({'typ': 'at+jwt'})}", TRUSTED, NOW)
    assert verify_bearer(f"Bearer {token({'typ': ...})}", TRUSTED, NOW)
    assert verify_bearer(f"Bearer {token(exp=NOW + 0.5, nbf=...)}", TRUSTED, NOW)


@pytest.mark.parametrize(
    "cnf", [{"jkt": "k" * 43}, {"x5t#S256": "k" * 43}, {"jku": "https://x"}]
)
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
def test_a_bound_token_without_a_proof_is_refused(
    scheme: str, cnf: dict[str, str]
) -> None:
    """RFC 7800 §3.1: a confirmation that cannot be checked is not met."""
    with pytest.raises(Problem) as caught:
        verify_bearer(f"{scheme} {token(cnf=cnf)}", TRUSTED, NOW)
    assert (caught.value.status, caught.value.code) == (401, "900901")


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"exp": NOW - 4}, ""),
        ({"exp": NOW - 5}, "900903"),
        ({"exp": 0}, "900903"),
        ({"exp": -1.5}, "900903"),
        ({"nbf": NOW + 5}, ""),
        ({"nbf": NOW + 6}, "900901"),
        ({"exp": NOW - 60, "nbf": NOW + 60}, "900903"),
    ],
)
def test_clocks_may_differ_by_five_seconds(times: dict[str, Any], code: str) -> None:
    if code:
        assert code_of(f"Bearer {token(**times)}") == code
    else:
        assert verify_bearer(f"Bearer {token(**times)}", TRUSTED, NOW).subject == "s"


def test_a_revoked_token_is_refused_by_its_issuer_and_jti() -> None:
    """A token without a `jti` of text cannot be revoked one by one."""
    asked: list[tuple[str, str]] = []
    reasons: list[tuple[str, str]] = []

    def is_revoked(issuer: str, jti: str) -> bool:
        asked.append((issuer, jti))
        return jti == "gone"

    def verified(jti: Any) -> Principal:
        return verify_bearer(
            f"Bearer {token(jti=jti)}",
            TRUSTED,
            NOW,
            revoked=is_revoked,
            refused=lambda issuer, reason: reasons.append((issuer, reason)),
        )

    for jti in ("kept", ..., 7):
        assert verified(jti).subject == "s"
    assert reasons == []
    with pytest.raises(Problem) as caught:
        verified("gone")
    assert (caught.value.status, caught.value.code) == (401, "900901")
    assert [reason for _, reason in reasons] == ["revoked"]
    assert asked == [(ISSUER, "kept"), (ISSUER, "gone")]


def test_a_verified_token_may_say_nothing_about_its_caller() -> None:
    other = (
        dataclasses.replace(
            TRUSTED[0],
            issuer=Issuer("other", "oidc", ISSUER, "", "", algorithms=("RS256",)),
        ),
    )
    bare = f"Bearer {token(sub=..., clientId=..., scope=...)}"
    caller = verify_bearer(bare, other, NOW)
    assert caller == Principal(
        "", "", frozenset(), "", "other", expires_at=caller.expires_at
    )
    assert caller.expires_at > NOW
    for claim in ("client_id", "azp"):
        assert (
            verify_bearer(
                f"Bearer {token(clientId=..., **{claim: 'x'})}", other, NOW
            ).client_id
            == "x"
        )


def test_what_of_ours_does_not_have_the_mark_of_access_tokens_is_refused() -> None:
    """An ID token that came out of a token exchange: no hash, no nonce, the same key, issuer and
    type as access tokens.
    """
    exchanged = {"aud": "c", "azp": "c", "auth_time": NOW, "groups": ["admins"]}
    assert code_of(f"Bearer {token(clientId=..., scope=..., **exchanged)}") == "900901"
    assert (
        code_of(f"Bearer {token({'typ': 'at+jwt'}, clientId=..., client_id='c')}")
        == "900901"
    )


def test_without_trusted_issuers_or_with_another_issuers_key_nothing_is_accepted() -> (
    None
):
    elsewhere = "https://elsewhere.example"
    both = (
        *TRUSTED,
        IssuerKeys.inbuilt(elsewhere, (SigningKey("k2", "RS256", OTHER.private),)),
    )
    assert verify_bearer(
        f"Bearer {token({'kid': 'k2'}, key=OTHER, iss=elsewhere)}", both, NOW
    )
    for crafted, issuers in (
        (GOOD, ()),
        (token({"kid": "k2"}, key=OTHER), both),
        (token(iss=elsewhere), both),
    ):
        with pytest.raises(Problem) as caught:
            verify_bearer(f"Bearer {crafted}", issuers, NOW)
        assert caught.value.code == "900901"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic eDp5", "Token x"]
)
def test_missing_credentials(authorization: str) -> None:
    assert code_of(authorization) == "900902"


def test_an_expired_token() -> None:
    assert code_of(f"Bearer {token(exp=NOW - 6)}") == "900903"
    # Who cannot sign learns nothing about time.
    assert code_of(f"Bearer {token(exp=NOW - 6, key=OTHER)}") == "900901"


DER = KEY.private.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
SSH = KEY.private.public_key().public_bytes(
    serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
)


def hs256(secret: bytes) -> str:
    head = json.dumps(HEADER | {"alg": "HS256"})
    signed = f"{b64(head.encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def signed_as_is(head: str) -> str:
    """Good claims and a good signature behind a header that is encoded as given."""
    signed = f"{head}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(KEY.sign(signed.encode()))}"


GOOD = token()
HEAD, BODY, SIGNATURE = GOOD.split(".")
ATTACKS: dict[str, str] = {
    "garbage": "garbage",
    **{
        f"alg {alg!r}": token({"alg": alg})
        for alg in (
            "none",
            "None",
            "nOnE",
            "",
            None,
            1,
            ["RS256"],
            "RS512",
            "PS256",
            "HS256",
        )
    },
    "alg none, no signature": f"{b64(json.dumps(HEADER | {'alg': 'none'}).encode())}.{BODY}.",
    "no alg": token({"alg": ...}),
    **{
        f"alg {alg}, no signature": f"{b64(json.dumps(HEADER | {'alg': alg}).encode())}.{BODY}."
        for alg in ("None", "NONE", "nOnE", "")
    },
    "alg none, a good signature": (
        f"{b64(json.dumps(HEADER | {'alg': 'none'}).encode())}.{BODY}.{SIGNATURE}"
    ),
    "HS256 with the public key": hs256(PEM),
    "HS256 with the public key, stripped": hs256(PEM.strip()),
    "HS256 with the public key as DER": hs256(DER),
    "HS256 with the public key as SSH text": hs256(SSH),
    "HS256 with the public key as JWK": hs256(json.dumps(KEY.public_jwk()).encode()),
    "HS256 with an empty secret": hs256(b""),
    "empty signature": f"{HEAD}.{BODY}.",
    "two segments": f"{HEAD}.{BODY}",
    "four segments": f"{GOOD}.x",
    "ten thousand dots": "." * 10_000,
    "huge": token(padding="x" * 20_000),
    "another key with our kid": token(key=OTHER),
    "own key in the header": token(
        {"jwk": OTHER.public_jwk(), "kid": "other"}, key=OTHER
    ),
    "own key in the header, our kid": token({"jwk": OTHER.public_jwk()}, key=OTHER),
    "own certificate in the header": token(
        {"x5c": [base64.b64encode(DER).decode()], "x5t": "x"}, key=OTHER
    ),
    "certificate URL in the header": token(
        {"x5u": "https://evil.example/x.pem"}, key=OTHER
    ),
    "key URL in the header": token(
        {"jku": "https://evil.example/jwks", "kid": "other"}, key=OTHER
    ),
    **{
        f"kid {kid!r}": token({"kid": kid})
        for kid in (
            "../../dev/null",
            "' OR 1=1",
            "k\0",
            "K",
            "k ",
            "ｋ",
            "x" * 5000,
            None,
            True,
            1,
            {"k": 1},
            ["k"],
            "",
        )
    },
    "no kid": token({"kid": ...}),
    "kid twice": token(json.dumps(HEADER)[:-1] + ', "kid": "k"}'),
    "alg twice": token('{"alg": "none", ' + json.dumps(HEADER)[1:]),
    "crit": token({"crit": ["x"]}),
    "crit with a known name": token({"crit": ["kid"]}),
    "empty crit": token({"crit": []}),
    "b64 true": token({"b64": True}),
    "b64": token({"b64": False}),
    **{
        f"typ {typ!r}": token({"typ": typ})
        for typ in ("logout+jwt", "dpop+jwt", "ID", 1)
    },
    "header is a list": token("[]"),
    "header is empty": token("{}"),
    "header is not JSON": token("{"),
    "header is deep": token('{"a":' * 3000),
    "header with a byte order mark": token("\ufeff" + json.dumps(HEADER)),
    "empty header": f".{BODY}.{SIGNATURE}",
    "empty claims": f"{HEAD}..{SIGNATURE}",
    "only dots": "..",
    "claims are not UTF-8": f"{HEAD}.{b64(bytes([0xFF, 0xFE]))}.{SIGNATURE}",
    **{f"claims are {raw}": token(raw=raw) for raw in ("null", "1", '"x"', "true", "")},
    "text behind the claims": token(raw=json.dumps(CLAIMS) + "x"),
    "deep claims, closed": token(raw='{"a":' + "[" * 3000 + "]" * 3000 + "}"),
    "claims are a list": token(raw="[]"),
    "claims are not JSON": token(raw="{"),
    "deep claims": token(raw="[" * 3000),
    "duplicate member": token(raw=json.dumps(CLAIMS)[:-1] + ', "exp": 99999999999}'),
    "NaN": token(raw=json.dumps(CLAIMS | {"exp": float("nan")})),
    "infinity": token(raw=json.dumps(CLAIMS | {"exp": float("inf")})),
    "minus infinity": token(raw=json.dumps(CLAIMS | {"nbf": float("-inf")})),
    "infinity by exponent": token(
        raw=json.dumps(CLAIMS)[:-1].replace(f'"exp": {NOW + 60}', '"exp": 1e999') + "}"
    ),
    "exp of 5000 digits": token(
        raw=json.dumps(CLAIMS).replace(f'"exp": {NOW + 60}', '"exp": ' + "9" * 5000)
    ),
    **{
        f"exp {value!r:.20}": token(exp=value)
        for value in (..., None, "9999999999", True, [], {}, 2**53, 1e300, 10**400)
    },
    "nbf in the future": token(nbf=NOW + 60),
    **{
        f"nbf {value!r}": token(nbf=value) for value in ("0", None, False, [], -(2**60))
    },
    **{
        f"iss {value!r}": token(iss=value)
        for value in (
            ...,
            ISSUER + "/",
            ISSUER[:-1],
            ISSUER + "#",
            ISSUER.upper(),
            "",
            None,
            [ISSUER],
            {},
            1,
        )
    },
    "padding": GOOD + "=",
    "right padding": GOOD + "==",
    "padded header": signed_as_is(
        base64.urlsafe_b64encode(json.dumps(HEADER | {"x": "~"}).encode()).decode()
    ),
    "standard alphabet in the header": signed_as_is(
        base64.b64encode(json.dumps(HEADER | {"x": "???>>>"}).encode())
        .decode()
        .rstrip("=")
    ),
    "white space in the header": signed_as_is(HEAD[:8] + "\n" + HEAD[8:]),
    "standard alphabet": f"{HEAD}.{BODY}.{'+/' + SIGNATURE[2:]}",
    "white space": f"{HEAD}.{BODY} .{SIGNATURE}",
    "line break in the signature": f"{HEAD}.{BODY}.{SIGNATURE[:9]}\n{SIGNATURE[9:]}",
    "tab before the token": "\t" + GOOD,
    "two tokens": f"{GOOD} {GOOD}",
    "a list of tokens": f"{GOOD},{GOOD}",
    "signature of one character": f"{HEAD}.{BODY}.A",
    "signature too short": f"{HEAD}.{BODY}.{b64(b'x' * 255)}",
    "signature too long": f"{HEAD}.{BODY}.{SIGNATURE}{SIGNATURE}",
    "signature of zeros": f"{HEAD}.{BODY}.{b64(bytes(256))}",
    "signature of 16 kB": f"{HEAD}.{BODY}.{'A' * LARGEST}",
    "signature of another token": ".".join((*token(sub="t").split(".")[:2], SIGNATURE)),
    "flipped signature": (
        f"{HEAD}.{BODY}.{SIGNATURE[:5]}{'A' if SIGNATURE[5] != 'A' else 'B'}{SIGNATURE[6:]}"
    ),
    "non-ASCII": GOOD + "é",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused(attack: str) -> None:
    assert code_of(f"Bearer {ATTACKS[attack]}") == "900901"


def test_a_missing_scope_is_403() -> None:
    principal = verify_bearer(f"Bearer {GOOD}", TRUSTED, NOW)
    require_scope(principal, ("apk:api_create",))
    with pytest.raises(Problem) as caught:
        require_scope(principal, ("other",))
    assert (caught.value.status, caught.value.code) == (403, "900910")
    assert (
        caught.value.headers["WWW-Authenticate"]
        == 'Bearer realm="kapi", error="insufficient_scope", scope="other"'
    )
    with pytest.raises(Problem) as caught:
        require_scope(principal, ("other", "another"))
    assert caught.value.hint.endswith("kapi token --scope other")
    for scopes in (("other", "a"), ("a",)):
        require_scope(principal, scopes)
    for close in ("apk:api_creat", "apk:api_create ", "A", "*", ""):
        with pytest.raises(Problem):
            require_scope(principal, (close,))
    with pytest.raises(Problem):
        require_scope(Principal("s", "c", frozenset(), ""), ("other", "a"))


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["RS256", "JWT", "k", ISSUER]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("typ", [[], {}, ["JWT"]])
def test_a_type_that_cannot_be_hashed(typ: Any) -> None:
    assert code_of(f"Bearer {token({'typ': typ})}") == "900901"


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "crit", "b64", "jwk"]) | st.text(max_size=5),
        JSON_VALUES,
        max_size=4,
    ),
    claims=st.dictionaries(
        st.sampled_from(["iss", "exp", "nbf", "scope", "sub", "azp"])
        | st.text(max_size=5),
        JSON_VALUES,
        max_size=4,
    ),
)
def test_arbitrary_signed_tokens_are_accepted_or_plainly_refused(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    for crafted in (
        token(header, raw=json.dumps(CLAIMS | claims)),
        token(raw=json.dumps(claims)),
    ):
        try:
            outcome: Principal | Problem = verify_bearer(
                f"Bearer {crafted}", TRUSTED, NOW
            )
        except Problem as problem:
            outcome = problem
        assert isinstance(outcome, Principal) or (
            outcome.status == 401 and outcome.code in {"900901", "900903"}
        )


@given(st.text(max_size=200), st.text(max_size=100), st.text(max_size=100))
def test_arbitrary_text_is_a_plain_refusal(text: str, head: str, body: str) -> None:
    first, second = (b64(part.encode("utf-8", "replace")) for part in (head, body))
    crafted = f"{first}.{second}.{SIGNATURE}"
    for candidate in (text, f"Bearer {text}", f"Bearer {crafted}"):
        with pytest.raises(Problem):
            verify_bearer(candidate, TRUSTED, NOW)
