"""WebAssembly modules of an API through the whole platform: fetched and pinned at deployment, shut
in afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from test_interceptors import deploy

from harness import DEFINITION, Answer, Platform, free_port
from interceptor_service import caller, policy

PROBE = (Path(__file__).parents[1] / "wasm" / "probe.wasm").read_bytes()


@pytest.fixture(scope="module")
def shop() -> Iterator[dict[str, bytes]]:
    """A server of modules; the fixture's value is what it serves by path, and `port`."""
    served: dict[str, bytes] = {
        "/probe.wasm": PROBE,
        "/text.wasm": b"hello",
        "/large.wasm": PROBE + b"\0" * 200_000,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    served["port"] = str(server.server_address[1]).encode()
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("wasm")
    (folder / "modules").mkdir()
    (folder / "modules" / "own.wasm").write_bytes(PROBE)
    (folder / "kapi.toml").write_text(
        f'[gateway.wasm]\nfolder = "{folder / "modules"}"\nmax_module_bytes = 100000\n'
        'host_keys = ["REGION"]\n'
    )
    platform = Platform(
        free_port(),
        folder / "data",
        environment={"KAPI_CONFIG": str(folder / "kapi.toml"), "REGION": "eu"},
    )
    platform.start()
    yield platform
    platform.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (platform.data_dir / "logs").glob("*.log")
    )


@pytest.fixture(scope="module")
def token(host: Platform) -> str:
    return host.token("items:read")


def module(url: str = "file:own.wasm", **parameters: Any) -> dict[str, Any]:
    return policy(
        "WASMInterceptor", name="probe", rootId="probe", url=url, **parameters
    )


def attempt(platform: Platform, echo: int, *modules: dict[str, Any]) -> Answer:
    data = {
        "name": "attempt",
        "basePath": "/attempt",
        "version": "1",
        "type": "REST",
        "operations": [{"target": "/a", "verb": "GET"}],
        "endpointConfigurations": {
            "production": {"endpoint": f"http://127.0.0.1:{echo}"}
        },
        "apiPolicies": {"request": list(modules)},
    }
    return platform.deploy(json.dumps(data), DEFINITION)


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_a_module_changes_request_and_response(
    host: Platform, shop: dict[str, bytes], echo: int, token: str, http: str
) -> None:
    url = f"http://127.0.0.1:{int(shop['port'])}/probe.wasm"
    base = deploy(
        host,
        f"wasm{http[-1]}",
        echo,
        apiPolicies={"request": [module(url, config="x-wasm: 1")]},
    )
    answer = caller(host, base, http)("/items/1", "-d", "hello", token=token)
    assert (answer.json()["headers"]["x-wasm"], answer.headers["x-wasm"]) == ("1", "1")
    assert answer.json()["path"] == "/backend/items/1"


def test_modules_of_two_levels_run_both(host: Platform, echo: int, token: str) -> None:
    own = {
        "request": [
            policy(
                "WASMInterceptor",
                name="b",
                rootId="b",
                url="file:own.wasm",
                config="share",
            )
        ]
    }
    operations = [
        {"target": "/items/{id}", "verb": "GET", "operationPolicies": own},
        {"target": "/other", "verb": "GET"},
    ]
    base = deploy(
        host,
        "two",
        echo,
        operations=operations,
        apiPolicies={"request": [module(config="x-wasm: 1")]},
    )
    assert caller(host, base)("/other", token=token).json()["headers"]["x-wasm"] == "1"
    headers = caller(host, base)("/items/1", token=token).json()["headers"]
    assert (headers["x-wasm"], headers["x-count"]) == ("1", "1")


def test_the_bytes_are_pinned(
    host: Platform, shop: dict[str, bytes], echo: int, token: str
) -> None:
    url = f"http://127.0.0.1:{int(shop['port'])}/pinned.wasm"
    shop["/pinned.wasm"] = PROBE
    policies = {
        "request": [
            module(url, sha256=hashlib.sha256(PROBE).hexdigest(), config="x-wasm: 1")
        ]
    }
    base = deploy(host, "pinned", echo, apiPolicies=policies)
    shop["/pinned.wasm"] = b"\0asm\x01\0\0\0changed"
    os.kill(host.pid("control"), signal.SIGKILL)
    os.kill(host.pid("envoy"), signal.SIGKILL)
    deadline = 100
    while (state := host.state() or {}).get("children", {}).get("envoy", {}).get(
        "restarts", 0
    ) < 1 and deadline:
        deadline -= 1
        threading.Event().wait(0.1)
    assert state
    for _ in range(50):
        try:
            assert (
                caller(host, base)("/items/1", token=token).json()["headers"]["x-wasm"]
                == "1"
            )
            break
        except (AssertionError, ValueError):
            threading.Event().wait(0.1)
    else:
        pytest.fail("the module did not come back with the gateway")
    answer = attempt(host, echo, module(url, sha256=hashlib.sha256(PROBE).hexdigest()))
    assert answer.status == 400
    assert b"has the SHA-256" in answer.body
    files = [path.stem for path in (host.data_dir / "modules").iterdir()]
    assert hashlib.sha256(PROBE).hexdigest() in files
    assert all(
        (host.data_dir / "modules" / f"{name}.wasm").stat().st_mode & 0o777 == 0o600
        for name in files
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/text.wasm", b"is not a WebAssembly module"),
        ("/large.wasm", b"larger than"),
        ("/none.wasm", b"404"),
    ],
)
def test_what_is_no_module_is_refused(
    host: Platform, shop: dict[str, bytes], echo: int, path: str, words: bytes
) -> None:
    answer = attempt(host, echo, module(f"http://127.0.0.1:{int(shop['port'])}{path}"))
    assert (answer.status, answer.json()["code"]) == (400, 909029)
    assert words in answer.body
    assert b"#/apiPolicies/request/0" in answer.body


