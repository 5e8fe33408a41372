"""People: of the settings and of the store; passwords as argon2id digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.identity.accounts.passwords import LONGEST, password_digest, password_matches
from kapi.identity.accounts.users import Users, profile_of, user_of
from kapi.settings import IdentitySettings, UserSettings
from kapi.store import Store
from kapi.store.accounts import Ending
from kapi.store.users import StoredUser, UserStore

ENDING = Ending("https://issuer.example", 9, "a test")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[UserStore]:
    store = Store.open(tmp_path / "kapi.db")
    yield UserStore(store.database)
    store.close()


def add(stored: UserStore, name: str, password: str) -> bool:
    user = user_of(
        UserSettings(
            name,
            password,
            ("org1",),
            groups=("staff",),
            claims={"email": "a@b"},
            token_claims={"tier": 1},
        )
    )
    return stored.add(
        StoredUser(
            name, password_digest(password), profile_of(user), 5, f"subject of {name}"
        )
    )


def test_a_digest_is_argon2id_salted_and_of_that_password_only() -> None:
    digest = password_digest("pässword")
    assert digest.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert digest != password_digest("pässword")
    assert password_matches(digest, "pässword")
    assert password_matches(digest, "pa\u0308ssword")
    for wrong in ("", "password", "pässword ", "\ud800", "x" * (LONGEST + 1)):
        assert not password_matches(digest, wrong)
    assert not password_matches("", "the password of an unknown person")
    assert not password_matches("no digest", "x")


def test_people_of_settings_and_store_sign_in(stored: UserStore) -> None:
    users = Users(IdentitySettings().users, stored)
    assert add(stored, "ada", "correct horse")
    assert not add(stored, "ada", "another one")
    signed_in = users.authenticate("ada", "correct horse")
    assert signed_in == users.named("ada") == users.get("subject of ada")
    assert users.get("ada") is None
    assert signed_in is not None
    assert (
        signed_in.organizations,
        signed_in.groups,
        signed_in.claims,
        signed_in.token_claims,
    ) == (
        ("org1",),
        ("staff",),
        {"email": "a@b"},
        {"tier": 1},
    )
    assert users.authenticate("ada", "wrong") is None
    assert users.authenticate("nobody", "nobody") is None
    admin = users.authenticate("superAdmin", "superAdmin")
    assert admin is not None
    assert admin.super_admin
    assert [user.username for user in users.all()] == [
        "org1user",
        "org2user",
        "multiorguser",
        "superAdmin",
        "ada",
    ]


def test_a_stored_person_cannot_take_the_place_of_one_of_the_settings(
    stored: UserStore,
) -> None:
    add(stored, "superAdmin", "another password")
    users = Users(IdentitySettings().users, stored)
    assert users.authenticate("superAdmin", "another password") is None
    assert users.get("superAdmin") == user_of(IdentitySettings().users[3])
    assert len(users.all()) == 4


def test_a_changed_password_and_a_removed_person_hold_at_once(
    stored: UserStore,
) -> None:
    users = Users((), stored)
    add(stored, "ada", "correct horse")
    assert stored.change_password("ada", password_digest("battery staple"), ENDING)
    assert users.authenticate("ada", "correct horse") is None
    assert users.authenticate("ada", "battery staple") is not None
    assert stored.remove("ada", ENDING)
    assert not stored.remove("ada", ENDING)
    assert not stored.change_password("ada", "x", ENDING)
    assert users.authenticate("ada", "battery staple") is None
    assert "argon2" not in repr(StoredUser("ada", "$argon2id$", {}, 1, "s"))
