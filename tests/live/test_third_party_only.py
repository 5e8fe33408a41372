"""`identity.enabled = false`: the platform runs on other issuers alone and refuses the tokens of
the inbuilt provider.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import DEFINITION, Platform, conf, free_port
from standin import Key, StandIn

KEY = Key.make("k")


@dataclass
class World:
    platform: Platform
    standin: StandIn
    inbuilt_token: str
    token: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[World]:
    """A platform that was used with the inbuilt provider, then went to production."""
    standin = StandIn(keys=[KEY.jwk()]).start()
    standin.discover(standin.url)
    folder: Path = tmp_path_factory.mktemp("kapi")
    (folder / "off.toml").write_text("[identity]\nenabled = false\n")
    platform = Platform(free_port(), folder / "data")
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    platform.cli(
        "issuer", "add", "oidc", standin.url, "--name", "main", "--ca", str(standin.ca)
    )
    inbuilt_token = platform.token("apk:api_create kapi:issuers items:read")
    assert (
        platform.request(
            "default.gw.wso2.com",
            "/echo/1.0.0/items",
            "-H",
            f"Authorization: Bearer {inbuilt_token}",
        ).status
        == 200
    )
    platform.stop()
    # On the network: the well-known client is no hindrance, because it cannot be used.
    platform.arguments = ("--config", str(folder / "off.toml"), "--listen", "0.0.0.0")
    platform.start()
    claims = {"iss": standin.url, "scope": "apk:api_create kapi:issuers items:read"}
    yield World(platform, standin, inbuilt_token, KEY.token(claims))
    platform.stop()
    standin.stop()


def test_tokens_of_other_issuers_are_accepted_everywhere(world: World) -> None:
    for path in ("/items", "/items/1"):
        answer = world.platform.request(
            "default.gw.wso2.com",
            f"/echo/1.0.0{path}",
            "-H",
            f"Authorization: Bearer {world.token}",
        )
        assert answer.status == 200
    assert (
        world.platform.api("/api/deployer/1.2.0/apis", token=world.token).status == 200
    )
    assert (
        world.platform.api("/api/issuers", token=world.token).json()["issuers"][0][
            "name"
        ]
        == "main"
    )


def test_tokens_of_the_inbuilt_provider_are_refused_everywhere(world: World) -> None:
    for answer in (
        world.platform.request(
            "default.gw.wso2.com",
            "/echo/1.0.0/items",
            "-H",
            f"Authorization: Bearer {world.inbuilt_token}",
        ),
        world.platform.api("/api/deployer/1.2.0/apis", token=world.inbuilt_token),
    ):
        assert (answer.status, str(answer.json()["code"])) == (401, "900901")


def test_there_is_no_provider_and_no_process_for_one(world: World) -> None:
    state = world.platform.state()
    assert state is not None
    assert sorted(state["children"]) == ["control", "envoy"]
    for path in (
        "/oauth2/token",
        "/oauth2/jwks",
        "/.well-known/openid-configuration",
        "/health",
    ):
        assert world.platform.request("idp.am.wso2.com", path).status == 404
    assert (
        "NON-PRODUCTION" not in world.platform.output().rpartition("kapi is ready")[2]
    )
    assert "There is no inbuilt identity provider" in world.platform.output()


def test_the_command_line_works_with_a_token_and_says_so_without(world: World) -> None:
    off = {"KAPI_IDENTITY__ENABLED": "false"}
    refused = world.platform.cli("apis", check=False, environment=off)
    assert refused.returncode == 4
    assert "KAPI_TOKEN" in refused.stderr
    listed = world.platform.cli(
        "apis", "-o", "json", environment={**off, "KAPI_TOKEN": world.token}
    )
    assert '"Echo"' in listed.stdout
    assert world.platform.cli("status", environment=off).returncode == 0
    assert (
        "there is no inbuilt identity provider"
        in world.platform.cli("doctor", check=False, environment=off).stdout
    )
