"""The console in a real Chromium, through the gateway: each page in light and dark, looked at by
axe.

`pytest tests/interop/test_browser_console.py --screenshots` renews the pictures of the
documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from test_browser import AXE, PATIENCE

from harness import DEFINITION, Platform, conf, echo_backend, free_port
from waiting import until

IMAGES = Path(__file__).parents[2] / "docs"
SHOWN = ("account", "api", "mistake", "try")
"""The pages whose pictures are in the documentation."""
CONSOLE, GATEWAY = "console.am.wso2.com", "default.gw.wso2.com"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with an API that was called, and refused calls."""
    running = Platform(free_port(), tmp_path_factory.mktemp("kapi") / "data")
    running.start()
    with echo_backend() as port:
        assert (
            running.deploy(conf("Petstore", "/pets", port=port), DEFINITION).status
            == 200
        )
        for path in ("/open", "/open", "/items", "/open", "/items/1"):
            running.request(GATEWAY, f"/pets/1.0.0{path}")
        until(lambda: "/pets/1.0.0/items/1" in running.cli("logs").stdout)
        yield running
    running.stop()


@pytest.fixture(scope="module")
def origin(platform: Platform) -> str:
    """The address of the console."""
    return f"https://{CONSOLE}:{platform.port}"


@pytest.fixture(scope="module")
def browser(origin: str) -> Iterator[webdriver.Chrome]:
    """A browser in which the operator is signed in."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--ignore-certificate-errors",
        "--window-size=1000,760",
        "--host-resolver-rules=MAP *.am.wso2.com 127.0.0.1",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(PATIENCE)
    driver.get(f"{origin}/")
    driver.find_element(By.NAME, "username").send_keys("superAdmin")
    driver.find_element(By.NAME, "password").send_keys("superAdmin", Keys.ENTER)
    WebDriverWait(driver, PATIENCE).until(lambda known: "kapi console" in known.title)
    yield driver
    log = [entry["message"] for entry in driver.get_log("browser")]
    driver.quit()
    assert [line for line in log if "Content Security Policy" in line] == []


def look(
    browser: webdriver.Chrome,
    name: str,
    request: pytest.FixtureRequest,
    folder: str = "console",
) -> list[str]:
    """What axe finds wrong with the page in light and in dark."""
    found = []
    for scheme in ("light", "dark"):
        wanted = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wanted)
        browser.execute_script(AXE.read_text())
        violations = browser.execute_async_script(
            "const done = arguments[0]; axe.run().then((results) => done(results.violations));"
        )
        for item in violations:
            found += [
                f"{scheme}: {item['id']}: {node['html']}" for node in item["nodes"]
            ]
        wanted_image = name in SHOWN and (scheme == "light" or name == "api")
        if wanted_image and request.config.getoption("--screenshots"):
            suffix = "" if scheme == "light" else "-dark"
            browser.save_screenshot(str(IMAGES / folder / f"{name}{suffix}.png"))
    return found


def test_axe_finds_nothing_wrong_with_any_page(
    browser: webdriver.Chrome, origin: str, request: pytest.FixtureRequest
) -> None:
    found: dict[str, list[str]] = {}

    def shown(name: str, path: str = "") -> None:
        if path:
            browser.get(f"{origin}{path}")
        found[name] = look(browser, name, request)

    shown("apis", "/console/")
    browser.find_element(By.LINK_TEXT, "Petstore").click()
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, ".plot canvas")
    )
    browser.execute_script("document.querySelector('main .filters').scrollIntoView()")
    shown("api")
    shown("calls", "/console/calls?refused=true")
    browser.find_element(By.PARTIAL_LINK_TEXT, "/pets/1.0.0/items").click()
    WebDriverWait(browser, PATIENCE).until(lambda driver: "One call" in driver.title)
    shown("call")
    shown("audit", "/console/audit")
    shown("deploy", "/console/deploy")
    shown("platform", "/console/platform")
    shown("token", "/console/token")
    shown("sessions", "/console/sessions")
    assert browser.find_elements(
        By.XPATH, "//button[starts-with(normalize-space(), 'End')]"
    )
    shown("add", "/console/add/users")
    shown("confirm", "/console/edit/users/remove?id=ada")
    shown("rotate", "/console/edit/keys/rotate")
    shown("password", "/console/edit/users/password?id=ada")
    shown("add-api-key", "/console/add/api-keys")
    shown("settings", "/console/settings")
    assert browser.find_elements(By.XPATH, "//code[.='gateway.port']")
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_a_call_is_tried(
    browser: webdriver.Chrome, origin: str, request: pytest.FixtureRequest
) -> None:
    browser.get(f"{origin}/console/")
    browser.find_element(By.LINK_TEXT, "Petstore").click()
    operation = WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.find_element(By.PARTIAL_LINK_TEXT, "GET /items/{id}")
    )
    operation.send_keys(Keys.ENTER)
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: "Try Petstore" in driver.title
    )
    assert look(browser, "try-form", request) == []
    browser.find_element(By.ID, "value0").send_keys("7", Keys.ENTER)
    shown = WebDriverWait(browser, PATIENCE).until(
        lambda driver: driver.find_elements(By.CSS_SELECTOR, "#exchange h2")
    )
    assert shown[0].text.startswith("200 OK in ")
    text = browser.find_element(By.ID, "exchange").text
    assert "operation GET /items/{id}" in text
    assert "(the access token)" in text
    assert "eyJ" not in browser.page_source
    assert browser.find_element(By.ID, "value0").get_attribute("value") == "7"
    assert browser.current_url.endswith("/try?operation=GET%20/items/%7Bid%7D")
    browser.execute_script("arguments[0].scrollIntoView()", shown[0])
    assert look(browser, "try", request) == []


def test_people_change_their_account(
    browser: webdriver.Chrome, platform: Platform, request: pytest.FixtureRequest
) -> None:
    """Cookies of the provider's host only are removed: the console keeps its session."""
    first, second = "a long password", "another long password"
    add = ("user", "add", "ada", "--organization", "default", "--password-stdin")
    assert platform.cli(*add, stdin=first).returncode == 0
    address = f"https://idp.am.wso2.com:{platform.port}/authenticationEndpoint/account"
    browser.get(address)
    browser.delete_all_cookies()
    browser.get(address)
    for name, value in (
        ("username", "ada"),
        ("password", first),
        ("organization", "default"),
    ):
        browser.find_element(By.NAME, name).send_keys(value)
    press(browser, "Sign in")
    assert look(browser, "account", request, "images") == []
    for name, value in (("current", "wrong"), ("new", second), ("again", second)):
        browser.find_element(By.NAME, name).send_keys(value)
    press(browser, "Change the password")
    assert "The current password is not right" in browser.page_source
    assert look(browser, "account-failed", request) == []
    for name, value in (("current", first), ("new", second), ("again", second)):
        browser.find_element(By.NAME, name).send_keys(value)
    press(browser, "Change the password")
    assert "Your password was changed" in browser.page_source
    assert look(browser, "account-changed", request) == []


