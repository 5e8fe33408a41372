"""Revocation through the notification API: at deployed APIs, at the system APIs, and after a
restart.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import uuid
from collections.abc import Callable, Iterator

import pytest

from harness import BASIC, DEFINITION, Answer, Platform, conf, free_port
from standin import Key
from waiting import until

KEY = "a-key-of-the-test"
OTHERS = Key.make("others", "ES256")
OTHER_ISSUER = "https://others.example"
NOTIFY = "/api/notification/1.0.0/notify?type=TOKEN_REVOCATION"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "others.pem").write_text(OTHERS.pem())
    (folder / "kapi.toml").write_text(
        f'[[identity.issuers]]\nname = "others"\nissuer = "{OTHER_ISSUER}"\n'
        'public_key_file = "others.pem"\n'
    )
    arguments = ("--config", str(folder / "kapi.toml"))
    running = Platform(
        free_port(),
        folder / "data",
        arguments,
        environment={"KAPI_APIS__NOTIFICATION_KEY": KEY},
    )
    running.start()
    assert running.deploy(conf(port=echo), DEFINITION).status == 200
    yield running
    running.stop()
    logs = "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )
    assert "Traceback" not in logs
    assert KEY not in logs


def notify(
    platform: Platform, body: object, *, key: str | None = KEY, path: str = NOTIFY
) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = ["-H", f"stsAuthKey: {key}"] if key is not None else []
    return platform.api(
        path, "-X", "POST", *headers, "-H", "Content-Type: application/json", "-d", text
    )


def call(platform: Platform, token: str) -> Answer:
    return platform.request(
        "default.gw.wso2.com",
        "/echo/1.0.0/items",
        "-H",
        f"Authorization: Bearer {token}",
    )


def claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def eventually_refused(platform: Platform, token: str) -> Answer:
    until(lambda: call(platform, token).status != 200)
    return call(platform, token)


class Caller:
    """Calls the API over one connection, as fast as answers come."""

    def __init__(self, platform: Platform) -> None:
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1",
            platform.port,
            context=ssl._create_unverified_context(),
            timeout=20,
        )
        self.host = f"default.gw.wso2.com:{platform.port}"

    def status(self, token: str) -> int:
        self.connection.request(
            "GET",
            "/echo/1.0.0/items",
            headers={"host": self.host, "authorization": f"Bearer {token}"},
        )
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def wait_until_refused(self, token: str) -> None:
        until(lambda: self.status(token) != 200)
        assert self.status(token) == 401


def revoke_inbuilt(platform: Platform, token: str) -> None:
    form = ("-H", f"Authorization: Basic {BASIC}", "-d", f"token={token}")
    assert platform.request("idp.am.wso2.com", "/oauth2/revoke", *form).status == 200


def revoke_by_notification(platform: Platform, token: str) -> None:
    assert notify(platform, {"token": token}).status == 200


def others_token(_: Platform) -> str:
    return OTHERS.token({"iss": OTHER_ISSUER, "azp": "c", "jti": str(uuid.uuid4())})


@pytest.mark.parametrize(
    ("issue", "revoke"),
    [
        pytest.param(Platform.token, revoke_inbuilt, id="inbuilt, RFC 7009"),
        pytest.param(
            Platform.token, revoke_by_notification, id="inbuilt, notification"
        ),
        pytest.param(
            others_token, revoke_by_notification, id="of another issuer, notification"
        ),
    ],
)
def test_a_revoked_token_is_soon_refused_at_the_gateway(
    platform: Platform,
    issue: Callable[[Platform], str],
    revoke: Callable[[Platform, str], None],
) -> None:
    caller = Caller(platform)
    for _ in range(3):
        token = issue(platform)
        # Twice, so that the gateway has it in its cache of good tokens.
        assert [caller.status(token) for _ in range(2)] == [200, 200]
        revoke(platform, token)
        caller.wait_until_refused(token)
        assert caller.status(token) == 401


def test_revocations_in_a_row_are_soon_all_in_force(platform: Platform) -> None:
    caller = Caller(platform)
    for _ in range(3):
        tokens = [platform.token() for _ in range(6)]
        for token in tokens:
            revoke_inbuilt(platform, token)
        for token in tokens:
            caller.wait_until_refused(token)


def test_a_revoked_token_is_refused_everywhere_and_after_a_restart(
    platform: Platform,
) -> None:
    token, other = platform.token("apk:api_create"), platform.token("apk:api_create")
    assert call(platform, token).status == 200
    answer = notify(platform, {"token": token})
    assert (answer.status, answer.json()) == (
        200,
        {"message": "Token revoked successfully"},
    )
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
def test_without_the_key_nothing_is_revoked(
    platform: Platform, key: str | None
) -> None:
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
    ],
)
def test_a_bad_body_is_told_what_is_wrong(
    platform: Platform, body: object, error: str
) -> None:
    answer = notify(platform, body)
    assert (answer.status, answer.json()) == (400, {"error": error})


@pytest.mark.parametrize(
    "body",
    [
        "[1]",
        "{",
        "[" * 60_000,
        '{"jti": "\\ud800", "expiry": 99999999999}',
        '{"jti": "a", "jti": "b"}',
    ],
)
def test_a_body_that_is_no_json_object_gets_the_answer_of_every_system_api(
    platform: Platform, body: str
) -> None:
    answer = notify(platform, body)
    assert (answer.status, answer.json()["code"]) == (400, 900955)


def test_another_type_is_refused(platform: Platform) -> None:
    for path in (
        "/api/notification/1.0.0/notify?type=OTHER",
        "/api/notification/1.0.0/notify",
    ):
        answer = notify(platform, {"token": "x"}, path=path)
        assert (answer.status, answer.json()) == (400, {"error": "Invalid type"})


@pytest.mark.parametrize("named", ["token", "jti"])
def test_a_token_of_the_second_name_is_revoked_everywhere(
    platform: Platform, named: str
) -> None:
    """Revocations of the inbuilt provider are those of its first issuer, under each name."""
    asked = ("-H", f"Authorization: Basic {BASIC}", "-d")
    form = "grant_type=client_credentials&scope=apk:api_create"
    answer = platform.request("idp.localhost", "/oauth2/token", *asked, form)
    token = answer.json()["access_token"]
    said = claims(token)
    assert said["iss"] == f"https://idp.localhost:{platform.port}"
    assert platform.api("/api/deployer/1.2.0/apis", token=token).status == 200
    body: dict[str, object] = {"token": token}
    if named == "jti":
        body = {"jti": said["jti"], "expiry": said["exp"], "issuer": said["iss"]}
    assert notify(platform, body).status == 200
    assert platform.api("/api/deployer/1.2.0/apis", token=token).status == 401
    told = platform.request(
        "idp.localhost", "/oauth2/introspect", *asked, f"token={token}"
    )
    assert told.json() == {"active": False}
    assert eventually_refused(platform, token).status == 401
