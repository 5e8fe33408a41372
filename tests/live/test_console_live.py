"""The console through the gateway: sign-in with the platform's provider, roles, pages, changes."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

import pytest

from console_browser import PROVIDER, Browser, confirmed, token_of
from harness import DEFINITION, Platform, conf
from kapi.settings import WELL_KNOWN_CLIENT_ID
from waiting import until


@pytest.fixture(scope="module")
def api(platform: Platform, echo: int) -> str:
    """The id of a deployed API that was called and refused a call."""
    answer = platform.deploy(conf("Shown", "/shown", port=echo), DEFINITION)
    assert answer.status == 200, answer.body
    platform.request("default.gw.wso2.com", "/shown/1.0.0/open")
    platform.request("default.gw.wso2.com", "/shown/1.0.0/items")
    found = re.search(r"^id: \"?([\w-]+)", answer.body.decode(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def operator(platform: Platform) -> Browser:
    browser = Browser.at(platform)
    assert browser.sign_in("superAdmin").status == 200
    return browser


def test_an_operator_sees_the_apis_and_one_with_its_figures(
    operator: Browser, api: str
) -> None:
    page = operator.open("/")
    assert "superAdmin</a> · default · operator" in page.text
    account = (
        f'href="https://{PROVIDER}:{operator.port}/authenticationEndpoint/account"'
    )
    assert account in page.text
    assert f'href="/console/apis/{api}"' in page.text
    policy = page.header("content-security-policy")
    assert "script-src 'self'; style-src 'self'" in policy
    assert not re.search(r"<style|<script>| style=| on\w+=", page.text)
    until(
        lambda: "Why calls were refused" in operator.open(f"/console/apis/{api}").text
    )
    for span in ("6 hours", "1 day", "1 year"):
        day = operator.open(f"/console/apis/{api}?span={quote(span)}").text
        assert "Why calls were refused" in day
        assert re.search(r"<dt>Calls</dt><dd>[2-9]</dd>", day)
    shown = operator.open(f"/console/apis/{api}").text
    assert "<h1>Shown 1.0.0</h1>" in shown
    assert "items:read" in shown
    assert "Undeploy Shown" in shown


def test_why_a_call_was_refused(
    operator: Browser, api: str, platform: Platform
) -> None:
    refused = platform.request("default.gw.wso2.com", "/shown/1.0.0/items")
    wanted = refused.headers["x-request-id"]
    until(lambda: operator.open(f"/console/calls?request={wanted}").status == 200)
    page = operator.open(f"/console/calls?request={wanted}")
    assert "What happened" in page.text
    assert "900902" in page.text
    listed = operator.open("/console/calls?api=Shown&refused=true").text
    assert f'href="/console/calls/{wanted}"' in listed
    assert operator.open("/console/calls/00000000-not-there").status == 404


def test_the_audit_log(operator: Browser, api: str) -> None:
    assert api
    assert "api.deploy" in operator.open("/console/audit?event=api.deploy").text


def test_a_person_without_a_role_sees_nothing(platform: Platform) -> None:
    browser = Browser.at(platform)
    page = browser.sign_in("org1user", "org1")
    assert page.status == 403
    assert "Your account has no role" in page.text
    assert browser.console.ask("GET", "/console/calls").location == "/console/sign-in"


def test_names_below_localhost(platform: Platform) -> None:
    browser = Browser.at(platform, ("console.localhost", "idp.localhost"))
    assert (
        browser.sign_in("superAdmin").location == "/console/"
        or "operator" in browser.open("/").text
    )


def test_a_form_of_another_site_changes_nothing(operator: Browser, api: str) -> None:
    path, token = f"/console/apis/{api}/undeploy", token_of(operator.open("/"))
    assert operator.send(path, {"name": "Shown"}).status == 403
    assert operator.send(path, {"name": "Shown", "token": "0" * 64}).status == 403
    cross = {"sec-fetch-site": "same-site"}
    assert operator.send(path, {"name": "Shown", "token": token}, **cross).status == 403
    assert operator.send(path, {"name": "Other", "token": token}).status == 400
    assert operator.open(f"/console/apis/{api}").status == 200


def test_an_api_is_removed_after_its_name_is_typed(operator: Browser, api: str) -> None:
    token = token_of(operator.open("/"))
    answer = operator.send(
        f"/console/apis/{api}/undeploy", {"name": "Shown", "token": token}
    )
    assert (answer.status, answer.location) == (303, "/console/")
    assert operator.open(f"/console/apis/{api}").status == 404
    assert "superAdmin" in operator.open("/console/audit?event=api.undeploy").text


def test_a_reader_changes_nothing_and_sees_no_button(platform: Platform) -> None:
    platform.cli(
        *(
            "user",
            "add",
            "rita",
            "--organization",
            "default",
            "--group",
            "kapi-readers",
        ),
        "--password-stdin",
        stdin="a-long-password-of-rita",
    )
    browser = Browser.at(platform)
    page = browser.sign_in("rita", "default", "a-long-password-of-rita")
    assert page.status == 200
    assert "rita</a> · default · reader" in page.text
    assert browser.open("/console/deploy").status == 403
    assert browser.open("/console/apis/any/try").status == 403
    assert (
        browser.send("/console/apis/any/try", {"token": token_of(page)}).status == 403
    )
    assert browser.open("/console/add/users").status == 403
    assert browser.send("/console/add/users", {"token": token_of(page)}).status == 403
    assert (
        browser.send("/console/edit/users/remove", {"token": token_of(page)}).status
        == 403
    )
    fields = {
        "token": token_of(page),
        "apkConfiguration": conf(),
        "definitionFile": DEFINITION,
    }
    assert browser.send("/console/deploy/now", fields).status == 403
    platform.cli("user", "remove", "rita")
    assert browser.console.ask("GET", "/console/").location == "/console/sign-in"


def test_deploying_shows_mistakes_then_differences_then_deploys(
    operator: Browser, platform: Platform, echo: int
) -> None:
    token = token_of(operator.open("/console/deploy"))
    text = conf("Dropped", "/dropped", port=echo)
    wrong = {"token": token, "definitionFile": DEFINITION}
    page = operator.send(
        "/console/deploy",
        {**wrong, "apkConfiguration": text.replace("verb: GET", "verb: GETT", 1)},
    )
    assert page.status == 400
    line = (
        text.splitlines().index(
            next(one for one in text.splitlines() if "verb: GET" in one)
        )
        + 1
    )
    shown = html.unescape(page.text)
    assert f"{line} | " in shown
    assert "GETT" in shown
    assert re.search(r"\n +\^</pre>", page.text)
    fields = {"token": token, "apkConfiguration": text, "definitionFile": DEFINITION}
    assert (
        "<h1>Dropped 1.0.0: created</h1>"
        in operator.send("/console/deploy", fields).text
    )
    assert "Dropped" not in operator.open("/console/").text
    assert operator.send("/console/deploy/now", fields).location == "/console/"
    assert "Dropped" in operator.open("/console/").text
    changed = {
        **fields,
        "apkConfiguration": text.replace("/items/{id}", "/things/{id}", 1),
    }
    page = operator.send("/console/deploy", changed)
    assert "<h1>Dropped 1.0.0: configured</h1>" in page.text
    assert "things/{id}" in re.findall(r'<span class="add">(.*)</span>', page.text)[0]
    assert "unchanged" in operator.send("/console/deploy", fields).text


def test_the_platforms_lists_and_the_token_inspector(
    operator: Browser, platform: Platform
) -> None:
    page = operator.open("/console/platform")
    for text in ("Signing keys", "seeded non-production client", "multiorguser"):
        assert text in page.text
    assert "4fbd62ec" not in page.text
    token, access = token_of(page), platform.token("items:read")
    good = operator.send("/console/token", {"token": token, "jwt": access})
    assert "items:read" in good.text
    assert 'class="bad"' not in good.text
    assert access not in good.text
    wrong = f"{access[:-8]}AAAAAAAA"
    assert (
        'class="bad"'
        in operator.send("/console/token", {"token": token, "jwt": wrong}).text
    )
    assert (
        operator.send("/console/token", {"token": token, "jwt": "opaque"}).status == 400
    )


def test_settings_in_force_with_their_sources(
    operator: Browser, platform: Platform
) -> None:
    page = operator.open("/console/settings")
    row = re.search(
        r"<code>gateway.port</code></th><td>(.*?)</td><td>(.*?)</td>", page.text
    )
    assert row is not None
    assert (row[1], row[2]) == (str(platform.port), "--port")
    assert re.search(
        r"<code>gateway.access_log</code></th><td>true</td><td>default<", page.text
    )
    assert "4fbd62ec" not in page.text
    changed = operator.open("/console/settings?changed=true").text
    assert "gateway.port" in changed
    assert "gateway.access_log</code>" not in changed


def test_an_operator_ends_the_session_of_a_person(
    operator: Browser, platform: Platform
) -> None:
    platform.cli(
        *("user", "add", "sue", "--organization", "default", "--group", "kapi-readers"),
        "--password-stdin",
        stdin="a-long-password-of-sue",
    )
    reader = Browser.at(platform)
    page = reader.sign_in("sue", "default", "a-long-password-of-sue")
    listed = reader.open("/console/sessions?user=sue").text
    assert "/end" not in listed
    found = re.search(r"<code>([0-9a-f-]{36})</code>", listed)
    assert found is not None
    path = f"/console/sessions/{found[1]}/end"
    assert reader.send(path, {"token": token_of(page)}).status == 403
    assert operator.send(path, {"token": "0" * 64}).status == 403
    assert path in operator.open("/console/sessions?user=sue").text
    token = token_of(operator.open("/"))
    assert operator.send(path, {"token": token}).location == "/console/sessions"
    assert path not in operator.open("/console/sessions").text
    assert reader.console.ask("GET", "/console/").location == "/console/sign-in"
    assert operator.send(path, {"token": token}).status == 404
    assert "superAdmin" in operator.open("/console/audit?event=session.revoke").text
    platform.cli("user", "remove", "sue")


def test_signing_out_ends_the_session(platform: Platform) -> None:
    browser = Browser.at(platform)
    browser.sign_in("superAdmin")
    kept = dict(browser.console.cookies)
    answer = browser.send(
        "/console/sign-out", {"token": token_of(browser.open("/console/"))}
    )
    assert answer.location.startswith(
        f"https://{PROVIDER}:{platform.port}/oidc/logout?"
    )
    browser.console.cookies = kept
    assert browser.console.ask("GET", "/console/").location == "/console/sign-in"


def tried(operator: Browser, api: str, **fields: str) -> str:
    """The page after a call was sent, as text."""
    page = operator.open(f"/console/apis/{api}/try")
    sent = operator.send(
        f"/console/apis/{api}/try", {"token": token_of(page), **fields}
    )
    return html.unescape(sent.text)


@pytest.fixture(scope="module")
def tryable(platform: Platform, echo: int) -> str:
    """The id of a deployed API."""
    answer = platform.deploy(conf("Tried", "/tried", port=echo), DEFINITION)
    found = re.search(r"^id: \"?([\w-]+)", answer.body.decode(), re.MULTILINE)
    assert found is not None, answer.body
    return found[1]


def test_a_call_is_tried_with_a_token_of_a_client(
    operator: Browser, tryable: str, platform: Platform
) -> None:
    form = operator.open(
        f"/console/apis/{tryable}/try?operation=GET%20/items/%7Bid%7D"
    ).text
    assert 'value="items:read"' in form
    wanted = {"operation": "GET /items/{id}", "value0": "a b", "access": "client"}
    client = {"client": WELL_KNOWN_CLIENT_ID, "scope": "items:read"}
    text = tried(operator, tryable, **wanted, **client)
    assert "<h2>200 OK in " in text
    assert "/tried/1.0.0/items/a%20b" in text
    assert "Bearer (the access token)" in text
    assert "eyJ" not in text
    assert "API Tried 1.0.0, operation GET /items/{id}" in text
    assert "What the gateway makes of the token" in text
    refused = tried(operator, tryable, **wanted, **{**client, "scope": "openid"})
    assert "<h2>403 Forbidden in " in refused
    assert "code 900910" in refused
    assert "the scopes items:read or items:admin are missing (900910)" in refused
    audit = operator.open("/console/audit?event=console.try").text
    assert "Tried 1.0.0" in audit
    log = (platform.data_dir / "logs" / "control.log").read_text()
    assert "eyJ" not in log


def test_what_cannot_be_tried(
    operator: Browser, tryable: str, platform: Platform
) -> None:
    wanted = {"operation": "GET /items/{id}", "access": "none"}
    assert "no segment of the path may be . or .." in tried(
        operator, tryable, **wanted, value0=".."
    )
    assert "the header host cannot be set here" in tried(
        operator, tryable, **wanted, value0="1", headers="Host: idp.am.wso2.com"
    )
    other = {"operation": "GET /api/users", "access": "none"}
    assert "The API has no such operation" in tried(operator, tryable, **other)
    page = operator.open("/")
    path = f"/console/apis/{tryable}/try"
    assert operator.send(path, {**wanted, "value0": "1"}).status == 403
    assert operator.send(path, {**wanted, "token": "0" * 64}).status == 403
    assert (
        operator.send("/console/apis/not-there/try", {"token": token_of(page)}).status
        == 404
    )
    wrong = {"access": "client", "client": "not-there", "secret": "x", "value0": "1"}
    assert "The client not-there got no token" in tried(
        operator, tryable, **{**wanted, **wrong}
    )


def test_an_operator_adds_disables_and_removes_a_user(
    operator: Browser, platform: Platform
) -> None:
    token = token_of(operator.open("/console/add/users"))
    wrong = {"token": token, "username": "uma@x.example", "password": "short"}
    page = operator.send("/console/add/users", wrong)
    assert page.status == 400
    assert "must have 8 to 1024 characters" in page.text
    assert "short" not in page.text
    right = {
        "password": "a-long-password-of-uma",
        "organizations": "default",
        "groups": "a b",
    }
    assert operator.send("/console/add/users", {**wrong, **right}).status == 303
    assert (
        "/console/edit/users/disable?id=uma%40x.example"
        in operator.open("/console/platform").text
    )
    assert (
        confirmed(operator, "/console/edit/users/disable", "uma@x.example").status
        == 303
    )
    assert (
        "/console/edit/users/enable?id=uma%40x.example"
        in operator.open("/console/platform").text
    )
    assert (
        confirmed(operator, "/console/edit/users/enable", "uma@x.example").status == 303
    )
    assert (
        confirmed(operator, "/console/edit/users/remove", "uma@x.example").status == 303
    )
    assert (
        confirmed(operator, "/console/edit/users/remove", "uma@x.example").status == 404
    )
    assert confirmed(operator, "/console/edit/users/remove", "org1user").status == 409
    assert "uma@x.example" in operator.open("/console/audit?event=user.remove").text
    assert "id=org1user" not in operator.open("/console/platform").text
    assert (
        operator.send("/console/edit/users/remove", {"id": "uma@x.example"}).status
        == 403
    )
    assert confirmed(operator, "/console/edit/users/remove", "../keys").status == 404


def test_the_secret_of_a_new_client_is_shown_once(
    operator: Browser, platform: Platform
) -> None:
    token = token_of(operator.open("/console/add/clients"))
    fields = {
        "token": token,
        "client_name": "Batch",
        "grant_types": "client_credentials",
    }
    page = operator.send("/console/add/clients", {**fields, "scope": "a b"})
    shown = dict(re.findall(r"<dt>(\w+)</dt><dd><code>(.*?)</code>", page.text))
    client, secret = shown["client_id"], shown["client_secret"]
    assert secret not in operator.open("/console/platform").text
    again = confirmed(operator, "/console/edit/clients/secret", client).text
    assert "client_secret" in again
    assert secret not in again
    assert confirmed(operator, "/console/edit/clients/remove", client).status == 303
    assert client not in operator.open("/console/platform").text


def test_a_subscription_is_added_blocked_and_removed(
    operator: Browser, tryable: str, platform: Platform
) -> None:
    assert tryable
    token = token_of(operator.open("/console/add/applications"))
    made = operator.send("/console/add/applications", {"token": token, "name": "Shelf"})
    assert made.status == 303
    fields = {"application": "Shelf", "api.name": "Tried", "api.version": ".*"}
    made = operator.send("/console/add/subscriptions", {"token": token, **fields})
    assert made.status == 303, made.text
    found = re.search(
        r"subscriptions/block\?id=([\w-]+)", operator.open("/console/platform").text
    )
    assert found is not None
    assert (
        confirmed(operator, "/console/edit/subscriptions/block", found[1]).status == 303
    )
    assert f"unblock?id={found[1]}" in operator.open("/console/platform").text
    assert (
        confirmed(operator, "/console/edit/subscriptions/remove", found[1]).status
        == 303
    )
    assert (
        confirmed(operator, "/console/edit/applications/remove", "Shelf").status == 303
    )
    assert operator.open("/console/add/nodes").status == 404
    assert operator.open("/console/edit/users/burn").status == 404
