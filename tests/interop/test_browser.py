"""A real Chromium, through the gateway: sign in, consent, choose, sign out; by keyboard, without
scripts, on a phone, in the dark.

`pytest tests/interop/test_browser.py --screenshots` renews the pictures of the documentation.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from harness import Platform, free_port
from person import Pkce, authorize_path

IMAGES = Path(__file__).parents[2] / "docs" / "images"
IDP, API, GATEWAY = "idp.am.wso2.com", "api.am.wso2.com", "default.gw.wso2.com"
PATIENCE = 120
"""Seconds until a page must be there; a busy machine does not reach it."""
AXE = Path(__file__).parent / "peers" / "node_modules" / "axe-core" / "axe.min.js"
LOWEST_CONTRAST = """
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => parts(color).slice(0, 3).map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = (element) => {
  const color = getComputedStyle(element).backgroundColor;
  return (parts(color)[3] ?? 1) === 1 ? color : ground(element.parentElement);
};
const shown = [...document.body.querySelectorAll("*")]
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
return Math.min(...shown.map((e) => {
  const [one, two] = [light(getComputedStyle(e).color), light(ground(e))];
  return (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
}));
"""
"""Of all text on the page and what is behind it (WCAG 2.2, 1.4.3)."""


class Shop(BaseHTTPRequestHandler):
    """The client's redirect URI: keeps what comes."""

    got: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self._keep(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._keep(self.rfile.read(int(self.headers["content-length"])).decode())

    def _keep(self, text: str) -> None:
        if not self.path.startswith("/favicon"):
            self.got.append(
                {name: values[0] for name, values in parse_qs(text).items()}
            )
        body = b"<!DOCTYPE html><title>The shop</title><h1>Back in the shop</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/cb"
    server.shutdown()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, shop: str) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("kapi")
    (folder / "kapi.toml").write_text(
        "[[identity.clients]]\n"
        'id = "shop"\nname = "The Shop"\nsecret = "s"\n'
        'grants = ["authorization_code", "refresh_token"]\n'
        f'redirect_uris = ["{shop}"]\npost_logout_redirect_uris = ["{shop}"]\n'
    )
    running = Platform(
        free_port(), folder / "data", ("--config", str(folder / "kapi.toml"))
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--ignore-certificate-errors",
        "--window-size=1000,900",
        "--host-resolver-rules=MAP *.am.wso2.com 127.0.0.1, MAP *.gw.wso2.com 127.0.0.1",
        "--disable-dev-shm-usage",
        "--force-prefers-reduced-motion",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")
    )
    driver.set_page_load_timeout(PATIENCE)
    Shop.got.clear()
    yield driver
    complaints = [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" and ".am.wso2.com" in entry["message"]
    ]
    driver.quit()
    assert complaints == []


def link(platform: Platform, shop: str, **more: str) -> str:
    return f"https://{IDP}:{platform.port}" + authorize_path(
        "shop", shop, Pkce(), scope="openid profile default", **more
    )


def wait_for(browser: webdriver.Chrome, title: str) -> None:
    WebDriverWait(browser, PATIENCE).until(lambda driver: title in driver.title)


def field(browser: webdriver.Chrome, name: str) -> Any:
    return browser.find_element(By.NAME, name)


def sign_in(browser: webdriver.Chrome) -> None:
    for name, value in (
        ("username", "org1user"),
        ("password", "org1user"),
        ("organization", "org1"),
    ):
        field(browser, name).clear()
        field(browser, name).send_keys(value)
    field(browser, "password").send_keys(Keys.ENTER)


def press(browser: webdriver.Chrome, text: str) -> None:
    browser.find_element(By.XPATH, f"//button[normalize-space()='{text}']").click()


def take(browser: webdriver.Chrome, request: pytest.FixtureRequest, name: str) -> None:
    if request.config.getoption("--screenshots"):
        IMAGES.mkdir(exist_ok=True)
        browser.save_screenshot(str(IMAGES / f"{name}.png"))


def test_sign_in_consent_select_and_sign_out(
    browser: webdriver.Chrome,
    platform: Platform,
    shop: str,
    request: pytest.FixtureRequest,
) -> None:
    browser.set_window_size(620, 900)
    browser.get(link(platform, shop))
    wait_for(browser, "Sign in")
    assert browser.switch_to.active_element.get_attribute("name") == "username"
    take(browser, request, "sign-in")
    field(browser, "username").send_keys("org1user")
    field(browser, "password").send_keys("wrong")
    field(browser, "organization").send_keys("org1")
    press(browser, "Sign in")
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: "not right" in driver.page_source
    )
    sign_in(browser)
    wait_for(browser, "Allow access")
    take(browser, request, "consent")
    press(browser, "Allow")
    wait_for(browser, "The shop")
    assert Shop.got[-1]["state"] == "s t&ä"
    assert len(Shop.got[-1]["code"]) == 43
    cookies = {
        cookie["name"]: cookie
        for cookie in browser.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
    }
    session = cookies["__Host-kapi-session"]
    assert (
        session["secure"],
        session["httpOnly"],
        session["sameSite"],
        session["domain"],
    ) == (
        True,
        True,
        "Lax",
        IDP,
    )
    browser.get(link(platform, shop, prompt="select_account"))
    wait_for(browser, "Choose an account")
    take(browser, request, "select-account")
    press(browser, "org1user in org1")
    wait_for(browser, "The shop")
    browser.get(f"https://{IDP}:{platform.port}/oauth2/logout")
    wait_for(browser, "Sign out")
    take(browser, request, "sign-out")
    press(browser, "Sign out")
    wait_for(browser, "Signed out")
    browser.get(link(platform, shop, prompt="none"))
    wait_for(browser, "The shop")
    assert Shop.got[-1]["error"] == "login_required"


