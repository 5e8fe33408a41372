"""The named recipes: what is wrong with a token, and the clause that a verifier enforces.

Each is one function over a Draft, and one row of RECIPES. `kapi token --recipe NAME`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kapi.dataclass import dataclass
from kapi.jose import base64url
from kapi.testing.minting.draft import Draft

_WEEK = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make a wrong token (or `valid`, a right one)."""

    name: str
    what: str
    clause: str
    """What a verifier breaks that accepts the token."""
    apply: Callable[[Draft], None]


def _claims(**changes: Any) -> Callable[[Draft], None]:
    """Change claims; None removes one."""

    def apply(draft: Draft) -> None:
        for name, value in changes.items():
            if value is None:
                draft.claims.pop(name, None)
            else:
                draft.claims[name] = value

    return apply


def _header(**changes: Any) -> Callable[[Draft], None]:
    """Change header parameters; None removes one."""

    def apply(draft: Draft) -> None:
        for name, value in changes.items():
            if value is None:
                draft.header.pop(name, None)
            else:
                draft.header[name] = value

    return apply


def _times(**seconds: int) -> Callable[[Draft], None]:
    """Times relative to `iat`."""

    def apply(draft: Draft) -> None:
        issued = int(draft.claims.get("iat", time.time()))
        draft.claims |= {name: issued + value for name, value in seconds.items()}

    return apply


def _unsigned(algorithm: str) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        draft.header["alg"] = algorithm
        draft.unsigned = True

    return apply


def _wrong_key(draft: Draft) -> None:
    kid, algorithm = draft.key.kid, draft.key.algorithm
    draft.key = draft.other()
    draft.header |= {"kid": kid, "alg": algorithm}


def _hmac_of(secret: Callable[[Draft], bytes]) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        draft.secret = secret(draft)
        draft.header["alg"] = "HS256"

    return apply


def _jwk_text(draft: Draft) -> bytes:
    import orjson

    return orjson.dumps(draft.key.public_jwk())


def _foreign(draft: Draft) -> None:
    draft.claims["iss"] = "https://other-issuer.test"
    draft.key = draft.other()
    draft.header |= {"kid": draft.key.kid, "alg": draft.key.algorithm}


def _slash(draft: Draft) -> None:
    issuer = str(draft.claims.get("iss", ""))
    draft.claims["iss"] = issuer.rstrip("/") if issuer.endswith("/") else f"{issuer}/"


def _upper_issuer(draft: Draft) -> None:
    draft.claims["iss"] = str(draft.claims.get("iss", "")).upper()


def _embedded_key(draft: Draft) -> None:
    draft.key = draft.other()
    draft.header |= {"alg": draft.key.algorithm, "kid": draft.key.kid}
    draft.header["jwk"] = draft.key.public_jwk()


def _tampered_claims(draft: Draft) -> None:
    def change(token: str) -> str:
        header, _, signature = token.split(".")
        import orjson

        claims = {**draft.claims, "scope": "admin", "sub": "somebody-else"}
        return f"{header}.{base64url.encode(orjson.dumps(claims))}.{signature}"

    draft.changes.append(change)