def test_a_client_is_added_with_the_keyboard(
    browser: webdriver.Chrome, origin: str, request: pytest.FixtureRequest
) -> None:
    browser.get(f"{origin}/console/platform")
    browser.find_element(By.LINK_TEXT, "Add: client").send_keys(Keys.ENTER)
    WebDriverWait(browser, PATIENCE).until(lambda driver: "Add: client" in driver.title)
    browser.find_element(By.NAME, "redirect_uris").send_keys("not an address")
    press(browser, "Add")
    assert browser.find_elements(By.CSS_SELECTOR, "[role=alert]")
    assert look(browser, "add-mistake", request) == []
    browser.find_element(By.NAME, "redirect_uris").clear()
    browser.find_element(By.NAME, "client_name").send_keys("Batch")
    press(browser, "Add")
    assert "it is not shown again" in browser.page_source
    assert look(browser, "secret", request) == []
    browser.find_element(By.LINK_TEXT, "Back").send_keys(Keys.ENTER)
    WebDriverWait(browser, PATIENCE).until(lambda driver: "Batch" in driver.page_source)
    assert look(browser, "platform", request) == []


def test_members_are_changed_with_the_keyboard(
    browser: webdriver.Chrome,
    origin: str,
    platform: Platform,
    request: pytest.FixtureRequest,
) -> None:
    add = ("user", "add", "bob", "--password-stdin")
    assert platform.cli(*add, stdin="a-long-password").returncode == 0
    browser.get(f"{origin}/console/change/users?id=bob")
    assert look(browser, "change", request) == []
    claims = browser.find_element(By.NAME, "claims")
    claims.send_keys("{")
    press(browser, "Save")
    assert (
        "Claims is not JSON"
        in browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
    )
    browser.find_element(By.NAME, "claims").send_keys('"locale": "de"}')
    platform.cli("user", "update", "bob", "--group", "night")
    press(browser, "Save")
    assert "Its current value: night" in browser.find_element(By.TAG_NAME, "main").text
    assert look(browser, "change-late", request) == []
    press(browser, "Save")
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: "/platform" in driver.current_url
    )
    assert '"locale":"de"' in platform.cli(
        "get", "user", "bob", "-o", "json"
    ).stdout.replace(" ", "")


