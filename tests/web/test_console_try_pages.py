"""The page *Try it* of the console: who may send what, with which token, and what is noted."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from console_parts import Sources, World, console_world

from console_browser import Browser, token_of
from kapi.apis.collections.drafts import drafts
from kapi.front.web.console.console import PageRow
from kapi.front.web.console.sign_in import Provider
from kapi.front.web.console.trying.exchange import Exchange
from kapi.front.web.console.trying.outgoing import Outgoing
from kapi.front.web.console.trying.pages import Trying, TryPages
from kapi.front.web.console.trying.tokens import ClientTokens
from kapi.front.web.http.lanes import Lane
from kapi.identity.issuers.declaration import Issuer
from kapi.identity.issuers.verify import IssuerKeys
from kapi.jose.jwk_set import one_key
from kapi.settings import ClientSettings
from kapi.store.audit import Event
from person import Page
from standin import Key

PETS = {
    "id": "p1",
    "name": "Pets",
    "version": "1.0",
    "organization": "acme",
    "environment": "prod",
    "urls": ["https://acme.gw.wso2.com:9095/pets/1.0/"],
}
BACKENDS = """
type: "REST"
endpointConfigurations: {production: {endpoint: "http://b"}, sandbox: {endpoint: "http://s"}}
operations:
"""
CONF = f"""{BACKENDS}
- {{target: "/pets/{{id}}", verb: PUT, scopes: ["w", "a"]}}
- {{target: "/open", verb: GET, secured: false}}
"""
MANY = "\n".join(
    f"      - {{name: q{number}, in: query, required: true, schema: {{type: string}},"
    f" example: e{number}}}"
    for number in range(59)
)
DEFINITION = f"""
openapi: 3.0.3
info: {{title: Pets, version: "1"}}
paths:
  /pets/{{id}}:
    put:
      parameters:
      - {{name: id, in: path, required: true, schema: {{type: integer}}, example: 7}}
      - {{name: dry, in: query, schema: {{type: boolean}}, example: true}}
      requestBody: {{content: {{application/json: {{example: {{name: Rex}}}}}}}}
      responses: {{"200": {{description: ok}}}}
  /open:
    get:
      parameters:
{MANY}
      - {{name: last, in: query, required: true, schema: {{type: string}}, example: z}}
      - {{name: over, in: query, required: true, schema: {{type: string}}, example: o}}
      responses: {{"200": {{description: ok}}}}
