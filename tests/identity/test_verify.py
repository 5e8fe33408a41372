"""Bearer tokens at the system APIs: what is accepted, and every attack on a verifier that is refused."""

from __future__ import annotations

import base64
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
from kapi.identity.keys import SigningKey
from kapi.identity.verify import IssuerKeys, require_scope, verify_bearer

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
KEY = SigningKey("k", "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))
OTHER = SigningKey("k", "RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048))
TRUSTED = (IssuerKeys.inbuilt(ISSUER, (KEY,)),)
PEM = KEY.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
CLAIMS: dict[str, Any] = {"iss": ISSUER, "sub": "s", "exp": NOW + 60, "nbf": NOW, "iat": NOW, "clientId": "c", "scope": "a apk:api_create"}
HEADER: dict[str, Any] = {"alg": "RS256", "typ": "JWT", "kid": "k"}


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(header: Any = None, claims: Any = None, key: SigningKey = KEY, raw: str | None = None, **changes: Any) -> str:
    head = json.dumps(HEADER | (header or {})) if not isinstance(header, str) else header
    body = raw if raw is not None else json.dumps({name: value for name, value in (CLAIMS | changes).items() if value is not ...})
    signed = f"{b64(head.encode())}.{b64(body.encode())}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def code_of(authorization: str) -> str:
    with pytest.raises(Problem) as caught:
        verify_bearer(authorization, TRUSTED, NOW)
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")
    return caught.value.code


def test_a_good_token_names_its_caller() -> None:
    for scheme in ("Bearer", "bearer"):
        principal = verify_bearer(f"{scheme} {token(organization='org1')}", TRUSTED, NOW)
        assert (principal.subject, principal.client_id, principal.organization) == ("s", "c", "org1")
        assert principal.scopes == {"a", "apk:api_create"}
    assert verify_bearer(f"Bearer {token(scope=['x', 1])}", TRUSTED, NOW).scopes == {"x"}
    assert verify_bearer(f"Bearer {token({'typ': 'at+jwt'})}", TRUSTED, NOW)
    assert verify_bearer(f"Bearer {token(exp=NOW - 4)}", TRUSTED, NOW)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic eDp5", "Token x"])
def test_missing_credentials(authorization: str) -> None:
    assert code_of(authorization) == "900902"


def test_an_expired_token() -> None:
    assert code_of(f"Bearer {token(exp=NOW - 6)}") == "900903"


def hs256(secret: bytes) -> str:
    signed = f"{b64(json.dumps(HEADER | {'alg': 'HS256'}).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


GOOD = token()
HEAD, BODY, SIGNATURE = GOOD.split(".")
ATTACKS: dict[str, str] = {
    "garbage": "garbage",
    **{f"alg {alg!r}": token({"alg": alg}) for alg in ("none", "None", "nOnE", "", None, 1, ["RS256"], "RS512", "PS256", "HS256")},
    "alg none, no signature": f"{b64(json.dumps(HEADER | {'alg': 'none'}).encode())}.{BODY}.",
    "HS256 with the public key": hs256(PEM),
    "HS256 with an empty secret": hs256(b""),
    "empty signature": f"{HEAD}.{BODY}.",
    "two segments": f"{HEAD}.{BODY}",
    "four segments": f"{GOOD}.x",
    "ten thousand dots": "." * 10_000,
    "huge": token(padding="x" * 20_000),
    "another key with our kid": token(key=OTHER),
    "own key in the header": token({"jwk": {"kty": "RSA"}, "kid": "other"}, key=OTHER),
    "key URL in the header": token({"jku": "https://evil.example/jwks", "kid": "other"}, key=OTHER),
    **{f"kid {kid!r}": token({"kid": kid}) for kid in ("../../dev/null", "' OR 1=1", "k\0", "x" * 5000, None, 1, {"k": 1}, "")},
    "crit": token({"crit": ["x"]}),
    "b64": token({"b64": False}),
    **{f"typ {typ!r}": token({"typ": typ}) for typ in ("logout+jwt", "dpop+jwt", "ID", 1)},
    "header is a list": token("[]"),
    "claims are a list": token(raw="[]"),
    "claims are not JSON": token(raw="{"),
    "deep claims": token(raw="[" * 3000),
    "duplicate member": token(raw=json.dumps(CLAIMS)[:-1] + ', "exp": 99999999999}'),
    "NaN": token(raw=json.dumps(CLAIMS | {"exp": float("nan")})),
    "infinity": token(raw=json.dumps(CLAIMS | {"exp": float("inf")})),
    **{f"exp {value!r}": token(exp=value) for value in (..., None, "9999999999", True, [], 10**400)},
    "nbf in the future": token(nbf=NOW + 60),
    "nbf is text": token(nbf="0"),
    **{f"iss {value!r}": token(iss=value) for value in (..., ISSUER + "/", ISSUER.upper(), "", None, [ISSUER])},
    "padding": GOOD + "=",
    "standard alphabet": f"{HEAD}.{BODY}.{'+/' + SIGNATURE[2:]}",
    "white space": f"{HEAD}.{BODY} .{SIGNATURE}",
    "flipped signature": f"{HEAD}.{BODY}.{('A' if SIGNATURE[5] != 'A' else 'B').join((SIGNATURE[:5], SIGNATURE[6:]))}",
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
    assert 'error="insufficient_scope"' in caught.value.headers["WWW-Authenticate"]


@given(st.text(max_size=200), st.text(max_size=100), st.text(max_size=100))
def test_arbitrary_text_is_a_plain_refusal(text: str, head: str, body: str) -> None:
    crafted = f"{b64(head.encode('utf-8', 'replace'))}.{b64(body.encode('utf-8', 'replace'))}.{SIGNATURE}"
    for candidate in (text, f"Bearer {text}", f"Bearer {crafted}"):
        with pytest.raises(Problem):
            verify_bearer(candidate, TRUSTED, NOW)
