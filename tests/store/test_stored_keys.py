from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapi.store import Store
from kapi.store.keys import Keys, StoredKey

FIRST = StoredKey("first", "RS256", "active", "-----BEGIN PRIVATE KEY-----", 10)


@pytest.fixture
def keys(where: Path | str) -> Iterator[Keys]:
    store = Store.open(where)
    yield Keys(store.database)
    store.close()


def states(keys: Keys) -> dict[str, str]:
    return {key.kid: key.state for key in keys.all()}


def test_only_the_first_key_of_an_algorithm_is_kept(keys: Keys) -> None:
    assert keys.add_first(FIRST) is True
    assert keys.add_first(FIRST) is False
    assert keys.add_first(dataclasses.replace(FIRST, kid="second")) is False
    assert (
        keys.add_first(dataclasses.replace(FIRST, kid="other", algorithm="ES256"))
        is True
    )
    assert keys.all() == (
        FIRST,
        dataclasses.replace(FIRST, kid="other", algorithm="ES256"),
    )
    assert "PRIVATE" not in repr(keys.all())


def test_activating_retires_the_active_key_of_the_same_algorithm_only(
    keys: Keys,
) -> None:
    keys.add_first(FIRST)
    keys.add_first(dataclasses.replace(FIRST, kid="elliptic", algorithm="ES256"))
    keys.add(dataclasses.replace(FIRST, kid="next", state="staged", created_at=20))
    assert keys.activate("next", 99) is False
    assert keys.move("next", ("staged",), "published", 50) is True
    assert keys.move("next", ("staged",), "published", 50) is False
    assert keys.activate("next", 99) is True
    assert states(keys) == {"first": "retired", "elliptic": "active", "next": "active"}
    assert {key.kid: key.due_at for key in keys.all()} == {
        "first": 99,
        "elliptic": None,
        "next": None,
    }


def test_only_a_key_in_the_right_state_is_removed(keys: Keys) -> None:
    keys.add_first(FIRST)
    assert keys.remove("first", ("retired",)) is False
    assert keys.remove("nobody", ("active",)) is False
    assert keys.remove("first", ("active",)) is True
    assert keys.all() == ()
