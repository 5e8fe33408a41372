"""Faults of the tokens in an answer: each is signed again, so that only one thing is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kapi.jose.jwt import InvalidJwt, parse_jwt
from kapi.testing.faults.kind import Effect, Kind, Scene
from kapi.testing.http.calls import Reply
from kapi.testing.minting.draft import Draft
from kapi.testing.minting.recipes import recipe_of

_TOKENS = ("access_token", "id_token")
_AT = ("token",)


def _tokens(apply: Callable[[Draft, Scene], None], *names: str) -> Effect:
    """Change these tokens of an answer, or both."""

    def effect(scene: Scene) -> Reply:
        members = dict(scene.reply.members or {})
        found = [name for name in names or _TOKENS if _is_jwt(members.get(name))]
        for name in found:
            members[name] = _again(members[name], scene, apply)
        if found:
            return scene.reply.with_members(members)
        return scene.reply

    return effect


def _is_jwt(value: Any) -> bool:
    return isinstance(value, str) and value.count(".") == 2


def _again(token: str, scene: Scene, apply: Callable[[Draft, Scene], None]) -> str:
    """The token, signed again after a change."""
    try:
        jwt = parse_jwt(token)
    except InvalidJwt:
        return token
    key = scene.provider.keyring.find(jwt.header.get("kid"))
    if key is None:
        return token
    draft = Draft(dict(jwt.header), dict(jwt.claims), key, scene.spare_key)
    apply(draft, scene)
    return draft.sign()


def _recipe(name: str) -> Callable[[Draft, Scene], None]:
    return lambda draft, _: recipe_of(name).apply(draft)


def _claim(name: str) -> Callable[[Draft, Scene], None]:
    """Set a claim to the value of the fault; None removes it."""

    def apply(draft: Draft, scene: Scene) -> None:
        draft.claims.pop(name, None)
        if scene.value is not None:
            draft.claims[name] = scene.value

    return apply


def _header(name: str) -> Callable[[Draft, Scene], None]:
    def apply(draft: Draft, scene: Scene) -> None:
        draft.header.pop(name, None)
        if scene.value is not None:
            draft.header[name] = scene.value

    return apply


def _extra_audience(draft: Draft, scene: Scene) -> None:
    before = draft.claims.get("aud", [])
    listed = [before]
    if isinstance(before, list):
        listed = before
    draft.claims["aud"] = [*listed, scene.value]
    draft.claims.pop("azp", None)


def _other_algorithm(draft: Draft, scene: Scene) -> None:
    """Sign with an active key of this algorithm, or only name it."""
    algorithm = str(scene.value)
    draft.header["alg"] = algorithm
    if algorithm in scene.provider.keyring.algorithms:
        draft.key = scene.provider.keyring.active(algorithm)
        draft.header["kid"] = draft.key.kid


_ID = "OIDC Core §3.1.3.7"
KINDS = (
    Kind(
        "wrong-iss",
        "iss is this",
        f"RFC 7519 §4.1.1, {_ID} (2)",
        _tokens(_claim("iss")),
        _AT,
        "https://other-issuer.test",
    ),
    Kind(
        "wrong-aud",
        "aud is this",
        f"RFC 7519 §4.1.3, {_ID} (3)",
        _tokens(_claim("aud")),
        _AT,
        "somebody-else",
    ),
    Kind(
        "extra-aud",
        "aud of the ID token has a further one, without azp",
        f"{_ID} (4)",
        _tokens(_extra_audience, "id_token"),
        _AT,
        "somebody-else",
    ),
    Kind(
        "wrong-azp",
        "azp of the ID token is this",
        f"{_ID} (5)",
        _tokens(_claim("azp"), "id_token"),
        _AT,
        "somebody-else",
    ),
    Kind(
        "wrong-nonce",
        "nonce of the ID token is this",
        f"{_ID} (11)",
        _tokens(_claim("nonce"), "id_token"),
        _AT,
        "another-nonce",
    ),
    Kind(
        "no-nonce",
        "nonce of the ID token is missing",
        f"{_ID} (11)",
        _tokens(_claim("nonce"), "id_token"),
        _AT,
    ),
    Kind(
        "wrong-at-hash",
        "at_hash of the ID token is this",
        "OIDC Core §3.1.3.8",
        _tokens(_claim("at_hash"), "id_token"),
        _AT,
        "AAAAAAAAAAAAAAAAAAAAAA",
    ),
    Kind(
        "old-auth-time",
        "auth_time of the ID token is this",
        f"{_ID} (13)",
        _tokens(_claim("auth_time"), "id_token"),
        _AT,
        1,
    ),
    Kind(
        "wrong-acr",
        "acr of the ID token is this",
        f"{_ID} (12)",
        _tokens(_claim("acr"), "id_token"),
        _AT,
        "0",
    ),
    Kind(
        "wrong-sub",
        "sub is this",
        "OIDC Core §12.2",
        _tokens(_claim("sub")),
        _AT,
        "somebody-else",
    ),
    Kind("no-sub", "sub is missing", "OIDC Core §2", _tokens(_claim("sub")), _AT),
    Kind("no-exp", "exp is missing", "OIDC Core §2", _tokens(_recipe("no-exp")), _AT),
    Kind(
        "expired-token",
        "exp is an hour ago",
        f"RFC 7519 §4.1.4, {_ID} (9)",
        _tokens(_recipe("expired")),
        _AT,
    ),
    Kind(
        "future-token",
        "iat and nbf are in a day",
        f"RFC 7519 §4.1.5, {_ID} (10)",
        _tokens(_recipe("issued-in-future")),
        _AT,
    ),
    Kind(
        "wrong-alg",
        "alg is this, signed with the provider's key for it if it has one",
        f"{_ID} (7)",
        _tokens(_other_algorithm),
        _AT,
        "ES256",
    ),
    Kind(
        "alg-none",
        "alg none, not signed",
        f"RFC 8725 §3.2, {_ID} (6)",
        _tokens(_recipe("alg-none")),
        _AT,
    ),
    Kind(
        "hs256-public-key",
        "HS256 with the public key as the secret",
        "RFC 8725 §2.1",
        _tokens(_recipe("hs256-public-key")),
        _AT,
    ),
    Kind(
        "wrong-kid",
        "kid is this",
        "RFC 7515 §4.1.4",
        _tokens(_header("kid")),
        _AT,
        "unknown-kid",
    ),
    Kind("no-kid", "kid is missing", "RFC 7515 §4.1.4", _tokens(_header("kid")), _AT),
    Kind(
        "wrong-key",
        "another key under the same kid",
        f"{_ID} (6)",
        _tokens(_recipe("wrong-key")),
        _AT,
    ),
    Kind(
        "wrong-typ",
        "typ is this",
        "RFC 8725 §3.11",
        _tokens(_header("typ")),
        _AT,
        "logout+jwt",
    ),
    Kind(
        "bad-signature",
        "one bit of the signature differs",
        "RFC 7515 §5.2",
        _tokens(_recipe("tampered-signature")),
        _AT,
    ),
)
