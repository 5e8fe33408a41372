"""URLs of the database: what they may contain, and what is shown of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kapi.errors import SettingsError
from kapi.identity.settings import read_settings
from kapi.settings.store import without_password


def refused(tmp_path: Path, url: str) -> str:
    with pytest.raises(SettingsError) as raised:
        read_settings({"data_dir": tmp_path, "store.database": url}, {}, tmp_path, None)
    return " ".join(item.message for item in raised.value.diagnostics)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///kapi",
        "postgresql://kapi@127.0.0.1/kapi",
        "postgresql://kapi:hunter%2F2@db.example:5432/kapi?sslmode=verify-full",
        "postgresql://kapi@a.example:5432,b.example:5433/kapi?target_session_attrs=any",
        "postgresql://kapi@[::1]:5432/kapi",
        "postgresql:///kapi?host=/var/run/postgresql&user=kapi",
    ],
)
def test_urls_of_libpq_are_taken(tmp_path: Path, url: str) -> None:
    settings = read_settings(
        {"data_dir": tmp_path, "store.database": url}, {}, tmp_path, None
    )
    assert settings.store.database == url


@pytest.mark.parametrize("character", list("/?#@"))
def test_a_password_that_would_be_read_as_another_part_is_refused(
    tmp_path: Path, character: str
) -> None:
    url = f"postgresql://kapi:hunter{character}two@db.example/kapi"
    said = refused(tmp_path, url)
    assert "must be a postgresql:// URL" in said
    assert "hunter" not in said
    assert "two" not in said
    assert "hunter" not in without_password(url)
    assert "two" not in without_password(url)
