"""The client debugger in a real Chromium, through the gateway: a person runs grants and sees every
message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from test_browser import AXE, IDP, PATIENCE

from harness import Platform, free_port


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = Platform(
        free_port(), tmp_path_factory.mktemp("kapi") / "data", ("--testing",)
    )
    running.start()
    yield f"https://{IDP}:{running.port}/testing/debugger"
    running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--ignore-certificate-errors",
        "--host-resolver-rules=MAP *.am.wso2.com 127.0.0.1",
        "--disable-dev-shm-usage",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    log = driver.get_log("browser")
    driver.quit()
    assert [
        entry for entry in log if "Content Security Policy" in entry["message"]
    ] == []


def press(browser: webdriver.Chrome, step: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"button[value={step}]").click()


def until(
    browser: webdriver.Chrome, reached: Callable[[webdriver.Chrome], object]
) -> None:
    """Wait; a page may be replaced while it is read."""
    ignored = [StaleElementReferenceException, NoSuchElementException]
    WebDriverWait(browser, PATIENCE, ignored_exceptions=ignored).until(reached)


def wait_for(browser: webdriver.Chrome, text: str) -> None:
    until(browser, lambda driver: text in driver.find_element(By.TAG_NAME, "body").text)


def sign_in(browser: webdriver.Chrome) -> None:
    until(browser, lambda driver: driver.find_element(By.NAME, "password"))
    for name in ("username", "password"):
        browser.find_element(By.NAME, name).send_keys("org1user")
    browser.find_element(By.NAME, "organization").clear()
    browser.find_element(By.NAME, "organization").send_keys("org1", Keys.ENTER)


def test_a_person_runs_the_grants_and_sees_every_message(
    browser: webdriver.Chrome, page: str
) -> None:
    browser.get(page)
    press(browser, "client_credentials")
    wait_for(browser, "The access token")
    press(browser, "code")
    sign_in(browser)
    until(
        browser,
        lambda driver: driver.find_element(By.CSS_SELECTOR, "button[value=allow]"),
    )
    press(browser, "allow")
    wait_for(browser, "Token request with the code")
    assert browser.current_url.startswith(page)
    press(browser, "userinfo")
    wait_for(browser, '"sub": "org1user"')
    press(browser, "clear")
    wait_for(browser, "None yet")
    press(browser, "device")
    wait_for(browser, "Open this page as the person")
    press(browser, "device_poll")
    wait_for(browser, "authorization_pending")


def test_axe_finds_nothing_wrong_with_the_page(
    browser: webdriver.Chrome, page: str
) -> None:
    browser.get(page)
    browser.execute_script(AXE.read_text("utf-8"))
    found = browser.execute_async_script(
        "axe.run().then((result) => arguments[0](result.violations.map((v) => v.id)))"
    )
    assert found == []