def test_what_the_operator_has_not_allowed_is_refused(
    host: Platform, echo: int
) -> None:
    assert attempt(host, echo, module(hostKeys=["REGION"])).status == 200
    answer = attempt(
        host, echo, module(hostKeys=["REGION", "HOME"]), module("file:none.wasm")
    )
    assert answer.status == 400
    assert b"hostKeys HOME is not open" in answer.body
    assert b"there is no module none.wasm" in answer.body


def test_a_module_that_envoy_cannot_start_is_refused(
    host: Platform, shop: dict[str, bytes], echo: int
) -> None:
    shop["/broken.wasm"] = PROBE[:200]
    assert (
        attempt(
            host, echo, module(f"http://127.0.0.1:{int(shop['port'])}/broken.wasm")
        ).status
        == 400
    )
    assert attempt(host, echo, module(config="refuse")).status == 400


def test_a_module_may_answer(host: Platform, echo: int, token: str) -> None:
    base = deploy(
        host, "answer", echo, apiPolicies={"request": [module(config="answer")]}
    )
    answer = caller(host, base)("/items/1", token=token)
    assert (answer.status, answer.body) == (403, b"no")
    assert caller(host, base)("/items/1").json()["code"] == "900902"
    assert caller(host, base)("/nothing", token=token).json()["code"] == "404"


def test_a_module_that_fails_closes_its_own_api_only(
    host: Platform, echo: int, token: str
) -> None:
    closed = deploy(
        host, "closed", echo, apiPolicies={"request": [module(config="trap")]}
    )
    opened = deploy(
        host,
        "opened",
        echo,
        apiPolicies={"request": [module(config="trap", failOpen=True)]},
    )
    other = deploy(
        host, "other", echo, apiPolicies={"request": [module(config="x-wasm: 1")]}
    )
    answer = caller(host, closed)("/items/1", token=token)
    assert (answer.status, answer.json()["code"]) == (503, "503")
    # The call on which it fails is lost, in each of Envoy's threads once; from then on calls go
    # without it.
    statuses = [caller(host, opened)("/items/1", token=token).status for _ in range(24)]
    assert statuses[-8:] == [200] * 8
    assert (
        caller(host, other)("/items/1", token=token).json()["headers"]["x-wasm"] == "1"
    )


def test_a_module_calls_nobody(host: Platform, echo: int, token: str) -> None:
    base = deploy(host, "call", echo, apiPolicies={"request": [module(config="call")]})
    assert (
        caller(host, base)("/items/1", token=token).json()["headers"]["x-call"]
        == "refused"
    )


def test_apis_share_no_data(host: Platform, echo: int, token: str) -> None:
    first = caller(
        host,
        deploy(host, "share1", echo, apiPolicies={"request": [module(config="share")]}),
    )
    second = caller(
        host,
        deploy(host, "share2", echo, apiPolicies={"request": [module(config="share")]}),
    )
    counts = [
        call("/items/1", token=token).json()["headers"]["x-count"]
        for call in (first, second, first, second)
    ]
    assert counts == ["1", "1", "2", "2"]


def test_a_module_leads_no_call_to_another_api_or_operation(
    host: Platform, echo: int, other_echo: int, token: str
) -> None:
    deploy(
        host,
        "victim",
        other_echo,
        operations=[{"target": "/secret", "verb": "GET", "scopes": ["nobody"]}],
    )
    operations = [
        {"target": "/items/{id}", "verb": "GET"},
        {"target": "/secret", "verb": "GET", "scopes": ["nobody"]},
    ]
    script = policy(
        "LuaInterceptor",
        name="wait",
        sourceCode="function envoy_on_request(h) h:body() end",
    )
    for number, (path, more) in enumerate(
        [
            ("/victim/1.0.0/secret", []),
            ("/move1/1.0.0/secret", []),
            ("/victim/1.0.0/secret", [script]),
        ]
    ):
        base = deploy(
            host,
            f"move{number}",
            echo,
            operations=operations,
            apiPolicies={"request": [module(config=f"path {path}"), *more]},
        )
        answer = caller(host, base)("/items/1", "-X", "GET", "-d", "body", token=token)
        assert (answer.status, answer.json()["code"]) == (500, "901100"), path
    # Within its own operation it may.
    base = deploy(
        host,
        "stay",
        echo,
        operations=operations,
        apiPolicies={"request": [module(config="path /stay/1.0.0/items/9")]},
    )
    assert (
        caller(host, base)("/items/1", token=token).json()["path"] == "/backend/items/9"
    )


def test_files_go_with_the_last_api_that_uses_them(
    host: Platform, shop: dict[str, bytes], echo: int
) -> None:
    content = PROBE + b"\0\x05\x04note"
    shop["/once.wasm"] = content
    file = host.data_dir / "modules" / f"{hashlib.sha256(content).hexdigest()}.wasm"
    answer = attempt(
        host, echo, module(f"http://127.0.0.1:{int(shop['port'])}/once.wasm")
    )
    assert answer.status == 200, answer.body
    assert file.exists()
    assert attempt(host, echo, module()).status == 200
    assert not file.exists()