def _tampered_signature(token: str) -> str:
    text, _, signature = token.rpartition(".")
    octets = bytearray(base64url.decode(signature))
    octets[len(octets) // 2] ^= 1
    return f"{text}.{base64url.encode(bytes(octets))}"


def _changed(change: Callable[[str], str]) -> Callable[[Draft], None]:
    def apply(draft: Draft) -> None:
        draft.changes.append(change)

    return apply


def _as_id_token(draft: Draft) -> None:
    draft.header["typ"] = "JWT"
    client = (
        draft.claims.get("client_id")
        or draft.claims.get("clientId")
        or draft.claims.get("azp")
    )
    for name in ("scope", "scp", "client_id", "clientId", "cid", "jti"):
        draft.claims.pop(name, None)
    draft.claims |= {
        "aud": client,
        "nonce": "n-0S6_WzA2Mj",
        "auth_time": draft.claims.get("iat"),
    }


def _text_dates(draft: Draft) -> None:
    draft.claims |= {
        name: str(draft.claims[name]) for name in ("exp", "iat") if name in draft.claims
    }


_TIME = "RFC 7519 §4.1.4"
_SIGNATURE = "RFC 7515 §5.2"
RECIPES: tuple[Recipe, ...] = (
    Recipe("valid", "a right token", "none", lambda _: None),
    Recipe(
        "expired", "exp is an hour ago", _TIME, _times(iat=-7200, nbf=-7200, exp=-3600)
    ),
    Recipe("just-expired", "exp is 90 s ago", _TIME, _times(exp=-90)),
    Recipe(
        "not-yet-valid",
        "nbf is in an hour",
        "RFC 7519 §4.1.5",
        _times(nbf=3600, exp=7200),
    ),
    Recipe(
        "issued-in-future",
        "iat and nbf are in a day",
        "RFC 7519 §4.1.5",
        _times(iat=86400, nbf=86400, exp=90000),
    ),
    Recipe("long-lived", "valid for a week", "RFC 9068 §2.2", _times(exp=_WEEK)),
    Recipe("no-exp", "exp is missing", "RFC 9068 §2.2", _claims(exp=None)),
    Recipe("text-dates", "exp and iat are texts", "RFC 7519 §2", _text_dates),
    Recipe("negative-exp", "exp is -1", _TIME, _claims(exp=-1)),
    Recipe("alg-none", "alg none, no signature", "RFC 8725 §3.2", _unsigned("none")),
    Recipe(
        "alg-none-mixed-case",
        "alg nOnE, no signature",
        "RFC 8725 §2.1",
        _unsigned("nOnE"),
    ),
    Recipe("empty-alg", "alg is empty, no signature", "RFC 7515 §4.1.1", _unsigned("")),
    Recipe(
        "empty-signature",
        "alg of the issuer, no signature",
        _SIGNATURE,
        _changed(lambda token: token.rpartition(".")[0] + "."),
    ),
    Recipe(
        "two-parts",
        "no signature part",
        "RFC 7515 §7.1",
        _changed(lambda token: token.rpartition(".")[0]),
    ),
    Recipe(
        "hs256-public-key",
        "HS256 with the public key in PEM as the secret",
        "RFC 8725 §2.1",
        _hmac_of(Draft.public_pem),
    ),
    Recipe(
        "hs256-public-jwk",
        "HS256 with the public JWK as the secret",
        "RFC 8725 §2.1",
        _hmac_of(_jwk_text),
    ),
    Recipe(
        "hs256-empty-secret",
        "HS256 with an empty secret",
        "RFC 8725 §3.5",
        _hmac_of(lambda _: b""),
    ),
    Recipe(
        "hs256-secret",
        "HS256 with the secret `secret`",
        "RFC 8725 §3.5",
        _hmac_of(lambda _: b"secret"),
    ),
    Recipe(
        "wrong-key", "another key under the kid of the issuer's", _SIGNATURE, _wrong_key
    ),
    Recipe(
        "unknown-kid",
        "a kid that is in no JWKS",
        "RFC 7515 §4.1.4",
        _header(kid="unknown-kid", x5t=None),
    ),
    Recipe("no-kid", "kid is missing", "RFC 7515 §4.1.4", _header(kid=None, x5t=None)),
    Recipe(
        "kid-path",
        "kid is ../../../../dev/null",
        "RFC 8725 §3.10",
        _header(kid="../../../../dev/null"),
    ),
    Recipe(
        "kid-sql", "kid is ' OR '1'='1", "RFC 8725 §3.10", _header(kid="' OR '1'='1")
    ),
    Recipe(
        "foreign-issuer", "another issuer, with its own key", "RFC 8725 §3.8", _foreign
    ),
    Recipe(
        "issuer-slash", "iss with a slash more (or less)", "RFC 7519 §4.1.1", _slash
    ),
    Recipe("issuer-case", "iss in upper case", "RFC 7519 §4.1.1", _upper_issuer),
    Recipe("no-issuer", "iss is missing", "RFC 9068 §2.2", _claims(iss=None)),
    Recipe("no-subject", "sub is missing", "RFC 9068 §2.2", _claims(sub=None)),
    Recipe("no-audience", "aud is missing", "RFC 9068 §2.2", _claims(aud=None)),
    Recipe(
        "wrong-audience",
        "aud is another API",
        "RFC 7519 §4.1.3",
        _claims(aud="https://other-api.test"),
    ),
    Recipe(
        "no-client",
        "no claim names the client",
        "RFC 9068 §2.2",
        _claims(client_id=None, clientId=None, azp=None, cid=None, appid=None),
    ),
    Recipe(
        "no-scope",
        "no scopes",
        "RFC 6750 §3.1",
        _claims(scope=None, scp=None, permissions=None),
    ),
    Recipe("no-jti", "jti is missing", "RFC 9068 §2.2", _claims(jti=None)),
    Recipe(
        "id-token",
        "an ID token in place of an access token",
        "RFC 9068 §4",
        _as_id_token,
    ),
    Recipe(
        "wrong-typ", "typ is logout+jwt", "RFC 8725 §3.11", _header(typ="logout+jwt")
    ),
    Recipe("no-typ", "typ is missing", "RFC 9068 §4", _header(typ=None)),
    Recipe(
        "critical",
        "crit names an unknown extension",
        "RFC 7515 §4.1.11",
        _header(crit=["exp"]),
    ),
    Recipe("unencoded", "b64 is false, not in crit", "RFC 7797 §6", _header(b64=False)),
    Recipe(
        "embedded-key",
        "signed with the key in its jwk header",
        "RFC 8725 §3.8",
        _embedded_key,
    ),
    Recipe(
        "jku",
        "jku points to a foreign JWKS",
        "RFC 8725 §3.10",
        _header(jku="https://other-issuer.test/jwks.json"),
    ),
    Recipe(
        "x5u",
        "x5u points to a foreign certificate",
        "RFC 8725 §3.10",
        _header(x5u="https://other-issuer.test/cert.pem"),
    ),
    Recipe(
        "tampered-claims", "claims changed after signing", _SIGNATURE, _tampered_claims
    ),
    Recipe(
        "tampered-signature",
        "one bit of the signature changed",
        _SIGNATURE,
        _changed(_tampered_signature),
    ),
    Recipe(
        "oversized", "a claim of 32 kB", "RFC 8725 §3.6", _claims(padding="x" * 32768)
    ),
    Recipe(
        "many-dots",
        "ten thousand dots",
        "RFC 7515 §7.1",
        _changed(lambda _: "." * 10_000),
    ),
    Recipe(
        "padded",
        "base64 padding at its parts",
        "RFC 7515 §2",
        _changed(lambda t: t + "=="),
    ),
    Recipe(
        "whitespace",
        "a space in it",
        "RFC 7515 §7.1",
        _changed(lambda t: t.replace(".", " .", 1)),
    ),
    Recipe(
        "not-a-jwt", "an opaque text", "RFC 6750 §3.1", _changed(lambda _: "not-a-jwt")
    ),
    Recipe("empty", "an empty text", "RFC 6750 §2.1", _changed(lambda _: "")),
)
"""All recipes; documented in docs/testing/mint.md."""
_BY_NAME = {recipe.name: recipe for recipe in RECIPES}


def recipe_of(name: str) -> Recipe:
    """The recipe with this name; `_` and `-` are the same. Raises ValueError."""
    found = _BY_NAME.get(name.replace("_", "-"))
    if found is None:
        raise ValueError(f"{name!r} is not a recipe; known: {', '.join(_BY_NAME)}")
    return found