def test_what_cannot_be_undone_is_confirmed_with_the_keyboard(
    browser: webdriver.Chrome, origin: str, request: pytest.FixtureRequest
) -> None:
    """The browser does not send the form before the box is selected."""
    browser.get(f"{origin}/console/edit/keys/rotate")
    button = browser.find_element(By.XPATH, "//button[normalize-space()='Rotate']")
    button.send_keys(Keys.ENTER)
    assert not browser.execute_script(
        "return document.querySelector('main form').checkValidity()"
    )
    browser.find_element(By.NAME, "algorithm").send_keys("ES256")
    browser.find_element(By.NAME, "now").send_keys(Keys.SPACE)
    browser.find_element(By.NAME, "sure").send_keys(Keys.SPACE)
    press(browser, "Rotate")
    WebDriverWait(browser, PATIENCE).until(
        lambda driver: "/platform" in driver.current_url
    )
    assert (
        "ES256" in browser.find_element(By.ID, "keys").find_element(By.XPATH, "..").text
    )
    assert look(browser, "platform-keys", request) == []


def test_a_consumer_key_is_made_and_revoked_with_the_keyboard(
    browser: webdriver.Chrome, origin: str, request: pytest.FixtureRequest
) -> None:
    browser.get(f"{origin}/console/add/applications")
    browser.find_element(By.NAME, "name").send_keys("Kiosk")
    press(browser, "Add")
    follow(browser, browser.find_element(By.PARTIAL_LINK_TEXT, "Keys"))
    assert look(browser, "application", request) == []
    press(browser, "Make a key")
    secret = browser.find_elements(By.CSS_SELECTOR, ".facts code")[1].text
    assert len(secret) > 20
    assert look(browser, "consumer-secret", request) == []
    follow(browser, browser.find_element(By.LINK_TEXT, "Back"))
    page = browser.current_url
    assert secret not in browser.page_source
    browser.back()
    assert secret not in browser.page_source
    browser.get(page)
    assert look(browser, "application-key", request) == []
    follow(browser, browser.find_element(By.PARTIAL_LINK_TEXT, "Revoke"))
    assert look(browser, "revoke", request) == []
    browser.find_element(By.NAME, "client").send_keys(Keys.SPACE)
    press(browser, "Revoke")
    assert "There are none: no token" in browser.page_source


def test_files_are_deployed_with_the_keyboard(
    browser: webdriver.Chrome,
    origin: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    right = conf("Dropped", "/dropped", port=9)
    (tmp_path / "conf").write_text(right.replace("verb: GET", "verb: GETT", 1))
    (tmp_path / "definition").write_text(DEFINITION)
    browser.get(f"{origin}/console/deploy")
    browser.find_element(By.ID, "conf-file").send_keys(str(tmp_path / "conf"))
    browser.find_element(By.ID, "definition-file").send_keys(
        str(tmp_path / "definition")
    )
    press(browser, "Check, and show what changes")
    assert "GETT" in browser.find_element(By.CSS_SELECTOR, "[role=alert] pre").text
    assert look(browser, "mistake", request) == []
    text = browser.find_element(By.ID, "conf")
    text.clear()
    text.send_keys(right)
    press(browser, "Check again")
    assert "Dropped 1.0.0: created" in browser.page_source
    assert look(browser, "plan", request) == []
    press(browser, "Deploy")
    assert browser.find_elements(By.LINK_TEXT, "Dropped")


def press(browser: webdriver.Chrome, text: str) -> None:
    """Press Enter on a button, and wait for the next page."""
    follow(
        browser, browser.find_element(By.XPATH, f"//button[normalize-space()='{text}']")
    )


def follow(browser: webdriver.Chrome, element: WebElement) -> None:
    """Press Enter on an element, and wait for the next page: this one is marked."""
    browser.execute_script("window.left = true")
    element.send_keys(Keys.ENTER)
    WebDriverWait(browser, PATIENCE, ignored_exceptions=(WebDriverException,)).until(
        lambda driver: driver.execute_script(
            "return !window.left && document.readyState === 'complete'"
        )
    )
