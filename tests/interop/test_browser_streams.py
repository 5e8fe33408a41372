"""WebSockets of a real Chromium through the gateway: the credential in the list of protocols or in
the query.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver

from harness import DEFINITION, Platform, conf
from waiting import until
from ws_backend import PROTOCOL, Backend, websocket_backend

HOST = "default.gw.wso2.com"
AUTHENTICATION = """authentication:
- {authType: OAuth2, queryParamEnable: true, queryParamName: access_token}
- {authType: APIKey}
"""
OPERATIONS = """- {target: "/chat", verb: GET, stream: {type: WebSocket}}
- {target: "/talkative", verb: GET, stream: {type: WebSocket, messagesPerSecond: 5}}
"""
OPEN = """
const [url, protocols, messages, done] = arguments;
const seen = {protocol: null, echoed: []};
const socket = protocols === null ? new WebSocket(url) : new WebSocket(url, protocols);
socket.onopen = () => {
  seen.protocol = socket.protocol;
  for (let n = 0; n < messages; n++) socket.send("message " + n);
};
socket.onmessage = (event) => {
  seen.echoed.push(event.data);
  if (seen.echoed.length === messages) socket.close(1000);
};
socket.onclose = (event) => done({...seen, code: event.code, reason: event.reason});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--ignore-certificate-errors",
        # The gateway is on a loopback address, which a page of elsewhere may not call.
        "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
        "--host-resolver-rules=MAP *.wso2.com 127.0.0.1",
    ):
        options.add_argument(flag)
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")
    )
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with websocket_backend() as running:
        yield running


@pytest.fixture(scope="module")
def address(platform: Platform, backend: Backend) -> str:
    text = conf(
        "Chat", "/chat", port=backend.port, extra=AUTHENTICATION, operations=OPERATIONS
    )
    answer = platform.deploy(text, DEFINITION)
    assert answer.status == 200, answer.body
    return f"wss://{HOST}:{platform.port}/chat/1.0.0"


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return platform.token()


@pytest.fixture(scope="module", autouse=True)
def page(browser: webdriver.Chrome, address: str) -> None:
    """A page of the gateway, from which the scripts run."""
    browser.get(f"{address.replace('wss', 'https', 1)}/api-definition")


def opened(
    browser: webdriver.Chrome,
    url: str,
    protocols: list[str] | None = None,
    messages: int = 2,
) -> dict[str, Any]:
    """What a script sees that opens a WebSocket, sends messages and closes it after the echoes."""
    return browser.execute_async_script(OPEN, url, protocols, messages)


def test_a_token_among_the_protocols(
    browser: webdriver.Chrome, address: str, backend: Backend, token: str
) -> None:
    seen = opened(browser, f"{address}/chat", [PROTOCOL, "kapi.token", token])
    echoed = ["message 0", "message 1"]
    assert seen == {"protocol": PROTOCOL, "echoed": echoed, "code": 1000, "reason": ""}
    seen = opened(browser, f"{address}/chat", ["kapi.token", token])
    assert (seen["protocol"], seen["code"]) == ("kapi.token", 1000)
    assert token not in str(backend.handshakes)


def test_a_token_in_the_query(
    browser: webdriver.Chrome, address: str, backend: Backend, token: str
) -> None:
    seen = opened(browser, f"{address}/chat?access_token={token}&room=1")
    assert (seen["protocol"], seen["code"]) == ("", 1000)
    assert backend.handshakes[-1][0] == "/backend/chat?room=1"


def test_an_api_key_among_the_protocols(
    browser: webdriver.Chrome, platform: Platform, address: str
) -> None:
    for kind in ((), ("--opaque",)):
        key = platform.cli("api-key", "create", "Chat:1.0.0", *kind).stdout.strip()
        protocols = ["kapi.apikey", key]
        until(lambda p=protocols: opened(browser, f"{address}/chat", p)["code"] == 1000)


def test_what_is_refused(browser: webdriver.Chrome, address: str, token: str) -> None:
    for protocols in ([PROTOCOL], ["kapi.token", token[:-8] + "AAAAAAAA"]):
        assert opened(browser, f"{address}/chat", protocols)["code"] == 1006
    seen = opened(browser, f"{address}/talkative", ["kapi.token", token], messages=50)
    assert (seen["code"], seen["reason"]) == (1008, "too many messages")
