"""Forged and misused tokens through the whole platform: at a deployed API and at the system APIs,
for each kind of issuer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from attacks import compact, forged, rs256
from harness import DEFINITION, Platform, conf, free_port

OTHER = "https://login.example/tenant"
SCOPES = "b apk:api_create"


@pytest.fixture(scope="module")
def other() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, echo: int, other: rsa.RSAPrivateKey
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    (folder / "other.pem").write_bytes(
        other.public_key().public_bytes(serialization.Encoding.PEM, info)
    )
    (folder / "kapi.toml").write_text(
        f'[[identity.issuers]]\nname = "other"\nissuer = "{OTHER}"\npublic_key_file = "other.pem"\n'
    )
    running = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    running.start()
    assert running.deploy(conf(port=echo), DEFINITION).status == 200
    yield running
    running.stop()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "eyJ" not in logs


@pytest.fixture(scope="module")
def inbuilt(platform: Platform) -> tuple[rsa.RSAPrivateKey, str]:
    with sqlite3.connect(platform.data_dir / "kapi.db") as db:
        kid, pem = db.execute(
            "SELECT kid, private_pem FROM signing_keys WHERE algorithm = 'RS256'"
        ).fetchone()
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key, kid


def everywhere(
    platform: Platform, token: str
) -> tuple[tuple[int, str], tuple[int, str]]:
    """Status and code at a deployed API, and at a system API."""
    api = platform.request(
        "default.gw.wso2.com",
        "/echo/1.0.0/items",
        "-H",
        f"Authorization: Bearer {token}",
    )
    system = platform.api("/api/deployer/1.2.0/apis", token=token)
    return tuple(
        (answer.status, str(answer.json().get("code", ""))) for answer in (api, system)
    )  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["inbuilt", "other"])
def test_no_forged_token_passes_anywhere(
    platform: Platform,
    inbuilt: tuple[rsa.RSAPrivateKey, str],
    other: rsa.RSAPrivateKey,
    kind: str,
) -> None:
    key, kid, issuer = (
        (*inbuilt, "https://idp.am.wso2.com/token")
        if kind == "inbuilt"
        else (other, "other", OTHER)
    )
    tokens = forged(key, kid, issuer, scope=SCOPES)
    if kind == "other":
        # Nobody pinned it to RS256.
        del tokens["ps256-of-the-right-key"]
    with ThreadPoolExecutor(8) as pool:
        answers = dict(
            zip(
                tokens,
                pool.map(lambda token: everywhere(platform, token), tokens.values()),
                strict=True,
            )
        )
    expected = {name: ("900903" if name == "expired" else "900901") for name in tokens}
    expired = {"exp-is-zero", "exp-is-negative"}
    wrong = {
        name: found
        for name, found in answers.items()
        if found != ((401, expected[name]),) * 2
    }
    assert all(status == 401 for name in expired for status, _ in wrong.pop(name))
    # The key type belongs to hosts of APIs.
    assert {
        name: found for name, found in wrong.items() if not name.startswith("key-type")
    } == {}
    assert all(found[0] == (401, "900901") for name, found in wrong.items())


@pytest.mark.parametrize("kind", ["inbuilt", "other"])
def test_a_good_token_of_each_issuer_passes(
    platform: Platform,
    inbuilt: tuple[rsa.RSAPrivateKey, str],
    other: rsa.RSAPrivateKey,
    kind: str,
) -> None:
    import time

    key, kid, issuer = (
        (*inbuilt, "https://idp.am.wso2.com/token")
        if kind == "inbuilt"
        else (other, "other", OTHER)
    )
    claims = {"iss": issuer, "sub": "me", "exp": int(time.time()) + 60, "scope": SCOPES}
    header = {"alg": "RS256", "typ": "JWT"}
    if kind == "inbuilt":
        # The mark of its access tokens.
        header["kid"] = kid
        claims["clientId"] = "me"
    assert [
        status
        for status, _ in everywhere(platform, compact(header, claims, rs256(key)))
    ] == [
        200,
        200,
    ]


def test_a_key_of_one_issuer_signs_for_no_other(
    platform: Platform, inbuilt: tuple[rsa.RSAPrivateKey, str], other: rsa.RSAPrivateKey
) -> None:
    import time

    claims = {"sub": "me", "exp": int(time.time()) + 60, "scope": SCOPES}
    for key, issuer in ((inbuilt[0], OTHER), (other, "https://idp.am.wso2.com/token")):
        for kid in (inbuilt[1], "other", None):
            header = {"alg": "RS256", **({"kid": kid} if kid else {})}
            token = compact(header, {**claims, "iss": issuer}, rs256(key))
            assert [status for status, _ in everywhere(platform, token)] == [401, 401]


def test_without_credentials(platform: Platform) -> None:
    for scheme in ("", "Bearer", "Basic eDp5", "Digest x", "DPoP x.y.z"):
        answer = platform.request(
            "default.gw.wso2.com", "/echo/1.0.0/items", "-H", f"Authorization: {scheme}"
        )
        assert (answer.status, answer.json()["code"]) == (401, "900902"), scheme
        where = (
            f"https://default.gw.wso2.com:{platform.port}/.well-known/oauth-protected-resource/"
            "echo/1.0.0"
        )
        assert (
            answer.headers["www-authenticate"]
            == f'Bearer realm="kapi", resource_metadata="{where}"'
        )
