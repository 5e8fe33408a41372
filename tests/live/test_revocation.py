"""Revocation through the notification API: at deployed APIs, at the system APIs, and after a restart."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest

from harness import DEFINITION, Answer, Platform, conf, free_port

KEY = "a-key-of-the-test"
NOTIFY = "/api/notification/1.0.0/notify?type=TOKEN_REVOCATION"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data", environment={"KAPI_APIS__NOTIFICATION_KEY": KEY})
    running.start()
    assert running.deploy(conf(port=echo), DEFINITION).status == 200
    yield running
    running.stop()
    logs = "".join(path.read_text() for path in (running.data_dir / "logs").glob("*.log"))
    assert "Traceback" not in logs
    assert KEY not in logs


def notify(platform: Platform, body: object, *, key: str | None = KEY, path: str = NOTIFY) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = ["-H", f"stsAuthKey: {key}"] if key is not None else []
    return platform.api(path, "-X", "POST", *headers, "-H", "Content-Type: application/json", "-d", text)


def call(platform: Platform, token: str) -> Answer:
    return platform.request("default.gw.wso2.com", "/echo/1.0.0/items", "-H", f"Authorization: Bearer {token}")


def claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def eventually_refused(platform: Platform, token: str) -> Answer:
    deadline = time.monotonic() + 10
    while (answer := call(platform, token)).status == 200:
        assert time.monotonic() < deadline
    return answer


def test_a_revoked_token_is_refused_everywhere_and_after_a_restart(platform: Platform) -> None:
    token, other = platform.token("apk:api_create"), platform.token("apk:api_create")
    assert call(platform, token).status == 200
    answer = notify(platform, {"token": token})
    assert (answer.status, answer.json()) == (200, {"message": "Token revoked successfully"})
    refused = platform.api("/api/deployer/1.2.0/apis", token=token)
    assert (refused.status, refused.json()["code"]) == (401, 900901)
    assert eventually_refused(platform, token).json()["code"] == "900901"
    platform.stop()
    platform.start()
    assert call(platform, token).status == 401
    assert platform.api("/api/deployer/1.2.0/apis", token=token).status == 401
    assert call(platform, other).status == 200
    assert platform.api("/api/deployer/1.2.0/apis", token=other).status == 200


def test_a_token_may_be_named_by_its_jti(platform: Platform) -> None:
    token = platform.token()
    said = claims(token)
    milliseconds = {"jti": said["jti"], "expiry": int(said["exp"]) * 1000}
    assert notify(platform, milliseconds).status == 200
    assert eventually_refused(platform, token).status == 401


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], "ü"])
def test_without_the_key_nothing_is_revoked(platform: Platform, key: str | None) -> None:
    answer = notify(platform, {"token": platform.token()}, key=key)
    assert (answer.status, answer.json()) == (401, {"error": "Unauthorized request"})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"jti": "1", "expiry": 1000}, "Token is already expired"),
        ({"jti": "1"}, "Invalid expiry: seconds since the epoch"),
        ({"jti": "1", "expiry": True}, "Invalid expiry: seconds since the epoch"),
        ({"jti": "1", "expiry": 1e300}, "Invalid expiry: seconds since the epoch"),
        ({"jti": "", "expiry": 99999999999}, "Invalid jti"),
        ({"jti": "a\nb", "expiry": 99999999999}, "Invalid jti"),
        ({"jti": "1", "expiry": 99999999999, "issuer": 7}, "Invalid issuer"),
        ({"token": "a.b.c"}, "Invalid token: not a JWT"),
        ({"token": "opaque"}, "Invalid token: not a JWT"),
        ({"token": "e30.e30.x"}, "Token has no jti"),
        ({}, "Invalid request body: send either token, or jti and expiry"),
        ("[1]", "Invalid request body: send JSON with token, or with jti and expiry"),
        ("{", "Invalid request body: send JSON with token, or with jti and expiry"),
        ("[" * 60_000, "Invalid request body: send JSON with token, or with jti and expiry"),
    ],
)
def test_a_bad_body_is_told_what_is_wrong(platform: Platform, body: object, error: str) -> None:
    answer = notify(platform, body)
    assert (answer.status, answer.json()) == (400, {"error": error})


def test_another_type_is_refused(platform: Platform) -> None:
    for path in ("/api/notification/1.0.0/notify?type=OTHER", "/api/notification/1.0.0/notify"):
        answer = notify(platform, {"token": "x"}, path=path)
        assert (answer.status, answer.json()) == (400, {"error": "Invalid type"})
