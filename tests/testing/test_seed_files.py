"""Seeds as files: YAML documents, one for each thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kapi.errors import SettingsError
from kapi.jose.jwt import parse_jwt
from kapi.testing import Server

FILE = """
kind: Provider
token_lifetime: 300
---
kind: Client
id: shop
secret: s
grants: [client_credentials]
---
kind: User
username: carol
password: p
organizations: [acme]
claims: {email: carol@acme.example}
---
"""


def test_a_file_is_loaded_exported_and_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(FILE)
    with Server() as server:
        issuer = server.issuer("shop", seed=path)
        claims = parse_jwt(issuer.token(user="carol")).claims
        assert claims["exp"] - claims["iat"] == 300
        assert issuer.client == ("shop", "s")
        other = server.issuer(seed=issuer.seed_file())
        assert other.seed() == issuer.seed()
        path.write_text(FILE.replace("300", "60"))
        issuer.reseed(path)
        claims = parse_jwt(issuer.token(user="carol")).claims
        assert claims["exp"] - claims["iat"] == 60


def test_files_of_kapi_apply_are_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed.yaml"
    path.write_text(
        "kind: Client\nid: shop\nsecret: {env: SEED_SECRET}\nowner: me\n---\n"
        "kind: User\nusername: carol\npassword: {file: carol}\n---\n"
        "kind: API\nconf: a.apk-conf\ndefinition: a.yaml\n"
    )
    with Server() as server:
        with pytest.raises(
            ValueError, match="document 1: secret: the variable SEED_SECRET"
        ) as no:
            server.issuer("shop", seed=path)
        assert "document 2: password: cannot read" in str(no.value)
        monkeypatch.setenv("SEED_SECRET", "s")
        (tmp_path / "carol").write_text("correct horse\n")
        issuer = server.issuer("shop", seed=path)
        assert issuer.client == ("shop", "s")
        assert issuer.seed()["users"][0]["password"] == "correct horse"


def test_a_file_over_http() -> None:
    yaml = {"content-type": "application/yaml"}
    path = "/testing/issuers/shop/seed"
    with Server() as server:
        answer = server.request("PUT", path, body=FILE.encode(), headers=yaml)
        assert answer.status == 200, answer.text
        assert answer.json()["token_lifetime"] == 300
        shown = server.request("GET", path, headers={"accept": "application/yaml"})
        assert shown.header("content-type") == "application/yaml"
        again = server.request("PUT", path, body=shown.body, headers=yaml)
        assert again.json() == answer.json()
        refused = server.request("POST", "/testing/mint", body=b"kind: x", headers=yaml)
        assert refused.status == 400


def test_every_mistake_of_a_file_is_told() -> None:
    with Server() as server:
        for text, words in (
            (
                "kind: Nonsense\n---\nid: shop",
                ("'Nonsense' is not a kind", "kind is missing"),
            ),
            (
                "kind: Provider\na: 1\n---\nkind: Provider\na: 2",
                ("a is there already",),
            ),
            ("kind: [", ("not YAML",)),
        ):
            with pytest.raises(ValueError, match=r"document|YAML") as caught:
                server.issuer(seed=text)
            assert [word for word in words if word not in str(caught.value)] == []
        with pytest.raises(SettingsError):
            server.issuer(seed="kind: Client\nnonsense: 1")
