"""A provider and a person at a browser, for the tests of what people see."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from flows import Clock, client, person_at, provider_app, public
from kapi.settings import UserSettings
from person import Person

CLIENTS = (
    client(),
    client("strict", require_pkce=True),
    client("two", redirect_uris=("https://two.example/a?x=1", "https://two.example/b")),
    client("none", redirect_uris=()),
    client("machine", grants=("client_credentials",)),
    client("limited", scopes=("openid", "read"), consent="never"),
    client("offline", refresh_requires_offline_access=True, consent="always"),
    client("once", grants=("authorization_code",)),
    client(
        "pair",
        subject_type="pairwise",
        sector_identifier="sector",
        userinfo_signed_response_alg="ES256",
        consent="never",
    ),
    client(
        "pair2",
        subject_type="pairwise",
        id_token_signed_response_alg="EdDSA",
        consent="never",
    ),
    public(
        "television",
        grants=("urn:ietf:params:oauth:grant-type:device_code",),
        name="<script>tv</script>",
    ),
    client("aged", default_max_age=100, consent="never"),
    client("<script>alert(1)</script>", name="<img src=x onerror=alert(1)>"),
    public(),
    public(
        "native",
        redirect_uris=(
            "http://127.0.0.1/cb",
            "http://[::1]:7000/cb",
            "http://localhost:3000/cb",
            "com.example.app:/cb",
        ),
    ),
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def with_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has its keys: making them costs more than most tests."""
    folder = tmp_path_factory.mktemp("keys")
    provider_app(folder, Clock(), *CLIENTS)
    return folder / "kapi.db"


@pytest.fixture
def app(tmp_path: Path, clock: Clock, with_keys: Path) -> Any:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    from kapi.settings import IdentitySettings

    carol = UserSettings(
        "carol",
        "carol's own password",
        groups=("staff", "admins"),
        claims={
            "name": "Carol C.",
            "email": "carol@example.com",
            "email_verified": True,
            "address": {"locality": "Colombo"},
            "phone_number": "+94 1",
            "sub": "somebody else",
            "scope": "apk:api_create",
            "clientId": "x",
            "department": "R&D",
        },
    )
    return provider_app(
        tmp_path, clock, *CLIENTS, users=(*IdentitySettings().users, carol)
    )


@pytest.fixture
def person(app: Any) -> Person:
    return person_at(app)
