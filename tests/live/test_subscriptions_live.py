"""Subscriptions and tiers through the real gateway, live within a second of a change."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_rate_limits_live import not_at_the_end_of
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from harness import DEFINITION, Answer, Platform, conf, free_port
from waiting import until
from ws_backend import web_socket, websocket_backend

GW, SANDBOX = "default.gw.wso2.com", "default.sandbox.gw.wso2.com"
CLIENTS = (
    "shop",
    "kiosk",
    "stranger",
    "gold",
    "bronze",
    "fixed",
    "alone",
    "twin-a",
    "twin-b",
)
SETTINGS = """
[gateway]
concurrency = 2

[subscriptions]
default_tier = "Default"

[[subscriptions.tiers]]
name = "Gold"
requests = 5
unit = "Hour"

[[subscriptions.tiers]]
name = "Bronze"
requests = 2
unit = "Hour"

[[subscriptions.tiers]]
name = "Bursty"
requests = 2
unit = "Day"
burst = 4
burst_unit = "Hour"
stop_on_quota_reach = false

[[subscriptions.tiers]]
name = "Default"
requests = 6
unit = "Hour"

[[subscriptions.applications]]
name = "fixed"
keys = [{consumer_key = "fixed"}, {consumer_key = "fixed-sandbox", type = "SANDBOX"}]
subscriptions = [{api = "Closed", version = "1[.].*"}]
""" + "".join(
    f'\n[[identity.clients]]\nid = "{name}"\nsecret = "{name}-secret"\n'
    for name in (*CLIENTS, "fixed-sandbox")
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(SETTINGS)
    running = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


def token(platform: Platform, client: str, scope: str = "") -> str:
    basic = base64.b64encode(f"{client}:{client}-secret".encode()).decode()
    fields = [
        "-d",
        "grant_type=client_credentials",
        *(["-d", f"scope={scope}"] if scope else []),
    ]
    return platform.request(
        "idp.am.wso2.com",
        "/oauth2/token",
        "-H",
        f"Authorization: Basic {basic}",
        *fields,
    ).json()["access_token"]


System = Callable[..., Answer]


@pytest.fixture(scope="module")
def system(platform: Platform) -> System:
    bearer = token(platform, "shop", "apk:api_create")

    def call(method: str, path: str, body: Any = None) -> Answer:
        content = (
            ["-d", json.dumps(body), "-H", "Content-Type: application/json"]
            if body is not None
            else []
        )
        return platform.api(path, "-X", method, *content, token=bearer)

    return call


def deployed(platform: Platform, name: str, version: str, port: int, more: str) -> None:
    text = conf(
        name,
        f"/{name.lower()}",
        version,
        port,
        more,
        '- {target: "/items", verb: GET}\n- {target: "/open", verb: GET, secured: false}\n',
    )
    text = text.replace(
        "operations:",
        f'  sandbox:\n    endpoint: "http://127.0.0.1:{port}/sandbox"\noperations:',
        1,
    )
    answer = platform.deploy(
        text, DEFINITION, token(platform, "shop", "apk:api_create")
    )
    assert answer.status == 200, answer.body


def calls(
    platform: Platform, client: str, path: str, times: int = 1, host: str = GW
) -> list[tuple[int, str]]:
    bearer = token(platform, client)
    answers = [
        platform.request(host, path, "-H", f"Authorization: Bearer {bearer}")
        for _ in range(times)
    ]
    return [
        (answer.status, "" if answer.status == 200 else answer.json()["code"])
        for answer in answers
    ]


def test_an_application_calls_what_it_has_a_subscription_to(
    platform: Platform, echo: int, system: System
) -> None:
    for version in ("1.0.0", "1.5.0", "2.0.0"):
        deployed(platform, "Closed", version, echo, "subscriptionValidation: true\n")
    path = "/closed/1.0.0/items"
    assert calls(platform, "kiosk", path) == [(403, "900908")]
    made = system("POST", "/api/applications", {"name": "kiosk"})
    assert (made.status, made.json()["source"]) == (201, "stored")
    assert (
        system("POST", "/api/applications/kiosk/keys", {"consumerKey": "kiosk"}).status
        == 201
    )
    assert calls(platform, "kiosk", path) == [(403, "900908")]
    wanted = {"application": "kiosk", "api": {"name": "Closed", "version": r"1\..*"}}
    subscription = system("POST", "/api/subscriptions", wanted).json()
    assert calls(platform, "kiosk", path) == [(200, "")]
    assert calls(platform, "kiosk", "/closed/1.5.0/items") == [(200, "")]
    assert calls(platform, "kiosk", "/closed/2.0.0/items") == [(403, "900908")]
    assert calls(platform, "kiosk", path, host=SANDBOX) == [(403, "900908")]
    assert calls(platform, "stranger", path) == [(403, "900908")]
    assert platform.request(GW, path).status == 401
    assert platform.request(GW, "/closed/1.0.0/open").status == 200
    for status, answer in (
        ("BLOCKED", (401, "900907")),
        ("ON_HOLD", (403, "900909")),
        ("PROD_ONLY_BLOCKED", (401, "900907")),
        ("ACTIVE", (200, "")),
    ):
        assert (
            system(
                "PATCH", f"/api/subscriptions/{subscription['id']}", {"status": status}
            ).json()["status"]
            == status
        )
        assert calls(platform, "kiosk", path) == [answer]
    # A version that comes later falls under the pattern at once.
    deployed(platform, "Closed", "1.9.0", echo, "subscriptionValidation: true\n")
    assert calls(platform, "kiosk", "/closed/1.9.0/items") == [(200, "")]
    assert system("DELETE", f"/api/subscriptions/{subscription['id']}").status == 204
    assert calls(platform, "kiosk", path) == [(403, "900908")]


def test_an_open_web_socket_ends_with_the_subscription(
    platform: Platform, system: System
) -> None:
    system("POST", "/api/applications", {"name": "watching"})
    system("POST", "/api/applications/watching/keys", {"consumerKey": "bronze"})
    wanted = {"application": "watching", "api": {"name": "Watched", "version": "1.0.0"}}
    subscription = system("POST", "/api/subscriptions", wanted).json()["id"]
    stream = "stream: {type: WebSocket, closeFrames: true}"
    with websocket_backend() as backend:
        text = conf(
            "Watched",
            "/watched",
            port=backend.port,
            extra="subscriptionValidation: true\n",
            operations=f"- {{target: /, verb: GET, {stream}}}\n",
        )
        bearer = token(platform, "shop", "apk:api_create")
        answer = platform.deploy(text, DEFINITION, bearer)
        assert answer.status == 200, answer.body
        path = "/watched/1.0.0/"
        with web_socket(platform.port, path, token=token(platform, "bronze")) as socket:
            assert system("DELETE", f"/api/subscriptions/{subscription}").status == 204
            with pytest.raises(ConnectionClosed):
                talk(socket)
            reason = "the subscription to the API has ended"
            assert (socket.close_code, socket.close_reason) == (1008, reason)
    system("DELETE", "/api/applications/watching")


def talk(socket: ClientConnection) -> None:
    """Send and receive until the connection ends, for at most 20 seconds."""
    for _ in range(400):
        socket.send("x")
        socket.recv(20)
        time.sleep(0.05)


def test_applications_of_the_settings_have_their_key_types_and_cannot_be_changed(
    platform: Platform, echo: int, system: System
) -> None:
    deployed(platform, "Closed", "1.0.0", echo, "subscriptionValidation: true\n")
    path = "/closed/1.0.0/items"
    assert calls(platform, "fixed", path) == [(200, "")]
    assert calls(platform, "fixed", path, host=SANDBOX) == [(403, "900908")]
    assert calls(platform, "fixed-sandbox", path, host=SANDBOX) == [(200, "")]
    assert system("DELETE", "/api/applications/fixed").status == 409
    listed = {
        item["name"]: item
        for item in system("GET", "/api/applications/1.2.0").json()["applications"]
    }
    assert listed["fixed"]["source"] == "settings"
    taken = system("POST", "/api/applications/kiosk/keys", {"consumerKey": "fixed"})
    assert taken.status in {404, 409}


def test_the_command_line_does_the_same(platform: Platform, echo: int) -> None:
    deployed(platform, "Line", "1.0.0", echo, "subscriptionValidation: true\n")
    run = platform_cli(platform)
    run("app", "create", "line")
    run("app", "add-key", "line", "alone")
    made = json.loads(
        run("subscription", "add", "line", "Line", "--version", "1.0.0", "-o", "json")
    )
    assert calls(platform, "alone", "/line/1.0.0/items") == [(200, "")]
    assert "alone (production)" in run("app", "list")
    assert "Line" in run("subscription", "list")
    run("subscription", "change", made["id"], "--status", "BLOCKED")
    assert calls(platform, "alone", "/line/1.0.0/items") == [(401, "900907")]
    run("subscription", "remove", made["id"])
    run("app", "update", "line", "--name", "lines")
    run("app", "remove-key", "lines", "alone")
    run("app", "remove", "lines")
    assert calls(platform, "alone", "/line/1.0.0/items") == [(403, "900908")]


def platform_cli(platform: Platform) -> Callable[..., str]:
    config = platform.environment["KAPI_CONFIG"]
    return lambda *arguments: platform.cli(*arguments, "--config", config).stdout


def test_applications_of_one_name_with_ids_of_their_own(
    platform: Platform, echo: int
) -> None:
    deployed(platform, "Twins", "1.0.0", echo, "subscriptionValidation: true\n")
    command = platform_cli(platform)
    for own, client in (("twin-a", "twin-a"), ("twin-b", "twin-b")):
        command("app", "create", "twin", "--id", own)
        command("app", "add-key", own, client)
    command("subscription", "add", "twin-b", "Twins")
    assert calls(platform, "twin-a", "/twins/1.0.0/items") == [(403, "900908")]
    assert calls(platform, "twin-b", "/twins/1.0.0/items") == [(200, "")]
    refused = platform.cli(
        "app",
        "add-key",
        "twin",
        "x",
        "--config",
        platform.environment["KAPI_CONFIG"],
        check=False,
    )
    assert (
        refused.returncode != 0,
        "2 applications are named twin" in refused.stderr,
    ) == (
        True,
        True,
    )


def test_tiers_of_applications_and_subscriptions(
    platform: Platform, echo: int, system: System
) -> None:
    deployed(platform, "Tiered", "1.0.0", echo, "subscriptionValidation: true\n")
    deployed(platform, "Other", "1.0.0", echo, "subscriptionValidation: true\n")
    for name, tier in (("gold", "Gold"), ("bronze", "")):
        assert (
            system("POST", "/api/applications", {"name": name, "tier": tier}).status
            == 201
        )
        assert (
            system(
                "POST", f"/api/applications/{name}/keys", {"consumerKey": name}
            ).status
            == 201
        )
    for name, api, tier in (
        ("gold", "Tiered", "Bronze"),
        ("gold", "Other", ""),
        ("bronze", "Tiered", "Bursty"),
    ):
        assert (
            system(
                "POST",
                "/api/subscriptions",
                {"application": name, "api": {"name": api}, "tier": tier},
            ).status
            == 201
        )
    not_at_the_end_of(3600, 60)
    assert calls(platform, "gold", "/tiered/1.0.0/items", 3) == [
        (200, ""),
        (200, ""),
        (429, "900804"),
    ]
    # The refused call did not count against the application: 5 less 2 are left.
    assert calls(platform, "gold", "/other/1.0.0/items", 4) == [(200, "")] * 3 + [
        (429, "900803")
    ]
    # A quota that does not stop; the burst does.
    assert calls(platform, "bronze", "/tiered/1.0.0/items", 5) == [(200, "")] * 4 + [
        (429, "900804")
    ]


def test_a_consumer_without_an_application_has_the_default_tier(
    platform: Platform, echo: int
) -> None:
    deployed(platform, "Free", "1.0.0", echo, "")
    not_at_the_end_of(3600, 60)
    assert calls(platform, "stranger", "/free/1.0.0/items", 7) == [(200, "")] * 6 + [
        (429, "900803")
    ]
    assert platform.request(GW, "/free/1.0.0/open").status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/applications", {"name": ""}, 400),
        ("POST", "/api/applications", {"name": "x", "tier": "Unknown"}, 400),
        ("POST", "/api/applications", {"name": "x", "more": 1}, 400),
        ("POST", "/api/applications", {"name": 1}, 400),
        ("POST", "/api/applications", [], 400),
        ("POST", "/api/applications", {"name": "fixed"}, 409),
        ("POST", "/api/applications/nobody/keys", {"consumerKey": "a"}, 404),
        (
            "POST",
            "/api/subscriptions",
            {"application": "nobody", "api": {"name": "a"}},
            404,
        ),
        ("POST", "/api/subscriptions", {"application": "fixed", "api": "a"}, 400),
        ("PATCH", "/api/subscriptions/none", {"status": "BLOCKED"}, 404),
        ("DELETE", "/api/applications/nobody", None, 404),
    ],
)
def test_what_is_wrong_is_refused(
    system: System, method: str, path: str, body: Any, status: int
) -> None:
    answer = system(method, path, body)
    assert (answer.status, set(answer.json()) >= {"code", "message", "hint"}) == (
        status,
        True,
    )


def test_a_pattern_must_be_one_and_cannot_run_away(
    platform: Platform, system: System
) -> None:
    system("POST", "/api/applications", {"name": "patterns"})
    for version, status in (("(", 400), ("", 400), ("a" * 129, 400), ("(a*)*b", 201)):
        assert (
            system(
                "POST",
                "/api/subscriptions",
                {"application": "patterns", "api": {"name": "Any", "version": version}},
            ).status
            == status
        )


def test_the_system_apis_need_the_scope(platform: Platform) -> None:
    plain = token(platform, "shop")
    for path in ("/api/applications", "/api/subscriptions"):
        assert platform.api(path).status == 401
        assert platform.api(path, token=plain).status == 403


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_an_api_key_names_its_application(
    platform: Platform, echo: int, system: System, kind: str
) -> None:
    keys = (
        "authentication: [{authType: OAuth2, enabled: false}, {authType: APIKey, required: "
        "mandatory}]\n"
    )
    deployed(platform, "Keyed", "1.0.0", echo, f"subscriptionValidation: true\n{keys}")
    wanted = {
        "apis": [{"name": "Keyed", "version": "1.0.0"}],
        "application": f"with {kind} key",
        "kind": kind,
    }
    made = system("POST", "/api/api-keys", wanted)
    assert made.status == 201, made.body

    def call() -> tuple[int, str]:
        answer = platform.request(
            GW, "/keyed/1.0.0/items", "-H", f"apikey: {made.json()['apiKey']}"
        )
        return answer.status, "" if answer.status == 200 else answer.json()["code"]

    until(
        lambda: call()[0] != 401
    )  # a new opaque key is known to the gateway within a second
    assert call() == (403, "900908")
    assert (
        system("POST", "/api/applications", {"name": f"with {kind} key"}).status == 201
    )
    subscription = system(
        "POST",
        "/api/subscriptions",
        {"application": f"with {kind} key", "api": {"name": "Keyed"}, "tier": "Bronze"},
    )
    not_at_the_end_of(3600, 30)
    assert [call() for _ in range(3)] == [(200, ""), (200, ""), (429, "900804")]
    assert (
        system(
            "PATCH",
            f"/api/subscriptions/{subscription.json()['id']}",
            {"status": "BLOCKED"},
        ).status
        == 200
    )
    assert call() == (401, "900907")
