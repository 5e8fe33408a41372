"""Faults of the JWKS and of the discovery document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kapi.testing.faults.kind import Effect, Kind, Scene
from kapi.testing.http.calls import Reply

_JWKS, _DISCOVERY = ("jwks",), ("discovery",)
_Key = dict[str, Any]


def _keys(change: Callable[[list[_Key], Scene], list[_Key]]) -> Effect:
    """Change the keys of the JWKS."""

    def effect(scene: Scene) -> Reply:
        members = scene.reply.members
        if members is None or "keys" not in members:
            return scene.reply
        # An entity tag of the right set would let a client keep it.
        reply = scene.reply.with_header("etag", None)
        return reply.with_members({"keys": change(list(members["keys"]), scene)})

    return effect


def _stale(keys: list[_Key], scene: Scene) -> list[_Key]:
    """An old set: none of the keys that sign."""
    found = scene.provider.keyring
    active = {found.active(name).kid for name in found.algorithms}
    old = []
    for key in keys:
        if key["kid"] not in active:
            old.append(key)
    return old or [scene.spare_key().public_jwk()]


def _duplicate(keys: list[_Key], scene: Scene) -> list[_Key]:
    """A wrong key with the kid of the first one, before it."""
    if keys:
        return [scene.spare_key(str(keys[0]["kid"])).public_jwk(), *keys]
    return keys


def _wrong_key(keys: list[_Key], scene: Scene) -> list[_Key]:
    return [_replaced(key, scene) for key in keys]


def _replaced(key: _Key, scene: Scene) -> _Key:
    return scene.spare_key(str(key["kid"]), str(key["alg"])).public_jwk()


def _none(_keys: list[_Key], _: Scene) -> list[_Key]:
    return []


def _without(*names: str) -> Callable[[list[_Key], Scene], list[_Key]]:
    return lambda keys, _: [
        {name: value for name, value in key.items() if name not in names}
        for key in keys
    ]


def _with_encryption_key(keys: list[_Key], scene: Scene) -> list[_Key]:
    other = {
        **scene.spare_key("encryption").public_jwk(),
        "use": "enc",
        "alg": "RSA-OAEP",
    }
    return [other, *keys]


def _for_encryption(keys: list[_Key], _: Scene) -> list[_Key]:
    return [{**key, "use": "enc"} for key in keys]


def _strange_key(keys: list[_Key], _: Scene) -> list[_Key]:
    return [
        {"kty": "AKP", "kid": "post-quantum", "alg": "ML-DSA-44", "pub": "AA"},
        *keys,
    ]


def _many(keys: list[_Key], scene: Scene) -> list[_Key]:
    first = scene.spare_key().public_jwk()
    return [
        *({**first, "kid": f"key-{number}"} for number in range(int(scene.value))),
        *keys,
    ]


def _member(name: str, value: Callable[[Scene], Any]) -> Effect:
    """Set a member of the discovery document; None removes it."""

    def effect(scene: Scene) -> Reply:
        members = dict(scene.reply.members or {})
        if not members:
            return scene.reply
        members.pop(name, None)
        chosen = value(scene)
        if chosen is not None:
            members[name] = chosen
        return scene.reply.with_header("etag", None).with_members(members)

    return effect


def _given(scene: Scene) -> Any:
    return scene.value


def _slash(scene: Scene) -> str:
    return f"{scene.provider.settings.identity.issuer}/"


_SET = "RFC 7517 §5"
KINDS = (
    Kind(
        "stale-jwks",
        "none of the keys that sign now",
        "OIDC Core §10.1.1",
        _keys(_stale),
        _JWKS,
    ),
    Kind(
        "duplicate-kid",
        "a wrong key with the same kid, first",
        "RFC 7517 §4.5",
        _keys(_duplicate),
        _JWKS,
    ),
    Kind(
        "wrong-jwks",
        "other keys with the same kids",
        "RFC 7517 §4.5",
        _keys(_wrong_key),
        _JWKS,
    ),
    Kind("empty-jwks", "no keys", _SET, _keys(_none), _JWKS),
    Kind(
        "no-kids", "keys without kid", "OIDC Core §10.1", _keys(_without("kid")), _JWKS
    ),
    Kind(
        "no-algs",
        "keys without alg and use",
        "RFC 7517 §4.4",
        _keys(_without("alg", "use")),
        _JWKS,
    ),
    Kind(
        "encryption-key",
        "a further key with use enc, first",
        "RFC 7517 §4.2",
        _keys(_with_encryption_key),
        _JWKS,
    ),
    Kind(
        "only-encryption",
        "every key has use enc",
        "RFC 7517 §4.2",
        _keys(_for_encryption),
        _JWKS,
    ),
    Kind(
        "strange-key",
        "a further key of an unknown kty, first",
        _SET,
        _keys(_strange_key),
        _JWKS,
    ),
    Kind(
        "many-keys",
        "number of further keys",
        _SET,
        _keys(_many),
        _JWKS,
        value=1000,
        numbers=(0, 100_000),
    ),
    Kind(
        "issuer-mismatch",
        "issuer is this",
        "RFC 8414 §3.3",
        _member("issuer", _given),
        _DISCOVERY,
        "https://other-issuer.test",
    ),
    Kind(
        "issuer-slash",
        "issuer has a slash more",
        "RFC 8414 §3.3",
        _member("issuer", _slash),
        _DISCOVERY,
    ),
    Kind(
        "no-jwks-uri",
        "jwks_uri is missing",
        "OIDC Discovery §3",
        _member("jwks_uri", _given),
        _DISCOVERY,
    ),
    Kind(
        "other-jwks-uri",
        "jwks_uri is this",
        "RFC 8414 §2",
        _member("jwks_uri", _given),
        _DISCOVERY,
        "http://other-issuer.test/jwks",
    ),
    Kind(
        "no-token-endpoint",
        "token_endpoint is missing",
        "RFC 8414 §2",
        _member("token_endpoint", _given),
        _DISCOVERY,
    ),
    Kind(
        "no-s256",
        "code_challenge_methods_supported is plain only",
        "RFC 9700 §2.1.1",
        _member("code_challenge_methods_supported", _given),
        _DISCOVERY,
        ["plain"],
    ),
)
