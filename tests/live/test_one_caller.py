"""What one caller or one organization does to the gateway, and that all others are still
answered.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_interceptors import deploy

from harness import DEFINITION, Platform, conf, free_port
from interceptor_service import policy
from leaks import leaks_in
from waiting import until

PROBE = (Path(__file__).parents[1] / "wasm" / "probe.wasm").read_bytes()
SECONDS = 5
HOST = "default.gw.wso2.com"
KEYS_ONLY = (
    "authentication:\n- {authType: OAuth2, enabled: false}\n"
    "- {authType: APIKey, required: mandatory}\n"
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, echo: int) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("callers")
    (folder / "modules").mkdir()
    (folder / "modules" / "own.wasm").write_bytes(PROBE)
    (folder / "kapi.toml").write_text(
        f"[gateway]\nwatchdog_seconds = {SECONDS}\nmax_heap_bytes = {320 * 1024**2}\n"
        "concurrency = 2\naccess_log = true\n"
        f'[gateway.wasm]\nfolder = "{folder / "modules"}"\n'
    )
    platform = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml")},
    )
    platform.start()
    assert platform.deploy(conf(port=echo), DEFINITION).status == 200
    assert (
        platform.deploy(
            conf("Keyed", "/keyed", port=echo, extra=KEYS_ONLY), DEFINITION
        ).status
        == 200
    )
    yield platform
    platform.stop()
    logs = platform.data_dir / "logs"
    assert "Traceback" not in "".join(path.read_text() for path in logs.glob("*.log"))
    assert {
        path.name: oct(path.stat().st_mode & 0o777)
        for path in logs.iterdir()
        if path.stat().st_mode & 0o077
    } == {}


@pytest.fixture(scope="module")
def token(host: Platform) -> str:
    return host.token("items:read")


def others_are_answered(platform: Platform, token: str) -> bool:
    """Several times each, so that every thread of Envoy is asked."""
    asked = [
        platform.request(name, path, *more).status
        for _ in range(4)
        for name, path, more in (
            (HOST, "/echo/1.0.0/items", ("-H", f"Authorization: Bearer {token}")),
            ("api.am.wso2.com", "/health", ()),
            ("idp.am.wso2.com", "/.well-known/openid-configuration", ()),
        )
    ]
    return set(asked) == {200}


def scripted(platform: Platform, echo: int, source: str) -> str:
    both = {
        flow: [policy("LuaInterceptor", name="attack", sourceCode=source)]
        for flow in ("request", "response")
    }
    return deploy(platform, "attack", echo, apiPolicies=both)


def attacked(platform: Platform, path: str, token: str, *more: str) -> None:
    """One call, of which no answer is expected; its query holds what no log may show."""
    secret = "Zm9yLW5vYm9keS1lbHNlLWluLWFueS1sb2ctYXQtYWxs"
    url = f"https://{HOST}:{platform.port}{path}?secret={secret}"
    command = [
        "curl",
        "-sk",
        "--max-time",
        "20",
        "--resolve",
        f"{HOST}:{platform.port}:127.0.0.1",
        "-o",
        "/dev/null",
    ]
    subprocess.run(
        [*command, "-H", f"Authorization: Bearer {token}", *more, url],
        capture_output=True,
        timeout=30,
        check=False,
    )


SCRIPTS = {
    "reads beyond a text": 'function envoy_on_request(h) h:importPublicKey("x", 1000000000) end',
    "reads beyond another text": (
        'function envoy_on_request(h) local k = h:importPublicKey("x", 1) '
        'h:verifySignature("sha256", k:get(), "x", 99999999, "y", 99999999) end'
    ),
    "takes memory": (
        'function envoy_on_request(h) local s = "x" for i = 1, 30 do s = s .. s end end'
    ),
    "keeps memory": (
        "function envoy_on_request(h) kept = kept or {} while true do kept[#kept + 1] = {} end end"
    ),
    "takes time": "function envoy_on_request(h) while true do end end",
    "takes time in one call": (
        "function envoy_on_request(h) (('a'):rep(9999)):find(('a*'):rep(30) .. 'b') end"
    ),
    "writes a line break": (
        'function envoy_on_request(h) h:headers():add("x-a", "b\\r\\nx-evil: 1") end'
    ),
    "answers with a line break": (
        'function envoy_on_request(h) h:respond({[":status"] = "200", ["x-a"] = '
        '"b\\r\\n\\r\\nHTTP/1.1 200"}, "") end'
    ),
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_a_script_harms_its_own_api_only(
    host: Platform, echo: int, token: str, what: str
) -> None:
    base = scripted(host, echo, SCRIPTS[what])
    before = host.pid("envoy")
    for _ in range(4):
        answer = host.request(
            HOST, f"{base}/items/1", "-H", f"Authorization: Bearer {token}"
        )
        assert (
            answer.status,
            answer.json().get("code"),
            "x-evil" in answer.headers,
        ) == (
            500,
            "901100",
            False,
        ), answer
    assert others_are_answered(host, token)
    assert host.pid("envoy") == before


def test_a_key_with_stars_harms_nobody(host: Platform, token: str) -> None:
    key = host.cli(
        "api-key", "create", "Keyed", "--permitted-referer", "*a*a*a*a*a*a*a*b"
    ).stdout.strip()
    before = host.pid("envoy")
    for _ in range(4):
        referer = "https://" + "a" * 3000
        assert (
            host.request(
                HOST,
                "/keyed/1.0.0/items",
                "-H",
                f"apikey: {key}",
                "-H",
                f"Referer: {referer}",
            ).status
            == 403
        )
    assert others_are_answered(host, token)
    assert host.pid("envoy") == before


def test_a_module_sends_no_line_break(host: Platform, echo: int, token: str) -> None:
    base = deploy(
        host, "lines", echo, apiPolicies={"request": [module("x-wasm: a\r\nx-evil: 1")]}
    )
    answer = host.request(
        HOST, f"{base}/items/1", "-H", f"Authorization: Bearer {token}"
    )
    assert (answer.status, answer.json()["code"], "x-evil" in answer.headers) == (
        500,
        "901100",
        False,
    )


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_a_module_answers_with_no_line_break(
    host: Platform, echo: int, token: str, http: str
) -> None:
    base = deploy(
        host,
        "after",
        echo,
        apiPolicies={"request": [module("after x-wasm: a\r\nx-evil: 1")]},
    )
    answer = host.request(
        HOST, f"{base}/items/1", "-H", f"Authorization: Bearer {token}", http
    )
    assert answer.status == 200
    assert not {"x-evil", "x-wasm"} & set(answer.headers)


def module(config: str) -> dict[str, Any]:
    return policy(
        "WASMInterceptor",
        name="probe",
        rootId="probe",
        url="file:own.wasm",
        config=config,
    )


def restarted(platform: Platform, harm: Callable[[], None]) -> str:
    """What the supervisor says about the end of the Envoy that was harmed."""
    before, said = platform.pid("envoy"), len(platform.output())
    harm()
    until(
        lambda: (
            platform.pid("envoy") not in {before, None}
            and "restarting it" in platform.output()[said:]
        ),
        platform.output,
    )
    return platform.output()[said:]


def recovered(platform: Platform, token: str) -> None:
    def answered() -> bool:
        try:
            return others_are_answered(platform, token)
        except AssertionError:
            return False

    until(answered, platform.output)


def test_a_module_that_does_not_end_is_ended_with_the_name_of_its_api(
    host: Platform, echo: int, token: str
) -> None:
    deploy(host, "endless", echo, apiPolicies={"request": [module("loop")]})
    said = restarted(host, lambda: attacked(host, "/endless/1.0.0/items/1", token))
    assert "a thread that did not come back" in said
    assert "endless" in said
    assert (
        f"{HOST}:{host.port}/endless/1.0.0/items/1" in said
        or f"{HOST}/endless/1.0.0/items/1" in said
    )
    recovered(host, token)
    log = (host.data_dir / "logs" / "envoy.log").read_text()
    assert "'authorization', '[removed]'" in log
    assert "Zm9yLW5vYm9keS1lbHNlL" not in log + said
    assert leaks_in(host.data_dir / "logs", [token]) == {}


def test_a_module_that_takes_all_memory_is_ended(
    host: Platform, echo: int, token: str
) -> None:
    deploy(host, "greedy", echo, apiPolicies={"request": [module("grow")]})
    said = restarted(host, lambda: attacked(host, "/greedy/1.0.0/items/1", token))
    assert "gateway.max_heap_bytes" in said
    recovered(host, token)


def test_a_gateway_that_does_not_answer_is_started_again(
    host: Platform, token: str
) -> None:
    said = restarted(host, lambda: os.kill(host.pid("envoy"), signal.SIGSTOP))
    assert "did not answer" in said
    recovered(host, token)


def test_the_operator_decides_whether_apis_bring_code(
    tmp_path: Path, echo: int
) -> None:
    platform = Platform(free_port(), tmp_path / "data")
    data = {
        "name": "code",
        "basePath": "/code",
        "version": "1",
        "type": "REST",
        "operations": [{"target": "/a", "verb": "GET"}],
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
        "apiPolicies": {
            "request": [
                policy(
                    "LuaInterceptor",
                    name="mine",
                    sourceCode="function envoy_on_request(h) end",
                ),
                module("x-a: 1"),
            ]
        },
    }
    platform.environment = {"KAPI_GATEWAY__CODE_OF_APIS": "off"}
    platform.start()
    try:
        refused = platform.deploy(json.dumps(data), DEFINITION)
        assert refused.status == 400
        assert b"the script mine is refused" in refused.body
        assert b"the module probe is refused" in refused.body
        assert b"gateway.code_of_apis" in refused.body
        assert b"#/apiPolicies/request/0" in refused.body
        data["apiPolicies"] = {"request": data["apiPolicies"]["request"][:1]}  # type: ignore[index]
        platform.stop()
        platform.environment = {}
        platform.start()
        assert platform.deploy(json.dumps(data), DEFINITION).status == 200
        token = platform.token()
        asked = (HOST, "/code/1/a", "-H", f"Authorization: Bearer {token}")
        assert platform.request(*asked).status == 200
        # What was deployed while it was allowed is gone when it is not.
        platform.stop()
        platform.environment = {"KAPI_GATEWAY__CODE_OF_APIS": "off"}
        platform.start()
        assert platform.request(*asked).status == 404
        assert (
            "is left out: the script mine is refused"
            in (platform.data_dir / "logs" / "control.log").read_text()
        )
    finally:
        platform.stop()
