"""Token exchange with the tokens of a real third party: declared live, followed through a rotation,
by two workers, through the gateway.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from harness import DEFINITION, Answer, Platform, conf, free_port
from standin import Key, StandIn
from waiting import until

A, B, STRANGER = Key.make("a"), Key.make("b"), Key.make("a")
IDP, GW = "idp.am.wso2.com", "default.gw.wso2.com"
KEY = "a-key-of-the-test"
ACCESS, ID = (
    f"urn:ietf:params:oauth:token-type:{name}_token" for name in ("access", "id")
)
GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
SETTINGS = f"""
[identity]
workers = 2
keys_cooldown = 1
keys_refresh = 3600
[[identity.clients]]
id = "orders"
secret = "a secret of the test"
grants = ["client_credentials", "{GRANT}"]
scopes = ["items:read"]
exchange_issuers = ["partner"]
[[identity.clients]]
id = "plain"
secret = "a secret of the test"
grants = ["{GRANT}"]
exchange_from = ["*"]
exchange_audiences = ["*"]
[[identity.clients]]
id = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
secret = "4fbd62ec-a92e-11ed-afa1-0242ac120002"
"""


@dataclass
class World:
    platform: Platform
    standin: StandIn

    def token(self, by: Key = A, **changes: Any) -> str:
        return by.token(
            {
                "iss": self.standin.url,
                "sub": "alice",
                "aud": "orders",
                "scope": "items:read",
                "azp": "app",
                **changes,
            }
        )

    def exchange(
        self, token: str, client: str = "orders", kind: str = ACCESS
    ) -> Answer:
        fields = {
            "grant_type": GRANT,
            "subject_token": token,
            "subject_token_type": kind,
        }
        return self.platform.request(
            IDP,
            "/oauth2/token",
            "-u",
            f"{client}:a secret of the test",
            "-d",
            urlencode(fields),
        )

    def everywhere(self, token: str) -> set[int]:
        """The answers of several tries: both workers get some."""
        return {self.exchange(token).status for _ in range(8)}

    def call(self, token: str) -> Answer:
        return self.platform.request(
            GW, "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}"
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[World]:
    standin = StandIn(keys=[A.jwk()]).start()
    standin.discover(standin.url)
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(SETTINGS)
    arguments = ("--config", str(folder / "kapi.toml"))
    platform = Platform(
        free_port(),
        folder / "data",
        arguments,
        environment={"KAPI_APIS__NOTIFICATION_KEY": KEY},
    )
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    made = World(platform, standin)
    assert made.everywhere(made.token()) == {400}, "nobody knows the partner yet"
    ca = ("--ca", str(standin.ca))
    platform.cli(
        "issuer",
        "add",
        "oidc",
        standin.url,
        "--name",
        "partner",
        "--audience",
        "orders",
        *ca,
    )
    until(lambda: made.everywhere(made.token()) == {200})
    yield made
    platform.stop()
    standin.stop()
    logs = "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert "eyJ" not in logs, "a token is in a log"


def test_a_partner_s_token_becomes_one_of_ours(world: World) -> None:
    answer = world.exchange(world.token())
    ours = answer.json()["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(ours.split(".")[1] + "=="))
    assert (claims["iss"], claims["sub"], claims["act"]) == (
        "https://idp.am.wso2.com/token",
        "partner|alice",
        {"sub": "orders"},
    )
    assert claims["sub_id"] == {
        "format": "iss_sub",
        "iss": world.standin.url,
        "sub": "alice",
    }
    assert answer.json()["scope"] == "items:read"
    assert 0 < answer.json()["expires_in"] <= 600
    assert world.call(ours).status == 200
    asked = world.platform.request(
        IDP,
        "/oauth2/introspect",
        "-u",
        "orders:a secret of the test",
        "-d",
        f"token={ours}",
    ).json()
    assert (asked["active"], asked["sub"], asked["sub_id"]) == (
        True,
        "partner|alice",
        claims["sub_id"],
    )
    assert world.platform.request(
        IDP, "/oauth2/userinfo", "-H", f"Authorization: Bearer {ours}"
    ).status in {401, 403}
    # It says no more than it may: the system APIs need another scope.
    assert world.platform.api("/api/deployer/1.2.0/apis", token=ours).status == 403


HOSTILE: dict[str, dict[str, Any]] = {
    "the key of a stranger by the same name": {"by": STRANGER},
    "an expired token": {"exp": 1},
    "one for another service": {"aud": "invoices"},
    "an unknown issuer": {"iss": "https://unknown.example"},
    "this provider as the issuer": {"iss": "https://idp.am.wso2.com/token"},
    "an ID token": {"nonce": "n", "at_hash": "x", "aud": ["orders", "app"]},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_none_of_the_partner_s_access_tokens(world: World, what: str) -> None:
    answer = world.exchange(world.token(**HOSTILE[what]))
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


def test_who_may_and_which_kinds(world: World) -> None:
    assert (
        world.exchange(world.token(), client="plain").json()["error"]
        == "invalid_request"
    )
    assert world.exchange(world.token(), kind=ID).json()["error"] == "invalid_request"


def test_a_revoked_token_is_refused(world: World) -> None:
    token = world.token(jti="revoked-one")
    assert world.exchange(token).status == 200
    body = (
        "-X",
        "POST",
        "-H",
        f"stsAuthKey: {KEY}",
        "-H",
        "Content-Type: application/json",
        "-d",
        json.dumps({"token": token}),
    )
    assert (
        world.platform.api(
            "/api/notification/1.0.0/notify?type=TOKEN_REVOCATION", *body
        ).status
        == 200
    )
    until(lambda: world.everywhere(token) == {400})


def test_a_new_key_is_looked_for_and_a_withdrawn_one_is_refused(world: World) -> None:
    """Nobody calls an API with the new key: the workers themselves have the control process ask."""
    world.standin.keys = [B.jwk()]
    assert "try again" in world.exchange(world.token(by=B)).json()["error_description"]
    until(lambda: world.everywhere(world.token(by=B)) == {200})
    assert world.everywhere(world.token()) == {400}
    time.sleep(1.0)  # the cool-down
    world.standin.keys = [A.jwk()]
    until(lambda: world.everywhere(world.token()) == {200})


def test_it_works_after_a_restart_without_the_partner_and_ends_with_the_trust(
    world: World,
) -> None:
    world.standin.mode = "500"
    world.platform.stop()
    world.platform.start()
    assert world.everywhere(world.token()) == {200}
    world.platform.cli("issuer", "remove", "partner")
    until(lambda: world.everywhere(world.token()) == {400})
