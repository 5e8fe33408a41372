"""A real Chromium at an API with BrowserSignIn: sign in at the inbuilt provider, call, sign out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from test_browser import PATIENCE

from gateway_sign_in import HOST, KEY, registered, sign_in_conf
from harness import DEFINITION, Platform, echo_backend

FETCH = """
const [path, options, done] = arguments;
fetch(path, options).then(async (answer) => done([answer.status, await answer.text()]))
  .catch((error) => done([0, String(error)]));
"""


@pytest.fixture(scope="module")
def base(platform: Platform) -> Iterator[str]:
    """The URL of an API with sign-in."""
    url = f"https://{HOST}:{platform.port}/shown/1.0.0"
    client = registered(platform, "shown", url)
    platform.cli("secret", "set", "shown", "client", stdin=client["client_secret"])
    platform.cli("secret", "set", "shown", "session", stdin=KEY)
    with echo_backend() as port:
        conf = sign_in_conf(
            "shown", port, clientId=client["client_id"], scopes=["items:read"]
        )
        answer = platform.deploy(conf, DEFINITION)
        assert answer.status == 200, answer.body
        yield url


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--ignore-certificate-errors",
        "--host-resolver-rules=MAP *.wso2.com 127.0.0.1",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    yield driver
    driver.quit()


def sign_in(browser: webdriver.Chrome, url: str) -> None:
    """Open a page of the API, and sign in as it asks."""
    browser.get(url)
    for name, value in (("username", "org1user"), ("password", "org1user")):
        browser.find_element(By.NAME, name).send_keys(value)
    browser.find_element(By.NAME, "organization").send_keys("org1", Keys.ENTER)
    wait = WebDriverWait(browser, PATIENCE)
    allow = "button[name=decision][value=allow]"
    wait.until(
        lambda driver: (
            driver.current_url == url or driver.find_elements(By.CSS_SELECTOR, allow)
        )
    )
    for button in browser.find_elements(By.CSS_SELECTOR, allow):
        button.click()
    wait.until(lambda driver: driver.current_url == url)


def called(browser: webdriver.Chrome, path: str, **options: object) -> tuple[int, str]:
    """The answer to a call by a script of the page."""
    status, text = browser.execute_async_script(FETCH, path, options)
    return status, text


def test_a_person_signs_in_calls_and_signs_out(
    platform: Platform, base: str, browser: webdriver.Chrome
) -> None:
    page = f"{base}/items?page=2"
    sign_in(browser, page)
    shown = json.loads(browser.find_element(By.TAG_NAME, "body").text)
    assert shown["path"] == "/items?page=2"
    assert not {"cookie", "authorization"} & shown["headers"].keys()

    # The session is the browser's alone: no script reads it.
    assert browser.execute_script("return document.cookie") == ""
    cookies = [
        item
        for item in browser.get_cookies()
        if item["name"].startswith("__Host-gateway-")
    ]
    assert {
        (item["secure"], item["httpOnly"], item["sameSite"]) for item in cookies
    } == {(True, True, "Lax")}

    status, text = called(browser, f"{base}/items", method="POST", body="x=1")
    assert (status, json.loads(text)["method"]) == (200, "POST")
    status, text = called(browser, f"{base}/admin")
    assert (status, json.loads(text)["code"]) == (403, "900910")

    browser.get(f"{base}/sign-out")
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.current_url.endswith("/")
    )
    assert [
        item for item in browser.get_cookies() if item["name"].endswith("-seal")
    ] == []
    # A page of the API itself: that of the host has a policy against calls by scripts.
    browser.get(f"{base}/open")
    status, text = called(
        browser, f"{base}/items", headers={"accept": "application/json"}
    )
    assert (status, json.loads(text)["code"]) == (401, "900902")
    browser.get(page)
    assert browser.find_elements(By.NAME, "password"), (
        "the provider has signed the person out too"
    )


def test_another_site_cannot_use_the_session(
    platform: Platform, base: str, browser: webdriver.Chrome
) -> None:
    """Its scripts and forms send no cookie of the session (SameSite=Lax)."""
    sign_in(browser, f"{base}/items")
    browser.get("data:text/html,<title>elsewhere</title>")
    status, _ = called(browser, f"{base}/items", credentials="include", mode="no-cors")
    assert status == 0
    browser.execute_script(
        "const form = document.createElement('form');"
        "form.method = 'post'; form.action = arguments[0];"
        "document.body.append(form); form.submit();",
        f"{base}/items",
    )
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.current_url == f"{base}/items"
    )
    assert (
        json.loads(browser.find_element(By.TAG_NAME, "body").text)["code"] == "900902"
    )
