"""Interceptor services of the settings: asked for every API, together with those of the API
itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from test_interceptors import deploy

from harness import DEFINITION, Platform, conf, free_port
from interceptor_service import REQUEST, RESPONSE, Service, caller, interceptor, policy


@pytest.fixture(scope="module")
def gateway() -> Iterator[Service]:
    with interceptor() as running:
        yield running


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, gateway: Service
) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("watched")
    (folder / "kapi.toml").write_text(
        f'[[gateway.interceptors]]\nurl = "http://127.0.0.1:{gateway.port}/for-all"\n'
    )
    platform = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    platform.start()
    yield platform
    platform.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )


def test_every_api_asks_the_services_of_the_settings(
    watched: Platform, gateway: Service, echo: int
) -> None:
    base = deploy(watched, "plain", echo)
    gateway.reset(
        request={"headersToAdd": {"x-gateway": "1"}},
        response={"headersToAdd": {"x-gateway": "2"}},
    )
    answer = caller(watched, base)("/items/1", token=watched.token("a"))
    assert (
        answer.status,
        answer.json()["headers"]["x-gateway"],
        answer.headers["x-gateway"],
    ) == (
        200,
        "1",
        "2",
    )
    assert [path for path, _ in gateway.asked] == [
        "/for-all" + REQUEST,
        "/for-all" + RESPONSE,
    ]
    assert gateway.last(REQUEST)["invocationContext"]["apiName"] == "plain"
    assert "authorization" not in gateway.last(REQUEST)["requestHeaders"]


def test_they_come_after_those_of_the_api_and_answer_before_them(
    watched: Platform, gateway: Service, echo: int
) -> None:
    with interceptor() as own:
        item = policy(
            "Interceptor",
            backendUrl=f"http://127.0.0.1:{own.port}",
            headersEnabled=True,
        )
        base = deploy(
            watched, "own", echo, apiPolicies={"request": [item], "response": [item]}
        )
        own.reset(
            request={"headersToAdd": {"x-own": "1"}},
            response={"headersToReplace": {"x-last": "own"}},
        )
        gateway.reset(response={"headersToReplace": {"x-last": "gateway"}})
        assert (
            caller(watched, base)("/items/1", token=watched.token("a")).headers[
                "x-last"
            ]
            == "own"
        )
        assert gateway.last(REQUEST)["requestHeaders"]["x-own"] == "1"
        assert own.last(RESPONSE)["responseHeaders"]["x-last"] == "gateway"


def test_they_stay_when_apis_go_and_never_see_the_system_apis(
    watched: Platform, gateway: Service, echo: int
) -> None:
    first = deploy(watched, "first", echo)
    second = watched.deploy(conf("Second", "/second", port=echo), DEFINITION)
    ident = second.body.decode().split("id: ")[1].split("\n")[0].strip('"')
    gateway.reset()
    token = watched.token("apk:api_create")
    assert (
        watched.api(
            f"/api/deployer/1.2.0/apis/undeploy?apiId={ident}",
            "-X",
            "POST",
            token=token,
        ).status
        == 202
    )
    assert gateway.asked == []
    assert caller(watched, first)("/items/1", token=token).status == 200
    assert len(gateway.asked) == 2
