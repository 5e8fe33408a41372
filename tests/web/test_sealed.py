"""The sealed part of a dump, and the tables in it."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from kapi.errors import Problem
from kapi.front.web.declared.sealed import opened, seal
from kapi.store import Store
from kapi.store.registered_clients import RegisteredClient, RegisteredClients
from kapi.store.users import StoredUser, UserStore
from kapi.store.whole.backups import Backups

PASSPHRASE = "several random words"


def test_only_the_passphrase_opens_what_is_sealed() -> None:
    content = {"secrets": {"default/a/b": "hidden value"}}
    sealed = seal(content, PASSPHRASE, os.urandom)
    assert "hidden" not in sealed
    assert opened(sealed, PASSPHRASE) == content
    assert opened(f"{sealed[:40]}\n{sealed[40:]}\n", PASSPHRASE) == content
    changed = sealed[:60] + ("A" if sealed[60] != "A" else "B") + sealed[61:]
    for text, passphrase in ((sealed, "several other words"), (changed, PASSPHRASE)):
        with pytest.raises(Problem, match="does not open"):
            opened(text, passphrase)
    for text in ("", "eA==", "no base64!"):
        with pytest.raises(Problem, match="not one of this version"):
            opened(text, PASSPHRASE)
    with pytest.raises(Problem, match="12 to 1024 characters"):
        seal(content, "short", os.urandom)


def test_a_dump_of_this_version_stays_readable() -> None:
    """Version, salt, nonce and cost are the format: what was written must open later."""
    written = "AQABAgMEBQYHCAkKCwwNDg8AAQIDBAUGBwgJCgsQPiJMPqyidErS+ls+Mha7/SF+YimO4CM="
    assert seal({"a": 1}, PASSPHRASE, lambda size: bytes(range(size))) == written
    assert opened(written, PASSPHRASE) == {"a": 1}
    # Version, salt and nonce are there, and nothing that was encrypted.
    with pytest.raises(Problem, match="does not open"):
        opened(base64.b64encode(base64.b64decode(written)[:29]).decode(), PASSPHRASE)
    with pytest.raises(Problem, match="not one of this version"):
        opened(base64.b64encode(base64.b64decode(written)[:28]).decode(), PASSPHRASE)


def test_rows_are_replaced_and_put_back(tmp_path: Path) -> None:
    old, new = Store.open(tmp_path / "old.db"), Store.open(tmp_path / "new.db")
    UserStore(old.database).add(
        StoredUser("ada", "digest", {}, 1, "subject-1", disabled=True)
    )
    metadata = {"settings": {}, "about": {}}
    RegisteredClients(old.database).put(
        RegisteredClient("c", metadata, b"\x00s", b"\xffd", "t", 2)
    )
    before = Backups(new.database).replace(Backups(old.database).read())
    assert UserStore(new.database).all() == UserStore(old.database).all()
    assert (
        RegisteredClients(new.database).all() == RegisteredClients(old.database).all()
    )
    assert Backups(new.database).filled() == ("users", "registered_clients")
    Backups(new.database).replace(before)
    assert Backups(new.database).filled() == ()
    old.close()
    new.close()
