"""Limits by keys that an interceptor supplies, and subscriptions that the settings ask of every
API.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from test_rate_limits_live import not_at_the_end_of

from harness import DEFINITION, Platform, conf, free_port
from interceptor_service import Service, interceptor, policy
from waiting import until

GW = "default.gw.wso2.com"
CLIENT = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
SETTINGS = f"""
[gateway]
concurrency = 2

[subscriptions]
mandatory = true

[[subscriptions.applications]]
name = "known"
keys = [{{consumer_key = "{CLIENT}"}}]
subscriptions = [{{api = "Known", version = "1.0.0"}}, {{api = "Keys"}}, {{api = "Plain"}}]

[[subscriptions.key_limits]]
key = "user_key"
requests = 2
unit = "Hour"

[[subscriptions.key_limits]]
key = "user_key"
value = "bob & co"
requests = 4
unit = "Hour"

[[subscriptions.key_limits]]
key = "org only"
requests = 1
unit = "Day"
organization = "default"
"""


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


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with interceptor() as running:
        yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token()


def deployed(
    platform: Platform, name: str, port: int, more: str = "", version: str = "1.0.0"
) -> str:
    operations = '- {target: "/items", verb: GET}\n- {target: "/open", verb: GET, secured: false}\n'
    answer = platform.deploy(
        conf(name, f"/{name.lower()}", version, port, more, operations), DEFINITION
    )
    assert answer.status == 200, answer.body
    return f"/{name.lower()}/{version}"


def codes(
    platform: Platform, path: str, token: str, times: int, *more: str
) -> list[str]:
    answers = [
        platform.request(GW, path, "-H", f"Authorization: Bearer {token}", *more)
        for _ in range(times)
    ]
    return ["" if answer.status == 200 else answer.json()["code"] for answer in answers]


def asking(service: Service) -> str:
    item = policy("Interceptor", backendUrl=f"http://127.0.0.1:{service.port}")
    return f"apiPolicies: {{request: [{item}]}}\n"


def test_keys_of_an_interceptor_count_for_the_whole_gateway(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    first, second = (
        deployed(platform, name, echo, asking(service)) for name in ("Keys", "Plain")
    )
    not_at_the_end_of(3600, 60)
    service.reset(request={"rateLimitKeys": {"user_key": "alice", "unknown": "x"}})
    assert codes(platform, f"{first}/items", token, 1) + codes(
        platform, f"{second}/items", token, 2
    ) == ["", "", "900806"]
    service.reset(request={"rateLimitKeys": {"user_key": "carol"}})
    assert codes(platform, f"{first}/items", token, 3) == ["", "", "900806"]
    service.reset(request={"rateLimitKeys": {"user_key": "bob & co"}})
    assert codes(platform, f"{first}/items", token, 5) == ["", "", "", "", "900806"]
    # Two keys: one refuses, so the other does not count.
    service.reset(request={"rateLimitKeys": {"org only": "a", "user_key": "dave"}})
    assert codes(platform, f"{first}/items", token, 2) == ["", "900806"]
    service.reset(request={"rateLimitKeys": {"user_key": "dave"}})
    assert codes(platform, f"{first}/items", token, 2) == ["", "900806"]


def test_a_caller_cannot_count_for_others_nor_see_the_keys(
    platform: Platform, echo: int, service: Service, token: str
) -> None:
    path = deployed(platform, "Keys", echo, asking(service))
    not_at_the_end_of(3600, 60)
    service.reset(request={})
    assert (
        codes(
            platform,
            f"{path}/items",
            token,
            4,
            "-H",
            "x-kapi-limit-keys: user_key=victim",
        )
        == [""] * 4
    )
    service.reset(request={"rateLimitKeys": {"user_key": "victim"}})
    answer = platform.request(
        GW, f"{path}/items", "-H", f"Authorization: Bearer {token}"
    )
    assert answer.status == 200
    ours = {name for name in answer.json()["headers"] if name.startswith("x-kapi")}
    assert ours == {"x-kapi-url"}


def test_the_settings_ask_every_api_for_a_subscription(
    platform: Platform, echo: int, token: str
) -> None:
    known, newer, other = (
        deployed(platform, name, echo, version=version)
        for name, version in (
            ("Known", "1.0.0"),
            ("Known", "1.1.0"),
            ("Other", "1.0.0"),
        )
    )
    assert codes(platform, f"{known}/items", token, 1) == [""]
    assert codes(platform, f"{newer}/items", token, 1) == ["900908"]
    assert codes(platform, f"{other}/items", token, 1) == ["900908"]
    assert platform.request(GW, f"{other}/open").status == 200
    assert platform.request(GW, f"{other}/items").json()["code"] == "900902"


def test_an_api_whose_callers_name_no_application_is_refused_where_all_need_a_subscription(
    platform: Platform, echo: int
) -> None:
    mtls = (
        "authentication:\n- {authType: OAuth2, enabled: false}\n"
        "- {authType: mTLS, certificates: [{name: a, key: b}], required: mandatory}\n"
    )
    answer = platform.deploy(
        conf("Certificate", "/certificate", port=echo, extra=mtls), DEFINITION
    )
    assert (answer.status, answer.json()["code"]) == (400, 909029)
    authentication, secret = answer.json()["diagnostics"]
    assert "names no application" in authentication["message"]
    assert "there is no secret a" in secret["message"]


def test_subscriptions_hold_while_the_control_process_is_away_and_after(
    platform: Platform, echo: int, token: str
) -> None:
    known, other = deployed(platform, "Known", echo), deployed(platform, "Other", echo)
    before = platform.pid("control")
    os.kill(before, signal.SIGKILL)
    for _ in range(20):
        assert codes(platform, f"{known}/items", token, 1) + codes(
            platform, f"{other}/items", token, 1
        ) == ["", "900908"]
    until(
        lambda: (
            platform.pid("control") not in {before, None}
            and platform.api("/ready").status == 200
        )
    )
    assert codes(platform, f"{known}/items", token, 1) + codes(
        platform, f"{other}/items", token, 1
    ) == ["", "900908"]
    platform.cli(
        "app", "create", "late", "--config", platform.environment["KAPI_CONFIG"]
    )
