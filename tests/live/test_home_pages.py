"""The page at `/` of each host: for people; programs that ask for JSON get the gateway's 404."""

from __future__ import annotations

import pytest

from harness import Platform
from person import Page, over_https

IDP, API, GATEWAY, SANDBOX = (
    "idp.am.wso2.com",
    "api.am.wso2.com",
    "default.gw.wso2.com",
    "default.sandbox.gw.wso2.com",
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NOT_FOUND = {
    "code": "404",
    "message": "Not Found",
    "description": "The requested resource is not available.",
}
TITLES = {
    IDP: "Identity provider",
    API: "System APIs",
    "localhost": "System APIs",
    GATEWAY: "Gateway",
    SANDBOX: "Gateway",
    "idp.localhost": "Identity provider",
    "api.localhost": "System APIs",
    "default.gw.localhost": "Gateway",
}


def ask(
    platform: Platform,
    host: str,
    accept: str | None,
    path: str = "/",
    method: str = "GET",
) -> Page:
    return over_https(platform.port, host)(
        method, path, b"", {} if accept is None else {"accept": accept}
    )


@pytest.mark.parametrize("host", TITLES)
@pytest.mark.parametrize("path", ["/", "/?x=1"])
def test_a_browser_gets_a_page(platform: Platform, host: str, path: str) -> None:
    page = ask(platform, host, BROWSER, path)
    assert (page.status, page.header("content-type"), page.header("vary")) == (
        200,
        "text/html; charset=utf-8",
        "accept",
    )
    assert f"<h1>{TITLES[host]}</h1>" in page.text
    assert page.header("content-security-policy").startswith(
        "default-src 'none'; style-src 'sha256-"
    )
    assert ("Non-production" in page.text) is (TITLES[host] == TITLES[IDP])


@pytest.mark.parametrize("host", TITLES)
def test_every_link_of_a_page_leads_somewhere(platform: Platform, host: str) -> None:
    page = ask(platform, host, BROWSER)
    links = [part.partition('"')[0] for part in page.text.split('<a href="')[1:]]
    assert bool(links) is (TITLES[host] != "Gateway")
    assert {
        link: ask(platform, host, BROWSER, link).status for link in links
    } == dict.fromkeys(links, 200)


@pytest.mark.parametrize("host", TITLES)
@pytest.mark.parametrize(
    "accept", ["application/json", "application/problem+json, */*;q=0.1"]
)
def test_a_program_that_asks_for_json_gets_json(
    platform: Platform, host: str, accept: str
) -> None:
    answer = ask(platform, host, accept)
    assert (answer.status, answer.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("accept", [None, "*/*"])
@pytest.mark.parametrize("host", TITLES)
def test_what_takes_anything_gets_a_page_but_for_the_hosts_of_apis(
    platform: Platform, host: str, accept: str | None
) -> None:
    answer = ask(platform, host, accept)
    if TITLES[host] == "Gateway":
        assert (answer.status, answer.json()) == (404, NOT_FOUND)
    else:
        assert (answer.status, "<h1>" in answer.text) == (200, True)


@pytest.mark.parametrize("host", TITLES)
def test_only_reading_is_answered(platform: Platform, host: str) -> None:
    assert ask(platform, host, BROWSER, method="POST").status == 404
    head = ask(platform, host, BROWSER, method="HEAD")
    assert (head.status, head.body) == (200, b"")


def test_other_paths_stay_as_they_are(platform: Platform) -> None:
    for path in ("/nothing", "//nothing", "/%2F"):
        assert ask(platform, GATEWAY, BROWSER, path).status in {404, 307, 400}
