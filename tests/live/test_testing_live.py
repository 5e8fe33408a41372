"""The powers of a test on a whole platform: over HTTP, by command, and against the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Platform, free_port

HOST = "idp.am.wso2.com"


@pytest.fixture(scope="module")
def testing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp("testing")
    platform = Platform(free_port(), folder / "data", ("--testing",))
    platform.start()
    yield platform
    platform.stop()


def test_the_gateway_accepts_minted_tokens_and_refuses_wrong_ones(
    testing: Platform,
) -> None:
    def status(*arguments: str) -> int:
        token = testing.cli("token", *arguments).stdout.strip()
        return testing.api("/api/users", token=token).status

    right = testing.cli(
        "token", "--user", "org1user", "--scope", "kapi:users"
    ).stdout.strip()
    assert testing.api("/api/users", token=right).status == 200
    for recipe in (
        "expired",
        "alg-none",
        "hs256-public-key",
        "wrong-key",
        "issuer-slash",
    ):
        assert status("--recipe", recipe) == 401, recipe
    done = testing.cli(
        "explain", testing.cli("token", "--expired").stdout.strip(), check=False
    )
    assert (done.returncode, "expired" in done.stdout) == (1, True)
    assert testing.cli("explain", right).returncode == 0


def test_clock_faults_and_journal_by_command(testing: Platform) -> None:
    testing.cli(
        "testing", "fault", "status", "503", "--endpoint", "token", "--times", "1"
    )
    assert testing.request(HOST, "/oauth2/token", "-d", "grant_type=x").status == 503
    assert testing.request(HOST, "/oauth2/token", "-d", "grant_type=x").status == 401
    entries = json.loads(
        testing.cli("testing", "journal", "--endpoint", "token", "-o", "json").stdout
    )
    assert [entry["status"] for entry in entries[-2:]] == [503, 401]
    testing.cli("testing", "clock", "travel", "7200")
    ahead = testing.token()
    assert testing.api("/api/keys", token=ahead).status == 401
    testing.cli("testing", "reset")
    refused = testing.cli("testing", "keys", "rotate", check=False)
    assert "kapi key" in refused.stderr


def test_an_issuer_of_its_own_is_behind_the_gateway(testing: Platform) -> None:
    testing.cli("testing", "issuer", "acme", "--strictness", "lenient")
    document = testing.request(
        HOST, "/issuers/acme/.well-known/openid-configuration"
    ).json()
    assert document["issuer"] == f"https://{HOST}:{testing.port}/issuers/acme"
    before = testing.request(HOST, "/issuers/acme/oauth2/jwks").json()
    testing.cli("testing", "keys", "emergency", "--issuer", "acme")
    after = testing.request(HOST, "/issuers/acme/oauth2/jwks").json()
    assert before != after
    page = testing.request(HOST, "/testing", "-H", "Origin: https://evil.example")
    assert page.status == 400


def test_an_emulated_provider_is_trusted_as_the_real_one(testing: Platform) -> None:
    made = testing.cli("issuer", "emulate", "auth0", "--domain", "acme.eu.auth0.com")
    state = json.loads(made.stdout)
    assert state["issuer"] == "https://acme.eu.auth0.com/"
    keys = f"{state['base_url']}/.well-known/jwks.json"
    ca = str(testing.data_dir / "tls" / "ca.pem")
    trust = ("--domain", "acme.eu.auth0.com", "--audience", "https://orders.example")
    added = testing.cli("issuer", "add", "auth0", *trust, "--jwks", keys, "--ca", ca)
    assert "trusted: https://acme.eu.auth0.com/, 2 keys" in added.stderr
    wish = (
        "--issuer",
        "auth0",
        "--audience",
        "https://orders.example",
        "--scope",
        "kapi:keys",
    )

    def status(*more: str) -> int:
        token = testing.cli("token", *wish, *more).stdout.strip()
        return testing.api("/api/keys", token=token).status

    assert status() == 200
    for recipe in (
        "expired",
        "alg-none",
        "issuer-slash",
        "wrong-audience",
        "wrong-key",
    ):
        assert status("--recipe", recipe) == 401, recipe
