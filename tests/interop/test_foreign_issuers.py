"""Issuers that others wrote, as third parties: their tokens are accepted like ours, their rotations
followed, attacks refused.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from foreign_issuers import (
    Foreign,
    auth0_simulator,
    fetched,
    glewlwyd,
    oauth2_mock_server,
    oidc_provider,
)

from harness import DEFINITION, Answer, Echo, Platform, conf, free_port
from outsiders import attacks
from waiting import until

MAKERS = {
    "oidc-provider, RS256": lambda folder: oidc_provider(folder, "RS256"),
    "oidc-provider, ES256": lambda folder: oidc_provider(folder, "ES256"),
    "oidc-provider, PS256": lambda folder: oidc_provider(folder, "PS256"),
    "oauth2-mock-server": oauth2_mock_server,
    "auth0-simulator": auth0_simulator,
    "glewlwyd": glewlwyd,
}
SIGNS_ANEW = ("oidc-provider, RS256", "oauth2-mock-server")


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    running = Platform(
        free_port(),
        tmp_path_factory.mktemp("kapi") / "data",
        environment={"KAPI_IDENTITY__KEYS_COOLDOWN": "1"},
    )
    running.start()
    assert (
        running.deploy(conf(port=backend.server_address[1]), DEFINITION).status == 200
    )
    yield running
    running.stop()
    backend.shutdown()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "eyJ" not in logs, "a token is in a log"


@pytest.fixture
def issuer(
    request: pytest.FixtureRequest, platform: Platform, tmp_path: Path
) -> Iterator[Foreign]:
    foreign = MAKERS[request.param](tmp_path)
    try:
        trusted = ("--ca", str(foreign.ca)) if foreign.ca else ()
        platform.cli(
            "issuer", "add", *foreign.arguments, "--name", foreign.name, *trusted
        )
        yield foreign
        platform.cli("issuer", "remove", foreign.name)
    finally:
        foreign.stop()


every_issuer = pytest.mark.parametrize("issuer", list(MAKERS), indirect=True)


def call(platform: Platform, token: str, path: str = "/items/1") -> Answer:
    return platform.request(
        "default.gw.wso2.com",
        f"/echo/1.0.0{path}",
        "-H",
        f"Authorization: Bearer {token}",
    )


@every_issuer
def test_its_tokens_are_accepted_and_refused_once_it_is_removed(
    platform: Platform, issuer: Foreign
) -> None:
    token = issuer.token("items:read")
    assert call(platform, token).status == 200
    system = platform.api("/api/deployer/1.2.0/apis", token=token)
    # It did not give the scope that deploys: it is known, and may not.
    assert (system.status, system.json()["code"]) == (403, 900910)
    assert (
        "FAIL"
        not in platform.cli("issuer", "test", issuer.name, "-", stdin=token).stdout
    )
    platform.cli("issuer", "remove", issuer.name)
    assert call(platform, token).status == 401
    assert platform.api("/api/deployer/1.2.0/apis", token=token).status == 401
    trusted = ("--ca", str(issuer.ca)) if issuer.ca else ()
    platform.cli("issuer", "add", *issuer.arguments, "--name", issuer.name, *trusted)
    assert call(platform, token).status == 200


@every_issuer
def test_who_cannot_sign_gets_nowhere(platform: Platform, issuer: Foreign) -> None:
    (jwk, *_) = fetched(issuer.jwks)["keys"]
    for label, token in attacks(
        issuer.token("items:read"), jwk, "https://localhost:1"
    ).items():
        for answer in (
            call(platform, token, "/items"),
            platform.api("/api/deployer/1.2.0/apis", token=token),
        ):
            assert (answer.status, str(answer.json()["code"])) == (401, "900901"), label


@every_issuer
def test_its_tokens_live_on_while_it_is_down(
    platform: Platform, issuer: Foreign
) -> None:
    token = issuer.token("items:read")
    issuer.stop()
    assert call(platform, token).status == 200
    failed = platform.cli("issuer", "test", issuer.name, token, check=False)
    assert failed.returncode == 1
    assert "ok    signature" in failed.stdout


@pytest.mark.parametrize("issuer", SIGNS_ANEW, indirect=True)
def test_a_restart_with_new_keys_is_followed(
    platform: Platform, issuer: Foreign
) -> None:
    old = issuer.token("items:read")
    assert call(platform, old).status == 200
    issuer.restart()
    new = issuer.token("items:read")
    until(lambda: call(platform, new).status == 200)
    if issuer.name == "oauth2-mock-server":
        assert call(platform, old).status == 401, "its key is gone"


def test_a_token_of_each_is_worthless_at_the_others(
    platform: Platform, tmp_path: Path
) -> None:
    one, other = oauth2_mock_server(tmp_path), oauth2_mock_server(tmp_path)
    try:
        platform.cli("issuer", "add", *one.arguments, "--name", "one", "--for", "acme")
        platform.cli("issuer", "add", *other.arguments, "--name", "other")
        assert call(platform, other.token("items:read")).status == 200
        assert call(platform, one.token("items:read")).status == 401, (
            "trusted for acme alone"
        )
    finally:
        for foreign, name in ((one, "one"), (other, "other")):
            foreign.stop()
            platform.cli("issuer", "remove", name)