def test_with_the_keyboard_alone(
    browser: webdriver.Chrome, platform: Platform, shop: str
) -> None:
    def keys(*pressed: str) -> None:
        webdriver.ActionChains(browser).send_keys(*pressed).perform()

    browser.get(link(platform, shop, prompt="consent"))
    wait_for(browser, "Sign in")
    keys("org1user", Keys.TAB, "org1user", Keys.TAB, "org1", Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.text == "Sign in"
    assert focused.value_of_css_property("outline-style") == "solid"
    keys(Keys.SPACE)
    wait_for(browser, "Allow access")
    keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Allow"
    keys(Keys.ENTER)
    wait_for(browser, "The shop")
    assert "code" in Shop.got[-1]


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_without_scripts(
    browser: webdriver.Chrome, platform: Platform, shop: str, mode: str
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(link(platform, shop, response_mode=mode, prompt="consent"))
    wait_for(browser, "Sign in")
    press(browser, "superAdmin")
    wait_for(browser, "Allow access")
    press(browser, "Allow")
    if mode == "form_post":
        wait_for(browser, "Going back")
        press(browser, "Go on")
    wait_for(browser, "The shop")
    assert "code" in Shop.got[-1]


def test_the_form_post_page_sends_itself(
    browser: webdriver.Chrome, platform: Platform, shop: str
) -> None:
    browser.get(link(platform, shop, response_mode="form_post", prompt="none"))
    wait_for(browser, "The shop")
    assert Shop.got[-1]["error"] == "login_required"


def test_on_a_phone_in_the_dark(
    browser: webdriver.Chrome,
    platform: Platform,
    shop: str,
    request: pytest.FixtureRequest,
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 320, "height": 900, "deviceScaleFactor": 1, "mobile": True},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    browser.get(link(platform, shop, prompt="consent"))
    wait_for(browser, "Sign in")
    take(browser, request, "sign-in-phone-dark")
    wide = "return document.documentElement.scrollWidth"
    assert browser.execute_script(wide) <= 320
    for button in browser.find_elements(
        By.CSS_SELECTOR, "button, input:not([type=hidden])"
    ):
        assert button.size["height"] >= 24  # WCAG 2.2 AA, 2.5.8
    red, green, blue = map(
        int,
        browser.execute_script(
            "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g)"
        )[:3],
    )
    assert max(red, green, blue) < 64
    sign_in(browser)
    wait_for(browser, "Allow access")
    assert browser.execute_script(wide) <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("host", "operation"),
    [(IDP, "post-oauth2-token"), (API, "post-api-deployer-apis-deploy")],
)
def test_reading_the_openapi_document(
    browser: webdriver.Chrome,
    platform: Platform,
    request: pytest.FixtureRequest,
    host: str,
    operation: str,
    scheme: str,
) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"https://{host}:{platform.port}/openapi.html")
    wait_for(browser, "kapi")
    if (host, scheme) == (API, "light"):
        take(browser, request, "openapi-api")
    browser.find_element(By.CSS_SELECTOR, f"nav a[href='#{operation}']").click()
    section = browser.find_element(By.ID, operation)
    assert browser.execute_cdp_cmd("Page.getNavigationHistory", {})["entries"][-1][
        "url"
    ].endswith(f"#{operation}")
    example = section.find_element(By.CSS_SELECTOR, "li.refused details")
    assert not example.find_element(By.TAG_NAME, "pre").is_displayed()
    example.find_element(By.TAG_NAME, "summary").click()
    assert example.find_element(By.TAG_NAME, "pre").is_displayed()
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert browser.execute_script(LOWEST_CONTRAST) >= 4.5
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 320, "height": 900, "deviceScaleFactor": 1, "mobile": True},
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320


