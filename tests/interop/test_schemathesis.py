"""schemathesis over the served OpenAPI documents: no server error, no answer that the documents do
not name.
"""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from harness import Platform, free_port
from idp import basic, identity_app
from kapi.front.web.openapi.catalogue import CATALOGUE
from kapi.front.web.system.protected_resources import SYSTEM_SCOPES
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.settings.identity import RegistrationSettings
from kapi.store import Store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = 25
REGISTERS = "for those who register"
EVERY = (
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:openid:params:grant-type:ciba",
)
SHOP = ClientSettings(
    "shop", "s", grants=EVERY, redirect_uris=("https://shop.example/cb",)
)
SETTINGS = Settings(
    Path("/nowhere"),
    IdentitySettings(
        clients=(*IdentitySettings().clients, SHOP),
        registration=RegistrationSettings(initial_access_token=REGISTERS),
    ),
)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The provider behind a plain socket, as Envoy sees it."""
    app = identity_app(
        SETTINGS,
        Store.open(tmp_path_factory.mktemp("fuzz") / "kapi.db"),
        lambda: 1_800_000_000,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(
        uvicorn.Config(app, http="httptools", lifespan="off", log_config=None)
    )
    threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, daemon=True
    ).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    yield running
    running.stop()
    assert "Traceback" not in "".join(
        path.read_text() for path in (running.data_dir / "logs").glob("*.log")
    )


def examine(
    document: dict[str, Any],
    base_url: str,
    headers: dict[str, str],
    skipped: frozenset[tuple[str, str]] = frozenset(),
    only: str = "/",
) -> int:
    """Send what the document allows, and what it does not; the number of requests."""
    schema = schemathesis.openapi.from_dict(document)
    sent, faults = 0, []
    session = requests.Session()
    for result in schema.get_all_operations():
        operation = result.ok()
        if (
            operation.method.upper(),
            operation.path,
        ) in skipped or not operation.path.startswith(only):
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def run(case: Any) -> None:
            nonlocal sent
            sent += 1
            answer = case.call(
                base_url=base_url,
                headers=headers,
                session=session,
                verify=False,
                allow_redirects=False,
            )
            case.validate_response(answer, checks=CHECKS)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run()
            except BaseException as fault:
                faults.append(
                    f"{operation.method} {operation.path}: {fault!r} "
                    f"{getattr(fault, 'exceptions', '')}"
                )
    assert faults == []
    return sent


@pytest.mark.long
def test_the_identity_provider(provider: str) -> None:
    document = requests.get(f"{provider}/openapi.json", timeout=10).json()
    assert examine(document, provider, {"authorization": basic()}) > 500
    assert examine(document, provider, {}) > 500
    # A client that has every grant; and somebody who may register, so that bodies are read.
    assert (
        examine(
            document, provider, {"authorization": basic("shop", "s")}, only="/oauth2/"
        )
        > 200
    )
    assert (
        examine(
            document, provider, {"authorization": f"Bearer {REGISTERS}"}, only="/dcr/"
        )
        > 100
    )


@pytest.mark.long
def test_the_system_apis(platform: Platform) -> None:
    document = platform.api("/openapi.json").json()
    assert platform.api("/openapi.yaml").status == 200
    described = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
    }
    assert described == {tuple(name.split(" ")) for name in CATALOGUE.operations}
    # Rotating keys and trusting issuers take seconds each; their bodies are tried in tests of their
    # own.
    slow = frozenset(
        {
            ("POST", "/api/keys/rotate"),
            ("POST", "/api/keys"),
            ("POST", "/api/issuers"),
            ("PUT", "/api/issuers/{name}"),
        }
    )
    token = platform.token(" ".join(SYSTEM_SCOPES))
    host = f"api.am.wso2.com:{platform.port}"
    for headers in ({"authorization": f"Bearer {token}", "host": host}, {"host": host}):
        assert (
            examine(document, f"https://127.0.0.1:{platform.port}", headers, slow) > 300
        )