""".encode()
KEY = Key.make("k", "ES256")
NAME = "https://idp.example"
TRUSTED = IssuerKeys(
    Issuer("idp", "oidc", NAME, "", ""), one_key(KEY.pem(), ("ES256",))
)
SHOP = ClientSettings("shop", secret="s-shop")
PAGE, LOG = "/console/apis/p1/try", "/api/logs/r%201"
PUT, GET = "PUT /pets/{id}", "GET /open"
ANSWER = Exchange(
    method="PUT",
    url="https://acme.gw.wso2.com/pets/1.0/pets/7",
    sent=(("Host", "acme.gw.wso2.com"),),
    sent_body="{}",
    status=207,
    reason="Mixed",
    headers=(("X-Request-Id", "r 1"),),
    body="<answer>",
    cut="Only a part is shown.",
    milliseconds=12.5,
)


@dataclass
class Gateway:
    """What it was sent, what was noted before, and of which tokens it was judged."""

    answer: Exchange = ANSWER
    sent: list[Outgoing] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    judged: list[tuple[str, str, str]] = field(default_factory=list)

    def send(self, request: Outgoing) -> Exchange:
        assert len(self.events) == len(self.sent) + 1, "noted before it is sent"
        self.sent.append(request)
        return self.answer

    def judge(self, *asked: str) -> Mapping[str, Any]:
        organization, api, token = asked
        self.judged.append((organization, api, token))
        verdict = {"verb": "PUT", "target": "/pets/{id}", "result": "refused"}
        return {"operations": [{**verdict, "why": "a scope is missing"}]}


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def is_logged(request: pytest.FixtureRequest) -> bool:
    return getattr(request, "param", True)


@pytest.fixture
def world(tmp_path: Path, gateway: Gateway, *, is_logged: bool) -> Iterator[World]:
    def pages(provider: Provider, sources: Sources) -> tuple[PageRow, ...]:
        trying = Trying(
            source=sources.get,
            drafts=drafts,
            tokens=ClientTokens(provider),
            send=gateway.send,
            sandbox=lambda organization, name: f"{organization}.{name}.sandbox",
            issuers=lambda: (TRUSTED,),
            judge=gateway.judge,
            record=gateway.events.append,
            forbidden=("X-Client-Cert",),
            is_logged=is_logged,
        )
        return TryPages(trying, Lane(1, 1, 1)).rows()

    with console_world(tmp_path, SHOP, more=pages) as made:
        made.apis.answer("GET", "/api/deployer/apis", {"apis": [PETS]})
        made.sources["p1"] = (CONF, DEFINITION)
        yield made


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in("olivia")


@pytest.fixture
def of_platform(world: World) -> Browser:
    return world.signed_in("paula")


def sent(browser: Browser, *, hx: bool = False, **fields: str) -> Page:
    """The answer to the form of the page."""
    headers = {"hx-request": "true"} if hx else {}
    token = token_of(browser.open("/console/"))
    form = {"token": token, "operation": PUT, "value0": "7", **fields}
    return browser.send(PAGE, form, **headers)


def value_of(page: Page, name: str) -> str:
    """What an input of the page contains."""
    found = re.search(rf'<input[^>]* name="{name}" value="([^"]*)"', page.text)
    assert found is not None, name
    return html.unescape(found[1])


def token() -> str:
    return KEY.token({"iss": NAME, "clientId": "till"})


def test_a_reader_sends_nothing(world: World, gateway: Gateway) -> None:
    reader = world.signed_in("rita")
    for page in (reader.open(PAGE), sent(reader, access="client", client="shop")):
        assert page.status == 403
        assert "Your role is read-only" in page.text
    assert (gateway.sent, gateway.events, world.tokens.asked[1:]) == ([], [], [])


def test_a_call_needs_the_form_of_the_session(
    operator: Browser, gateway: Gateway
) -> None:
    page = operator.send(PAGE, {"token": "0" * 64, "operation": PUT, "value0": "7"})
    assert page.status == 403
    assert gateway.sent == []


def test_an_api_of_another_organization(operator: Browser, gateway: Gateway) -> None:
    assert operator.open("/console/apis/p2/try").status == 404
    form = {"token": token_of(operator.open("/console/")), "operation": PUT}
    assert operator.send("/console/apis/p2/try", form).status == 404
    assert gateway.sent == []


def test_the_form_has_the_examples_of_the_first_operation(
    operator: Browser, of_platform: Browser
) -> None:
    page = operator.open(PAGE)
    assert page.status == 200
    assert f"<option selected>{PUT}</option>" in page.text
    assert (value_of(page, "value0"), value_of(page, "value1")) == ("7", "")
    assert value_of(page, "content_type") == "application/json"
    assert "&#34;Rex&#34;" in page.text
    assert (value_of(page, "client"), value_of(page, "scope")) == ("", "w a")
    assert 'value="client" checked' in page.text
    assert "<option selected>production</option>" in page.text
    assert value_of(of_platform.open(PAGE), "client") == "shop"


def test_an_open_operation_needs_no_token(operator: Browser) -> None:
    page = operator.open(f"{PAGE}?operation=GET+/open")
    assert 'value="none" checked' in page.text
    assert value_of(page, "value58") == "e58"


def test_a_form_has_sixty_values(operator: Browser, gateway: Gateway) -> None:
    page = operator.open(f"{PAGE}?operation=GET+/open")
    assert value_of(page, "value59") == "z"
    assert 'name="value60"' not in page.text
    values = {f"value{number}": f"v{number}" for number in range(61)}
    assert sent(operator, **{**values, "operation": GET}).status == 200
    (request,) = gateway.sent
    assert request.path.endswith("&q58=v58&last=v59")


def test_an_operation_that_the_api_does_not_have(
    world: World, operator: Browser, gateway: Gateway
) -> None:
    for page in (
        operator.open(f"{PAGE}?operation=GET+/other"),
        sent(operator, operation="GET /other"),
    ):
        assert page.status == 200
        assert "The API has no such operation." in page.text
    del world.sources["p1"]
    assert "The API has no such operation." in operator.open(PAGE).text
    assert gateway.sent == []


def test_a_call_with_a_pasted_token(operator: Browser, gateway: Gateway) -> None:
    text = token()
    pasted = f"bearer {text[:50]}\n {text[50:]}"
    page = sent(operator, access="jwt", jwt=pasted, body='{"a": 1}', headers="X-A: 1")
    assert page.status == 200
    (request,) = gateway.sent
    assert (request.method, request.host) == ("PUT", "acme.gw.wso2.com")
    assert (request.path, request.token) == ("/pets/1.0/pets/7", text)
    assert (request.headers, request.body) == ((("X-A", "1"),), b'{"a": 1}')
    assert text not in page.text
    assert "<h2>207 Mixed in " in page.text
    assert "&lt;answer&gt;" in page.text
    assert "Only a part is shown." in page.text
    assert gateway.judged == [("acme", "p1", text)]
    assert "a scope is missing" in page.text
    assert "by a key of the issuer" in page.text


def test_a_call_is_noted_with_its_person(
    operator: Browser, of_platform: Browser, gateway: Gateway
) -> None:
    operator.console.headers["x-forwarded-for"] = "10.0.0.1, 192.0.2.7"
    sent(operator, access="jwt", jwt=token())
    event = gateway.events[-1]
    assert (event.event, event.target) == ("console.try", "Pets 1.0 (p1)")
    assert (event.subject, event.client) == ("olivia", "kapi-console")
    assert (event.organization, event.address) == ("acme", "192.0.2.7")
    assert event.detail == PUT
    sent(of_platform, access="client", client="shop")
    assert gateway.events[-1].detail == f"{PUT} with a token of the client shop"


def test_a_call_with_a_token_of_a_client(
    world: World, operator: Browser, gateway: Gateway
) -> None:
    world.tokens.asked.clear()
    world.tokens.gives(access_token="issued")
    chosen = {"access": "client", "client": "web", "secret": "typed", "scope": " w  r "}
    page = sent(operator, **chosen)
    assert [request.token for request in gateway.sent] == ["issued"]
    ((_, form),) = world.tokens.asked
    assert form == {"grant_type": "client_credentials", "scope": "w r"}
    assert gateway.judged == [("acme", "p1", "issued")]
    assert (value_of(page, "client"), value_of(page, "scope")) == ("web", "w r")
    assert "typed" not in page.text
    assert "issued" not in page.text


def test_a_client_without_a_token_calls_nothing(
    world: World, operator: Browser, gateway: Gateway
) -> None:
    world.tokens.gives(error="invalid_client")
    page = sent(operator, access="client", client="web", secret="typed")
    assert page.status == 400
    assert "The provider says: invalid_client." in page.text
    assert (gateway.sent, gateway.events) == ([], [])


@pytest.mark.parametrize("access", ["none", "", "other"])
def test_a_call_without_a_token(
    operator: Browser, gateway: Gateway, access: str
) -> None:
    page = sent(operator, access=access, jwt=token(), client="shop")
    assert page.status == 200
    assert [request.token for request in gateway.sent] == [""]
    assert gateway.judged == []
    assert "What the gateway makes of the token" not in page.text
    assert 'value="none" checked' in page.text


@pytest.mark.parametrize(
    ("conf", "address", "host"),
    [
        (CONF, "sandbox", "acme.prod.sandbox"),
        (CONF, "production", "acme.gw.wso2.com"),
        (CONF, "", "acme.gw.wso2.com"),
        (CONF.replace("sandbox:", "none:"), "sandbox", "acme.gw.wso2.com"),
    ],
)
def test_the_sandbox_has_a_host_of_its_own(
    world: World,
    operator: Browser,
    gateway: Gateway,
    conf: str,
    address: str,
    host: str,
) -> None:
    world.sources["p1"] = (conf, DEFINITION)
    page = sent(operator, address=address)
    assert [request.host for request in gateway.sent] == [host]
    if "sandbox:" in conf:
        shown = address or "production"
        assert f"<option selected>{shown}</option>" in page.text


@pytest.mark.parametrize(
    "fields", [{"value0": ""}, {"headers": "X-Client-Cert: PEM"}, {"headers": "x"}]
)
def test_mistakes_come_before_the_token(
    world: World, operator: Browser, gateway: Gateway, fields: dict[str, str]
) -> None:
    world.tokens.asked.clear()
    typed = {"access": "client", "client": "web", "secret": "typed", "body": "<b>"}
    page = sent(operator, **typed, **fields)
    assert page.status == 400
    assert "The call was not sent" in page.text
    assert "&lt;b&gt;</textarea>" in page.text
    # The part of the page that is replaced is shown for a success only.
    part = sent(operator, hx=True, **typed, **fields)
    assert part.status == 200
    assert "The call was not sent" in part.text
    assert (world.tokens.asked, gateway.sent, gateway.events) == ([], [], [])


def test_the_decision_of_the_gateway_is_waited_for(
    world: World, operator: Browser
) -> None:
    """The access log has the call a moment after the answer."""
    world.apis.answer("GET", LOG, {"decision": "refused", "explanation": ["Because."]})
    world.apis.late.add(("GET", LOG))
    page = sent(operator)
    assert "<li>Because.</li>" in page.text
    assert [path for _, path, _ in world.apis.calls if "logs" in path] == [LOG, LOG]


def test_a_log_that_may_not_be_read_is_not_asked_again(
    world: World, operator: Browser
) -> None:
    world.apis.answer("GET", LOG, {"code": 1, "message": "no"}, 403)
    page = sent(operator)
    assert page.status == 200
    assert "The access log does not have the call yet" in page.text
    assert [path for _, path, _ in world.apis.calls if "logs" in path] == [LOG]


def test_an_answer_without_an_id_is_in_no_log(
    world: World, operator: Browser, gateway: Gateway
) -> None:
    gateway.answer = replace(ANSWER, headers=(("X-Other", "r 1"),))
    assert sent(operator).status == 200
    assert [path for _, path, _ in world.apis.calls if "logs" in path] == []


@pytest.mark.parametrize("is_logged", [False], indirect=True)
def test_without_an_access_log_nothing_is_looked_up(
    world: World, operator: Browser
) -> None:
    page = sent(operator)
    assert "The access log is off" in page.text
    assert [path for _, path, _ in world.apis.calls if "logs" in path] == []


def test_each_field_has_a_limit(operator: Browser) -> None:
    """A text of the largest size is read, one byte more is refused."""
    limits = {
        "operation": 2048,
        "address": 16,
        "access": 16,
        "client": 1024,
        "secret": 1024,
        "scope": 4096,
        "jwt": 32 * 1024,
        "headers": 16 * 1024,
        "content_type": 256,
        "body": 256 * 1024,
        "value0": 4096,
        "value59": 4096,
    }
    token = token_of(operator.open("/console/"))
    for name, most in limits.items():
        form = {"token": token, "operation": PUT, name: "x" * most}
        assert operator.send(PAGE, form).status in {200, 400}, name
        form[name] += "x"
        assert operator.send(PAGE, form).status == 413, name