def test_another_site_cannot_frame_a_page(
    browser: webdriver.Chrome, platform: Platform, shop: str
) -> None:
    browser.get(shop)
    script = (
        "const f = document.createElement('iframe'); f.src = arguments[0]; f.onload = () => "
        "arguments[1](true); document.body.append(f)"
    )
    browser.set_script_timeout(20)
    browser.execute_async_script(script, link(platform, shop))
    browser.switch_to.frame(0)
    assert "Sign in" not in browser.page_source
    browser.get_log("browser")  # The refusal is written there.


def test_another_site_cannot_post_the_form(
    browser: webdriver.Chrome, platform: Platform, shop: str
) -> None:
    browser.get(link(platform, shop))
    wait_for(browser, "Sign in")
    values = {
        name: field(browser, name).get_attribute("value")
        for name in ("sessionKey", "token")
    }
    browser.get(shop)
    script = (
        "const f = document.createElement('form'); f.method = 'post'; f.action = arguments[0];"
        "for (const [n, v] of Object.entries(arguments[1])) { const i = "
        "document.createElement('input'); i.name = n; i.value = v; f.append(i) }"
        "document.body.append(f); f.submit()"
    )
    fields = {
        **values,
        "username": "org1user",
        "password": "org1user",
        "organization": "org1",
    }
    browser.execute_script(
        script, f"https://{IDP}:{platform.port}/commonauth/login", fields
    )
    WebDriverWait(browser, PATIENCE).until(lambda driver: IDP in driver.current_url)
    assert "Allow" not in browser.title
    names = {
        cookie["name"]
        for cookie in browser.execute_cdp_cmd("Network.getAllCookies", {})["cookies"]
    }
    assert "__Host-kapi-session" not in names
    browser.get_log("browser")


def violations(browser: webdriver.Chrome) -> list[str]:
    """What axe finds wrong with the page, all of its rules: WCAG and best practices such as
    `region`.
    """
    browser.execute_script(AXE.read_text())
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then((results) => done(results.violations));"
    )
    return [f"{item['id']}: {node['html']}" for item in found for node in item["nodes"]]


def test_axe_finds_nothing_wrong_with_any_page(
    browser: webdriver.Chrome, platform: Platform, shop: str
) -> None:
    origin = f"https://{IDP}:{platform.port}"
    found: dict[str, list[str]] = {}

    def look(name: str, address: str = "") -> None:
        if address:
            browser.get(address)
        found[name] = violations(browser)

    look("home", f"{origin}/")
    look("system home", f"https://{API}:{platform.port}/")
    look("gateway home", f"https://{GATEWAY}:{platform.port}/")
    look("reference", f"{origin}/openapi.html")
    look("error", f"{origin}/oauth2/authorize")
    # The browser logs that the status is 400, as it should be.
    browser.get_log("browser")
    look("device login", f"{origin}/device")
    look("login", link(platform, shop, prompt="consent"))
    field(browser, "username").send_keys("org1user")
    field(browser, "password").send_keys("wrong")
    press(browser, "Sign in")
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: "not right" in driver.page_source
    )
    look("login failed")
    assert field(browser, "username").get_attribute("value") == "org1user"
    sign_in(browser)
    wait_for(browser, "Allow access")
    look("consent")
    look("select", link(platform, shop, prompt="select_account"))
    look("device", f"{origin}/device")
    look("approvals", f"{origin}/authenticationEndpoint/approvals")
    look("account", f"{origin}/authenticationEndpoint/account")
    look("sign out", f"{origin}/oauth2/logout")
    press(browser, "Sign out")
    wait_for(browser, "Signed out")
    look("signed out")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_a_person_says_no_in_a_browser(
    browser: webdriver.Chrome, platform: Platform, shop: str
) -> None:
    browser.get(link(platform, shop))
    press(browser, "Do not sign in")
    wait_for(browser, "The shop")
    assert Shop.got[-1]["error"] == "access_denied"
