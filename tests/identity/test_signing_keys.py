"""Signing keys: every algorithm verified by a foreign library, what the JWKS shows, and what it
never shows.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from idp import call, identity_app, provider_of
from kapi.errors import OAuthError
from kapi.identity.keys.keyring import (
    Keyring,
    ensure_keyring,
    load_keyring,
    needed_algorithms,
    wanted_algorithms,
)
from kapi.jose.algorithms import ALGORITHMS
from kapi.jose.compact import sign_jwt
from kapi.jose.signing_keys import SigningKey
from kapi.settings import SIGNING_ALGORITHMS, ClientSettings, IdentitySettings, Settings
from kapi.store import Store
from kapi.store.keys import Keys

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("keys") / "kapi.db")


@pytest.fixture(scope="module")
def keyring(store: Store) -> Keyring:
    return ensure_keyring(Keys(store.database), "the kid", NOW, SIGNING_ALGORITHMS)


def test_every_algorithm_of_the_settings_can_sign() -> None:
    assert tuple(ALGORITHMS) == SIGNING_ALGORITHMS


@pytest.mark.parametrize("algorithm", SIGNING_ALGORITHMS)
def test_a_foreign_library_verifies(keyring: Keyring, algorithm: str) -> None:
    token = sign_jwt(keyring.active(algorithm), {"sub": "ä"}, "some+jwt")
    read = jwt.decode(
        token, KeySet.import_key_set(json.loads(keyring.jwks)), algorithms=[algorithm]
    )
    assert read.claims == {"sub": "ä"}
    assert read.header == {
        "alg": algorithm,
        "typ": "some+jwt",
        "kid": keyring.active(algorithm).kid,
    }


def test_the_jwks_has_public_members_only_and_the_default_key_first(
    keyring: Keyring,
) -> None:
    keys = json.loads(keyring.jwks)["keys"]
    assert keys[0]["kid"] == "the kid"
    assert [set(key) & PRIVATE for key in keys] == [set()] * len(SIGNING_ALGORITHMS)
    assert len({key["kid"] for key in keys}) == len(keys)
    assert {key["use"] for key in keys} == {"sig"}
    assert "private" not in repr(keyring.keys).lower()


def test_staged_keys_are_not_shown_and_a_key_is_made_once(
    store: Store, keyring: Keyring
) -> None:
    keys = Keys(store.database)
    assert ensure_keyring(keys, "another", NOW, SIGNING_ALGORITHMS).jwks == keyring.jwks
    keys.move("the kid", ("active",), "staged")
    assert load_keyring(keys).find("the kid") is None
    keys.move("the kid", ("staged",), "active")
    assert load_keyring(keys).find("the kid") is not None
    assert keyring.find(7) is None


def test_clients_bring_the_algorithms_they_need() -> None:
    clients = (ClientSettings(id="a", secret="x"),)
    assert wanted_algorithms(IdentitySettings(algorithms=(), clients=clients)) == (
        "RS256",
    )
    assert wanted_algorithms(
        IdentitySettings(algorithms=("PS256",), clients=clients)
    ) == (
        "RS256",
        "PS256",
    )
    assert needed_algorithms(
        IdentitySettings(algorithms=("PS256", "ES384"), clients=clients)
    ) == (
        "RS256",
        "ES384",
    )
    clients = (ClientSettings(id="a", secret="x", access_token_signing_alg="PS512"),)
    assert needed_algorithms(IdentitySettings(algorithms=(), clients=clients)) == (
        "RS256",
        "PS512",
    )


def test_other_tokens_are_signed_with_the_algorithm_asked_for(tmp_path: Path) -> None:
    provider = provider_of(Settings(Path("/nowhere")), Store.open(tmp_path / "kapi.db"))
    read = jwt.decode(
        provider.signer.sign({"a": 1}, "JWT", "ES256"),
        KeySet.import_key_set(json.loads(provider.keyring.jwks)),
        algorithms=["ES256"],
    )
    assert read.claims == {"a": 1}
    with pytest.raises(OAuthError):
        provider.signer.sign({}, "JWT", "PS512")


def test_a_change_of_keys_reaches_tokens_jwks_and_discovery(tmp_path: Path) -> None:
    settings = Settings(Path("/nowhere"), IdentitySettings(algorithms=()))
    app = identity_app(settings, Store.open(tmp_path / "kapi.db"), lambda: NOW)
    before = call(app, "GET", "/oauth2/jwks")
    assert call(app, "GET", "/.well-known/openid-configuration").json()[
        "id_token_signing_alg_values_supported"
    ] == ["RS256"]
    assert (
        call(app, "GET", "/oauth2/jwks", if_none_match=before.headers["etag"]).status
        == 304
    )
    assert before.headers["cache-control"] == "public, max-age=300"


def test_a_signing_key_hides_its_private_half() -> None:
    key = SigningKey("k", "EdDSA", ALGORITHMS["EdDSA"].generate())
    assert set(key.public_jwk()) == {"kty", "kid", "use", "alg", "crv", "x"}
    assert "Ed25519PrivateKey" not in repr(key)
