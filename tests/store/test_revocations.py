"""The table of revoked tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from kapi.store.engine.database import Database
from kapi.store.housekeeping import keep_house
from kapi.store.revocations import GRACE_SECONDS, Revocation, Revocations


def test_a_jti_is_revoked_for_its_issuer_only(database: Database) -> None:
    revocations = Revocations(database)
    revocations.revoke("1", 2000, "logout", issuer="https://a")
    assert revocations.is_revoked("https://a", "1")
    assert not revocations.is_revoked("https://a/", "1")
    assert not revocations.is_revoked("https://a", "11")
    assert revocations.active(1000) == (Revocation("1", 2000, "https://a"),)


def test_without_an_issuer_it_is_revoked_for_every_issuer(database: Database) -> None:
    revocations = Revocations(database)
    revocations.revoke("1", 2000)
    assert revocations.is_revoked("https://a", "1")
    assert revocations.is_revoked("https://b", "1")


def test_entries_go_some_time_after_their_token_expired(database: Database) -> None:
    revocations = Revocations(database)
    revocations.revoke("1", 2000)
    assert revocations.active(2001) != ()
    keep_house(database, 2001)
    assert revocations.is_revoked("", "1")
    assert revocations.active(2000 + GRACE_SECONDS) == ()
    keep_house(database, 2000 + GRACE_SECONDS)
    assert not revocations.is_revoked("", "1")


def test_revoking_twice_keeps_the_later_expiry(database: Database) -> None:
    revocations = Revocations(database)
    for expiry in (2000, 3000, 1000):
        revocations.revoke("1", expiry)
    assert revocations.active(0) == (Revocation("1", 3000),)


@pytest.mark.parametrize("jti", ["", "x" * 1025])
def test_an_impossible_jti_is_refused(database: Database, jti: str) -> None:
    with pytest.raises(ValueError, match="1 to 1024"):
        Revocations(database).revoke(jti, 2000)


def test_they_survive_a_restart(where: Path | str) -> None:
    first = Database.open(where)
    Revocations(first).revoke("1", 2000)
    first.close()
    second = Database.open(where)
    assert Revocations(second).is_revoked("any", "1")
    second.close()
