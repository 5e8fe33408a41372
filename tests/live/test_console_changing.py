"""What operators change on the pages of the console: members, keys, passwords."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console_browser import Browser, confirmed, token_of
from harness import DEFINITION, Platform, conf
from kapi.front.web import console
from person import Page

GATEWAY = "default.gw.wso2.com"


@pytest.fixture(scope="module")
def operator(platform: Platform) -> Browser:
    browser = Browser.at(platform)
    assert browser.sign_in("superAdmin").status == 200
    return browser


@pytest.fixture(scope="module")
def reader(platform: Platform) -> Iterator[Browser]:
    """A person who may only see."""
    password = "a-long-password-of-rosa"
    options = (
        "--organization",
        "default",
        "--group",
        "kapi-readers",
        "--password-stdin",
    )
    platform.cli("user", "add", "rosa", *options, stdin=password)
    browser = Browser.at(platform)
    assert browser.sign_in("rosa", "default", password).status == 200
    yield browser
    platform.cli("user", "remove", "rosa")


def fields_of(page: Page) -> dict[str, str]:
    """The fields of the form of a page, as a browser would send them."""
    found = {}
    for tag in re.findall(r"<input [^>]*>", page.text):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or tag.endswith("checked>"):
            found[attributes["name"]] = html.unescape(attributes.get("value", ""))
    for name, text in re.findall(
        r'<textarea [^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', page.text, re.S
    ):
        found[name] = html.unescape(text)
    for name, text in re.findall(
        r'<select [^>]*name="([^"]+)"[^>]*>.*?<option selected>(.*?)<', page.text
    ):
        found[name] = html.unescape(text)
    return found


def changed(operator: Browser, kind: str, identifier: str, **fields: str) -> Page:
    """The answer to a form of members in which some were typed anew."""
    form = fields_of(operator.open(f"/console/change/{kind}?id={identifier}"))
    return operator.send(f"/console/change/{kind}", {**form, **fields})


def shown_once(page: Page) -> dict[str, str]:
    """What a page shows this once."""
    assert "it is not shown again" in page.text, page.text
    return dict(re.findall(r"<dt>([^<]+)</dt><dd><code>(.*?)</code>", page.text))


def described(platform: Platform, kind: str, name: str) -> Any:
    return json.loads(platform.cli("get", kind, name, "-o", "json").stdout)


def test_members_of_a_client(operator: Browser, platform: Platform) -> None:
    made = json.loads(platform.cli("client", "create", "Batch", "-o", "json").stdout)
    client = made["client_id"]
    plain = changed(operator, "clients", client)
    assert (plain.status, plain.location) == (303, "/console/platform#clients")
    more = {
        "client_name": "Night batch",
        "scope": "a b",
        "dpop_bound_access_tokens": "yes",
    }
    more |= {"member": "token_lifetime", "content": "60"}
    assert changed(operator, "clients", client, **more).status == 303
    now = described(platform, "client", client)
    assert (now["client_name"], now["scope"]) == ("Night batch", "a b")
    assert now["dpop_bound_access_tokens"] is True
    assert now["grant_types"] == made["grant_types"]
    wrong = changed(operator, "clients", client, jwks_uri="nowhere", client_name="Kept")
    assert wrong.status == 400
    assert 'value="Kept"' in wrong.text
    assert "jwks_uri" in wrong.text
    wrong = changed(operator, "clients", client, member="claims", content="{")
    assert (wrong.status, "Value is not JSON" in wrong.text) == (400, True)
    assert "client_name" in operator.open("/console/audit?event=client.change").text
    assert confirmed(operator, "/console/edit/clients/remove", client).status == 303


def test_what_others_changed_in_the_meantime_is_not_lost(
    operator: Browser, platform: Platform
) -> None:
    platform.cli(
        "user", "add", "max", "--password-stdin", stdin="a-long-password-of-max"
    )
    form = fields_of(operator.open("/console/change/users?id=max"))
    platform.cli("user", "update", "max", "--group", "night")
    late = {**form, "organizations": "default", "claims": '{"locale": "de"}'}
    answer = operator.send("/console/change/users", late)
    assert answer.status == 409
    assert "Its current value: night" in answer.text
    again = {**fields_of(answer), "groups": "night\r\nday shift"}
    assert operator.send("/console/change/users", again).status == 303
    now = described(platform, "user", "max")
    assert (now["groups"], now["organizations"]) == (
        ["night", "day shift"],
        ["default"],
    )
    assert now["claims"] == {"locale": "de"}
    asked = operator.open("/console/edit/users/password?id=max")
    path = "/console/edit/users/password"
    unsure = {
        "token": token_of(asked),
        "id": "max",
        "password": "another-password-of-max",
    }
    refused = operator.send(path, unsure)
    assert (refused.status, "was not confirmed" in refused.text) == (400, True)
    weak = operator.send(path, {**unsure, "password": "short", "sure": "yes"})
    assert (weak.status, "8 to 1024" in weak.text, "short" in weak.text) == (
        400,
        True,
        False,
    )
    assert operator.send(path, {**unsure, "sure": "yes"}).status == 303
    assert (
        Browser.at(platform).sign_in("max", "default", unsure["password"]).status == 403
    )
    assert confirmed(operator, "/console/edit/users/remove", "max").status == 303


def test_members_of_an_issuer(operator: Browser, platform: Platform) -> None:
    fields = {"name": "acme", "issuer": "https://127.0.0.1:1/"}
    form = fields_of(operator.open("/console/add/issuers"))
    assert form["organization"] == "default"
    assert operator.send("/console/add/issuers", {**form, **fields}).status == 303
    assert (
        changed(
            operator, "issuers", "acme", audiences="orders\nshop", clockSkew="9"
        ).status
        == 303
    )
    now = described(platform, "issuer", "acme")
    assert (now["audiences"], now["clockSkew"]) == (["orders", "shop"], 9)
    assert now["issuer"] == fields["issuer"]
    wrong = changed(operator, "issuers", "acme", clockSkew="much")
    assert (wrong.status, "clock" in wrong.text) == (400, True)
    assert confirmed(operator, "/console/edit/issuers/remove", "acme").status == 303


def test_consumer_keys_of_an_application(operator: Browser, platform: Platform) -> None:
    token = token_of(operator.open("/console/add/applications"))
    operator.send("/console/add/applications", {"token": token, "name": "Kiosk"})
    found = re.search(
        r"/console/applications/([\w-]+)\">Keys",
        operator.open("/console/platform").text,
    )
    assert found is not None
    own = found[1]
    assert changed(operator, "applications", own, name="Kiosks").status == 303
    page = operator.open(f"/console/applications/{own}")
    assert "Application Kiosks" in page.text
    fields = {"token": token, "grant_types": "client_credentials", "type": "SANDBOX"}
    made = shown_once(operator.send(f"/console/applications/{own}/new-key", fields))
    key, secret = (
        made["consumer key (client_id)"],
        made["consumer secret (client_secret)"],
    )
    page = operator.open(f"/console/applications/{own}")
    assert (key in page.text, secret in page.text) == (True, False)
    wrong = operator.send(
        f"/console/applications/{own}/new-key", {**fields, "grant_types": "x"}
    )
    assert wrong.status == 400
    # A client that got no place in the application does not stay.
    wrong = operator.send(
        f"/console/applications/{own}/new-key", {**fields, "type": "OTHER"}
    )
    assert wrong.status == 400
    assert platform.cli("client", "list", "-o", "json").stdout.count('"Kiosks"') == 1
    other = "https://client.example/metadata.json"
    sent = {"token": token, "consumerKey": other, "type": "PRODUCTION"}
    assert operator.send(f"/console/applications/{own}/keys", sent).status == 303
    twice = operator.send(f"/console/applications/{own}/keys", sent)
    assert (twice.status, "belongs to an application" in twice.text) == (409, True)
    revoke = f"/console/applications/{own}/revoke"
    asked = operator.open(f"{revoke}?key={other}")
    assert "Remove the client too" not in asked.text
    assert operator.send(revoke, {"token": token, "key": other}).status == 303
    assert "Remove the client too" in operator.open(f"{revoke}?key={key}").text
    assert (
        operator.send(revoke, {"token": token, "key": key, "client": "yes"}).status
        == 303
    )
    assert key not in operator.open("/console/platform").text
    assert (
        "There are none: no token" in operator.open(f"/console/applications/{own}").text
    )
    assert confirmed(operator, "/console/edit/applications/remove", own).status == 303


def test_api_keys_are_shown_once_and_revoked(
    operator: Browser, platform: Platform, echo: int
) -> None:
    policy = "authentication:\n- authType: APIKey\n  headerName: apikey\n  headerEnable: true\n"
    answer = platform.deploy(
        conf("Keyed", "/keyed", port=echo, extra=policy), DEFINITION
    )
    assert answer.status == 200, answer.body
    token = token_of(operator.open("/console/add/api-keys"))
    wrong = operator.send(
        "/console/add/api-keys", {"token": token, "apis": "Keyed", "kind": "x"}
    )
    assert wrong.status == 400
    fields = {
        "token": token,
        "apis": "Keyed 1.0.0",
        "kind": "opaque",
        "lifetime": "3600",
    }
    made = shown_once(operator.send("/console/add/api-keys", fields))
    listed = operator.open("/console/platform").text
    assert (made["id"] in listed, made["apiKey"] in listed) == (True, False)
    sent = ("-H", f"apikey: {made['apiKey']}")
    assert platform.request(GATEWAY, "/keyed/1.0.0/items", *sent).status == 200
    assert (
        confirmed(operator, "/console/edit/api-keys/revoke", made["id"]).status == 303
    )
    assert f"revoke?id={made['id']}" not in operator.open("/console/platform").text


def test_signing_keys_are_published_activated_rotated_and_retired(
    operator: Browser, platform: Platform
) -> None:
    def states() -> dict[str, str]:
        keys = json.loads(platform.cli("key", "list", "-o", "json").stdout)["keys"]
        return {key["kid"]: key["state"] for key in keys if key["algorithm"] == "ES512"}

    token = token_of(operator.open("/console/add/keys"))
    assert (
        operator.send(
            "/console/add/keys", {"token": token, "algorithm": "ES512"}
        ).status
        == 303
    )
    ((first, state),) = states().items()
    assert state == "published"
    assert confirmed(operator, "/console/edit/keys/activate", first).status == 303
    assert states() == {first: "active"}
    page = operator.open("/console/platform").text
    assert f"retire?id={first}" not in page
    rotate = "/console/edit/keys/rotate"
    assert rotate in page
    form = fields_of(operator.open(rotate))
    assert {"algorithm", "token", "id"} <= form.keys()
    assert "now" not in form
    wanted = {**form, "algorithm": "ES512", "now": "yes"}
    assert operator.send(rotate, wanted).status == 400
    assert operator.send(rotate, {**wanted, "sure": "yes"}).status == 303
    assert states()[first] == "retired"
    assert confirmed(operator, "/console/edit/keys/retire", first).status == 303
    assert first not in states()
    assert "key.rotate" in operator.open("/console/audit?event=key.rotate").text


@pytest.mark.parametrize(
    "path",
    [
        "/console/change/users?id=org1user",
        "/console/edit/keys/rotate",
        "/console/add/api-keys",
        "/console/applications/any/revoke?key=x",
    ],
)
def test_a_reader_is_refused_on_the_server(reader: Browser, path: str) -> None:
    assert reader.open(path).status == 403
    token = token_of(reader.open("/console/"))
    sent = {"token": token, "id": "org1user", "key": "x", "sure": "yes", "seen": ""}
    assert reader.send(path.partition("?")[0], sent).status in {403, 404}
    page = reader.open("/console/platform").text
    assert "/console/edit/" not in page
    assert "/console/change/" not in page


def posted_paths() -> list[str]:
    """The path of each form of the console, as the rows of its pages name them."""
    found = []
    for file in Path(console.__file__).parent.rglob("*.py"):
        found += re.findall(r'\("POST", f?"([^"]+)", self\.', file.read_text())
    named = {
        "one": "/applications/any",
        "id": "any",
        "kind": "users",
        "action": "remove",
    }
    return sorted(
        re.sub(r"\{(\w+)\}", lambda name: named[name[1]], path) for path in found
    )


@pytest.mark.parametrize("path", posted_paths())
@pytest.mark.parametrize("token", ["", "0" * 64, "of another session"])
def test_forms_of_other_sites_change_nothing(
    operator: Browser, reader: Browser, path: str, token: str
) -> None:
    if token == "of another session":
        token = token_of(reader.open("/console/"))
    sent = {"id": "org1user", "sure": "yes", "key": "x", "token": token}
    if not token:
        del sent["token"]
    assert operator.send(f"/console{path}", sent).status == 403
    assert operator.open("/console/").status == 200


def test_all_forms_were_found() -> None:
    assert {"/sign-out", "/deploy/now", "/applications/any/revoke"} < set(
        posted_paths()
    )
    assert len(posted_paths()) > 12
