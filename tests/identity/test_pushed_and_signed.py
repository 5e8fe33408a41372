"""Pushed requests, request objects, signed responses, resources, details: from the request to the
token, and what is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from client_keys import key, proof, public, signed, thumbprint
from idp import CC, Answer, basic, call, identity_app
from kapi.errors import Problem
from kapi.settings import ClientSettings, IdentitySettings, Settings
from kapi.store import Store
from person import Page, Person, Pkce, authorize_path, claims_of, over_asgi

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
PAR = "/oauth2/par"
BACK = "https://shop.example/cb"
CODE = {"grants": ("authorization_code", "refresh_token"), "redirect_uris": (BACK,)}
CLIENTS = (
    ClientSettings(
        id="shop", secret="s", jwks=public(key(), key("PS256")), consent="never", **CODE
    ),
    ClientSettings(id="asks", secret="a", **CODE),
    ClientSettings(
        id="pushes",
        secret="p",
        require_pushed_authorization_requests=True,
        consent="never",
        **CODE,
    ),
    ClientSettings(
        id="signs",
        secret="g",
        jwks=public(key()),
        require_signed_request_object=True,
        consent="never",
        **CODE,
    ),
    ClientSettings(
        id="ps256",
        secret="x",
        jwks=public(key(), key("PS256")),
        request_object_signing_alg="PS256",
        **CODE,
    ),
    ClientSettings(
        id="few",
        secret="f",
        resources=("https://orders.example",),
        authorization_details_types=("payment",),
        consent="never",
        **CODE,
    ),
    ClientSettings(
        id="es256",
        secret="e",
        authorization_signed_response_alg="ES256",
        consent="never",
        **CODE,
    ),
    ClientSettings(
        id="fetched",
        secret="t",
        jwks=public(key()),
        request_uris=("https://shop.example/request.jwt",),
        consent="never",
        **CODE,
    ),
    ClientSettings(
        id="public", token_endpoint_auth_method="none", consent="never", **CODE
    ),
    ClientSettings(id="machine", secret="m"),
)
SHOP = basic("shop", "s")


class Web:
    """What is published elsewhere, and how often it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __call__(self, url: str, **limits: Any) -> bytes:
        self.asked.append(url)
        assert limits["redirects"] == 0
        assert limits["max_bytes"] <= 64 * 1024
        if url not in self.pages:
            raise Problem(406, "909044", "x", "answered 404")
        return self.pages[url]


@pytest.fixture
def clock() -> list[int]:
    return [NOW]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def app(tmp_path: Path, clock: list[int], web: Web) -> Any:
    settings = IdentitySettings(clients=CLIENTS, client_id_metadata_documents=True)
    return identity_app(
        Settings(tmp_path, settings),
        Store.open(tmp_path / "kapi.db"),
        lambda: clock[0],
        web,
    )


@pytest.fixture
def person(app: Any) -> Person:
    return Person(over_asgi(app))


def signed_in(person: Person, path: str) -> Page:
    page = person.open(path)
    if "Sign in" in page.text:
        page = person.sign_in(page)
    return page


def push(
    app: Any,
    authorization: str = SHOP,
    pkce: Pkce | None = None,
    headers: Any = None,
    **fields: Any,
) -> Answer:
    form: dict[str, Any] = {
        "response_type": "code",
        "redirect_uri": BACK,
        "state": "s",
    } | fields
    if pkce:
        form |= {"code_challenge": pkce.challenge, "code_challenge_method": "S256"}
    form = {name: value for name, value in form.items() if value is not None}
    return call(
        app,
        path=PAR,
        body=urlencode(form, doseq=True).encode(),
        authorization=authorization,
        **(headers or {}),
    )


def redeem(
    app: Any, code: str, authorization: str = SHOP, headers: Any = None, **fields: Any
) -> Answer:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        **fields,
    }
    return call(
        app,
        body=urlencode(form, doseq=True).encode(),
        authorization=authorization,
        **(headers or {}),
    )


def test_a_pushed_request_to_tokens(app: Any, person: Person) -> None:
    pkce = Pkce()
    pushed = push(app, pkce=pkce, scope="openid default")
    assert (pushed.status, pushed.headers["cache-control"]) == (201, "no-store")
    assert pushed.json()["expires_in"] == 90
    uri = pushed.json()["request_uri"]
    assert uri.startswith("urn:ietf:params:oauth:request_uri:")
    # What is beside it in the link does not count.
    page = signed_in(
        person,
        "/oauth2/authorize?"
        + urlencode(
            {
                "client_id": "shop",
                "request_uri": uri,
                "redirect_uri": "https://evil.example",
            }
        ),
    )
    assert page.location.startswith(BACK + "?")
    assert page.parameters["state"] == "s"
    answer = redeem(app, page.parameters["code"], code_verifier=pkce.verifier)
    assert answer.json()["scope"] == "openid default"
    # Once only.
    again = person.open(
        "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": uri})
    )
    assert (again.status, "invalid_request_uri" in again.text) == (400, True)


def test_a_pushed_request_belongs_to_its_client_and_expires(
    app: Any, person: Person, clock: list[int]
) -> None:
    uri = push(app).json()["request_uri"]
    other = person.open(
        "/oauth2/authorize?" + urlencode({"client_id": "asks", "request_uri": uri})
    )
    assert "invalid_request_uri" in other.text
    assert signed_in(
        person,
        "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": uri}),
    ).parameters["code"]
    late = push(app).json()["request_uri"]
    clock[0] += 91
    assert (
        "invalid_request_uri"
        in person.open(
            "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": late})
        ).text
    )


def test_a_request_uri_is_no_token(app: Any) -> None:
    uri = push(app).json()["request_uri"]
    for text in (uri, uri.rpartition(":")[2]):
        asked = urlencode({"token": text}).encode()
        assert call(
            app, path="/oauth2/introspect", body=asked, authorization=SHOP
        ).json() == {"active": False}
        assert redeem(app, text).json()["error"] == "invalid_grant"


def test_clients_that_must_push(app: Any, person: Person) -> None:
    page = person.open(authorize_path("pushes", BACK))
    assert (page.status, "invalid_request" in page.text) == (400, True)
    uri = push(app, basic("pushes", "p")).json()["request_uri"]
    assert signed_in(
        person,
        "/oauth2/authorize?" + urlencode({"client_id": "pushes", "request_uri": uri}),
    ).parameters["code"]


PUSHES: dict[str, tuple[dict[str, Any], str]] = {
    "request_uri": (
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        "invalid_request",
    ),
    "another redirect_uri": (
        {"redirect_uri": "https://evil.example"},
        "invalid_request",
    ),
    "another client": ({"client_id": "asks"}, "invalid_request"),
    "response type": ({"response_type": "token"}, "unsupported_response_type"),
    "no response type": ({"response_type": None}, "invalid_request"),
    "plain PKCE": (
        {"code_challenge": "x" * 43, "code_challenge_method": "plain"},
        "invalid_request",
    ),
    "prompt": ({"prompt": "none login"}, "invalid_request"),
    "scope": ({"scope": "a  b"}, "invalid_scope"),
    "resource": ({"resource": "not a URI"}, "invalid_target"),
    "details": ({"authorization_details": "{}"}, "invalid_authorization_details"),
    "dpop_jkt": ({"dpop_jkt": "short"}, "invalid_request"),
    "request object": ({"request": "x"}, "invalid_request_object"),
    "unsigned request object": (
        {"request": "eyJhbGciOiJub25lIn0.e30."},
        "invalid_request_object",
    ),
    "response mode": ({"response_mode": "magic"}, "invalid_request"),
}


@pytest.mark.parametrize("case", PUSHES)
def test_pushes_that_are_refused(app: Any, case: str) -> None:
    fields, error = PUSHES[case]
    answer = push(app, **fields)
    assert (answer.status, answer.json()["error"]) == (400, error)


def test_who_may_push(app: Any) -> None:
    for authorization in (basic("shop", "no"), basic("nobody", "s"), "Bearer x"):
        assert push(app, authorization).status == 401
    assert call(app, path=PAR, body=b"client_id=shop&response_type=code").status == 401
    assert call(app, "GET", PAR, authorization=SHOP).headers["allow"] == "POST"
    assert (
        call(app, path=PAR, body=b"x=" + b"y" * 70_000, authorization=SHOP).status
        == 413
    )
    pkce = Pkce()
    sent = {
        "client_id": "public",
        "response_type": "code",
        "redirect_uri": BACK,
        "code_challenge": pkce.challenge,
    }
    assert (
        call(
            app,
            path=PAR,
            body=urlencode(sent | {"code_challenge_method": "S256"}).encode(),
        ).status
        == 201
    )


def test_a_pushed_proof_binds_the_code(app: Any, person: Person) -> None:
    at = "https://idp.am.wso2.com:9095"
    uri = push(app, headers={"dpop": proof(key(), "POST", at + PAR, NOW)}).json()[
        "request_uri"
    ]
    page = signed_in(
        person,
        "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": uri}),
    )
    token_url = f"{at}/oauth2/token"
    assert redeem(app, page.parameters["code"]).json()["error"] == "invalid_grant"
    other = {"dpop": proof(key("ES256", "two"), "POST", token_url, NOW)}
    assert (
        redeem(app, page.parameters["code"], headers=other).json()["error"]
        == "invalid_grant"
    )
    right = redeem(
        app,
        page.parameters["code"],
        headers={"dpop": proof(key(), "POST", token_url, NOW)},
    )
    assert claims_of(right.json()["access_token"])["cnf"] == {"jkt": thumbprint(key())}
    mismatch = push(
        app,
        headers={"dpop": proof(key(), "POST", at + PAR, NOW, jti="m")},
        dpop_jkt=thumbprint(key("ES256", "two")),
    )
    assert mismatch.json()["error"] == "invalid_dpop_proof"


def test_refresh_tokens_of_public_clients_are_bound(app: Any, person: Person) -> None:
    pkce, url = Pkce(), "https://idp.am.wso2.com:9095/oauth2/token"
    page = signed_in(person, authorize_path("public", BACK, pkce))
    form = {
        "grant_type": "authorization_code",
        "code": page.parameters["code"],
        "redirect_uri": BACK,
        "code_verifier": pkce.verifier,
    }
    form |= {"client_id": "public"}
    tokens = call(
        app, body=urlencode(form).encode(), dpop=proof(key(), "POST", url, NOW)
    ).json()
    again = urlencode(
        {
            "grant_type": "refresh_token",
            "refresh_token": tokens["refresh_token"],
            "client_id": "public",
        }
    ).encode()
    assert call(app, body=again).json()["error"] == "invalid_grant"
    assert (
        call(app, body=again, dpop=proof(key("ES256", "two"), "POST", url, NOW)).json()[
            "error"
        ]
        == "invalid_grant"
    )
    assert (
        call(app, body=again, dpop=proof(key(), "POST", url, NOW, jti="again")).json()[
            "token_type"
        ]
        == "DPoP"
    )


def request_object(
    client: str = "shop", by: Any = None, header: Any = None, **claims: Any
) -> str:
    made = {
        "iss": client,
        "aud": ISSUER,
        "client_id": client,
        "response_type": "code",
        "redirect_uri": BACK,
        "state": "inside",
    } | claims
    made = {name: value for name, value in made.items() if value is not None}
    return signed(
        made,
        by or key(),
        header if header is not None else {"typ": "oauth-authz-req+jwt"},
    )


def jar_path(client: str = "shop", text: str | None = None, **outside: str) -> str:
    return "/oauth2/authorize?" + urlencode(
        {
            "client_id": client,
            "request": request_object(client) if text is None else text,
            **outside,
        }
    )


def test_a_request_object_alone_counts(app: Any, person: Person) -> None:
    page = signed_in(
        person,
        jar_path(state="outside", scope="openid", redirect_uri="https://evil.example"),
    )
    assert page.parameters["state"] == "inside"
    assert redeem(app, page.parameters["code"]).json()["scope"] == "default"


def test_numbers_and_objects_in_a_request_object(app: Any, person: Person) -> None:
    details = [{"type": "payment", "actions": ["pay"]}]
    text = request_object(
        max_age=600,
        authorization_details=details,
        resource=["https://a.example", "https://b.example"],
        scope="a ",
    )
    page = signed_in(person, jar_path(text=text))
    answer = redeem(app, page.parameters["code"]).json()
    assert (answer["authorization_details"], answer["scope"]) == (details, "a")
    assert claims_of(answer["access_token"])["aud"] == [
        "https://a.example",
        "https://b.example",
    ]


def test_clients_that_must_sign(app: Any, person: Person) -> None:
    assert "invalid_request" in person.open(authorize_path("signs", BACK)).text
    assert signed_in(person, jar_path("signs")).parameters["code"]
    pushed = push(app, basic("signs", "g"))
    assert (pushed.status, pushed.json()["error"]) == (400, "invalid_request")
    assert push(app, basic("signs", "g"), request=request_object("signs")).status == 201


OBJECTS: dict[str, Any] = {
    "another client inside": lambda: request_object(client_id="asks"),
    "no client inside": lambda: request_object(client_id=None),
    "another issuer": lambda: request_object(iss="asks"),
    "another audience": lambda: request_object(aud="https://other.example"),
    "expired": lambda: request_object(exp=NOW - 60),
    "of the future": lambda: request_object(nbf=NOW + 600),
    "another key": lambda: request_object(
        by=key("ES256", "two"), header={"kid": "ES256-one"}
    ),
    "key in the header": lambda: request_object(
        by=key("ES256", "two"),
        header={"jwk": key("ES256", "two").as_dict(private=False)},
    ),
    "typ of an access token": lambda: request_object(header={"typ": "at+jwt"}),
    "typ of a client assertion": lambda: request_object(
        header={"typ": "client-authentication+jwt"}
    ),
    "crit": lambda: request_object(header={"crit": ["x"], "x": 1}),
    "a request inside": lambda: request_object(request="x"),
    "a request_uri inside": lambda: request_object(request_uri="https://x.example"),
    "a parameter that is true": lambda: request_object(scope=True),
    "resource is a number": lambda: request_object(resource=[7]),
    "unsigned": lambda: "eyJhbGciOiJub25lIn0.eyJjbGllbnRfaWQiOiJzaG9wIn0.",
    "HMAC with the secret": lambda: request_object(by=b"s" * 32),
    "nonsense": lambda: "x",
    "large": lambda: request_object(state="x" * 20_000),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_request_objects_that_are_refused(person: Person, case: str) -> None:
    page = person.open(jar_path(text=OBJECTS[case]()))
    assert (page.status, "invalid_request_object" in page.text) == (400, True)


def test_more_that_is_refused(person: Person) -> None:
    assert "invalid_request_object" in person.open(jar_path("ps256")).text
    assert "invalid_request_object" in person.open(jar_path("asks")).text
    assert (
        "invalid_request" in person.open(jar_path(request_uri="https://x.example")).text
    )
    for uri in (
        "https://evil.example/x",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "urn:x",
        "https://shop.example/other",
    ):
        page = person.open(
            "/oauth2/authorize?"
            + urlencode({"client_id": "fetched", "request_uri": uri})
        )
        assert (page.status, "invalid_request_uri" in page.text) == (400, True)


def test_a_request_object_is_fetched_from_where_the_client_keeps_it(
    person: Person, web: Web
) -> None:
    path = "/oauth2/authorize?" + urlencode(
        {"client_id": "fetched", "request_uri": "https://shop.example/request.jwt#hash"}
    )
    assert "invalid_request_uri" in person.open(path).text
    web.pages["https://shop.example/request.jwt"] = request_object("fetched").encode()
    # What failed is not asked for again at once.
    assert "invalid_request_uri" in person.open(path).text
    assert web.asked == ["https://shop.example/request.jwt"]


def test_a_fetched_request_object(person: Person, web: Web) -> None:
    web.pages["https://shop.example/request.jwt"] = request_object("fetched").encode()
    path = "/oauth2/authorize?" + urlencode(
        {"client_id": "fetched", "request_uri": "https://shop.example/request.jwt"}
    )
    assert signed_in(person, path).parameters["state"] == "inside"


REQUEST = "https://shop.example/request.jwt"


def fetched_path(fragment: str = "") -> str:
    return "/oauth2/authorize?" + urlencode(
        {"client_id": "fetched", "request_uri": REQUEST + fragment}
    )


def hashed(content: bytes) -> str:
    return (
        "#"
        + base64.urlsafe_b64encode(hashlib.sha256(content).digest())
        .rstrip(b"=")
        .decode()
    )


def test_each_request_gets_the_request_object_that_is_there_now(
    person: Person, web: Web
) -> None:
    for state in ("first", "second"):
        web.pages[REQUEST] = request_object("fetched", state=state).encode()
        assert signed_in(person, fetched_path()).parameters["state"] == state
    del web.pages[REQUEST]
    assert "invalid_request_uri" in person.open(fetched_path()).text


def test_a_fragment_that_is_a_hash_must_be_that_of_the_request_object(
    person: Person, web: Web
) -> None:
    old, new = (
        request_object("fetched", state=state).encode() for state in ("old", "new")
    )
    web.pages[REQUEST] = old
    assert signed_in(person, fetched_path(hashed(old))).parameters["state"] == "old"
    assert "invalid_request_uri" in person.open(fetched_path(hashed(new))).text
    web.pages[REQUEST] = new
    assert "invalid_request_uri" in person.open(fetched_path(hashed(old))).text
    assert signed_in(person, fetched_path(hashed(new))).parameters["state"] == "new"
    # Any other fragment says nothing about what is there.
    assert signed_in(person, fetched_path("#v2")).parameters["state"] == "new"


@pytest.mark.parametrize(
    ("client", "algorithm"), [("shop", "RS256"), ("es256", "ES256")]
)
def test_signed_responses(
    app: Any, person: Person, client: str, algorithm: str
) -> None:
    jwks = KeySet.import_key_set(call(app, "GET", "/oauth2/jwks").json())
    for mode, joint in (("jwt", "?"), ("query.jwt", "?"), ("fragment.jwt", "#")):
        page = signed_in(
            person, authorize_path(client, BACK, Pkce(), response_mode=mode)
        )
        assert page.location.startswith(f"{BACK}{joint}response=")
        assert set(page.parameters) == {"response"}
        claims = jwt.decode(
            page.parameters["response"], jwks, algorithms=[algorithm]
        ).claims
        assert (claims["iss"], claims["aud"], claims["exp"], claims["state"]) == (
            ISSUER,
            client,
            NOW + 600,
            "s t&ä",
        )
        assert (
            redeem(
                app, claims["code"], basic(client, client[0]), code_verifier=""
            ).json()["error"]
            == "invalid_grant"
        )
    page = signed_in(
        person, authorize_path(client, BACK, response_mode="form_post.jwt")
    )
    assert list(page.forms()[0]["fields"]) == ["response"]


def test_a_signed_error_and_that_it_is_no_token(app: Any, person: Person) -> None:
    page = person.open(authorize_path("shop", BACK, response_mode="jwt", prompt="none"))
    text = page.parameters["response"]
    assert claims_of(text)["error"] == "login_required"
    asked = urlencode({"token": text}).encode()
    assert call(
        app, path="/oauth2/introspect", body=asked, authorization=SHOP
    ).json() == {"active": False}


def test_resources_become_the_audience(app: Any, person: Person) -> None:
    one, two = "https://orders.example", "https://stock.example/api"
    asking = CC + b"&" + urlencode([("resource", one), ("resource", two)]).encode()
    assert claims_of(
        call(app, body=asking, authorization=basic("machine", "m")).json()[
            "access_token"
        ]
    )["aud"] == [one, two]
    uri = push(app, resource=[one, two]).json()["request_uri"]
    page = signed_in(
        person,
        "/oauth2/authorize?" + urlencode({"client_id": "shop", "request_uri": uri}),
    )
    code = page.parameters["code"]
    assert (
        redeem(app, code, resource="https://other.example").json()["error"]
        == "invalid_target"
    )
    tokens = redeem(app, code, resource=one).json()
    assert claims_of(tokens["access_token"])["aud"] == one
    again = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    wrong = urlencode(again | {"resource": "https://other.example"}).encode()
    assert call(app, body=wrong, authorization=SHOP).json()["error"] == "invalid_target"
    # The refresh token is still good, and for all that was authorized.
    refreshed = call(app, body=urlencode(again).encode(), authorization=SHOP).json()
    assert claims_of(refreshed["access_token"])["aud"] == [one, two]


TARGETS = [
    "orders",
    "/orders",
    "https://orders.example/#x",
    "https://orders.example/ x",
    "https://[x",
    "x" * 3000,
    "https://stock.example",
]


@pytest.mark.parametrize("resource", TARGETS)
def test_targets_that_are_refused(app: Any, person: Person, resource: str) -> None:
    page = person.open(authorize_path("few", BACK, resource=resource))
    assert page.parameters["error"] == "invalid_target"
    assert page.parameters["state"] == "s t&ä"


def test_details_are_shown_and_given_back(app: Any, person: Person) -> None:
    details = [
        {
            "type": "payment",
            "actions": ["pay"],
            "amount": {"currency": "EUR", "value": "12.50"},
            "payee": "<script>alert(1)</script>",
        },
        {"type": "account", "locations": ["https://bank.example"]},
    ]
    page = signed_in(
        person, authorize_path("asks", BACK, authorization_details=json.dumps(details))
    )
    assert "pay; amount: {&#34;currency&#34;: &#34;EUR&#34;" in page.text
    assert "https://bank.example" in page.text
    assert "<script>alert" not in page.text
    page = person.submit(page, decision="allow")
    code, shop = page.parameters["code"], basic("asks", "a")
    more = redeem(
        app, code, shop, authorization_details=json.dumps([{"type": "payment"}])
    )
    assert more.json()["error"] == "invalid_authorization_details"
    tokens = redeem(
        app, code, shop, authorization_details=json.dumps(details[:1])
    ).json()
    assert tokens["authorization_details"] == details[:1]
    assert claims_of(tokens["access_token"])["authorization_details"] == details[:1]
    asked = urlencode({"token": tokens["access_token"]}).encode()
    assert (
        call(app, path="/oauth2/introspect", body=asked, authorization=shop).json()[
            "authorization_details"
        ]
        == details[:1]
    )
    body = urlencode(
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    ).encode()
    assert (
        call(app, body=body, authorization=shop).json()["authorization_details"]
        == details
    )
    # Consent to details is not remembered.
    assert (
        "Allow asks?"
        in person.open(
            authorize_path("asks", BACK, authorization_details=json.dumps(details))
        ).text
    )


DETAILS = [
    "x",
    "{}",
    "[]",
    "[1]",
    "[{}]",
    '[{"type":7}]',
    '[{"type":""}]',
    '[{"type":"account"}]',
    '[{"type":"payment","actions":"pay"}]',
]
DETAILS += [
    '[{"type":"payment","locations":[1]}]',
    "[" * 8000,
    '[{"type":"payment","x":"' + "x" * 8200 + '"}]',
    "[" + '{"type":"payment"},' * 21,
]


@pytest.mark.parametrize("details", DETAILS)
def test_details_that_are_refused(app: Any, person: Person, details: str) -> None:
    answer = push(app, basic("few", "f"), authorization_details=details)
    assert answer.json()["error"] == "invalid_authorization_details"
    body = CC + b"&" + urlencode({"authorization_details": details}).encode()
    if "account" not in details:
        assert (
            call(app, body=body, authorization=basic("machine", "m")).json()["error"]
            == "invalid_authorization_details"
        )


DOCUMENT = "https://app.example/client.json"


def document(**changed: Any) -> bytes:
    made = {
        "client_id": DOCUMENT,
        "client_name": "Published app",
        "redirect_uris": [BACK],
        "grant_types": ["authorization_code"],
    }
    return json.dumps(
        {name: value for name, value in (made | changed).items() if value is not None}
    ).encode()


def test_a_client_that_publishes_its_metadata(
    app: Any, person: Person, web: Web
) -> None:
    web.pages[DOCUMENT] = document()
    pkce = Pkce()
    page = signed_in(person, authorize_path(DOCUMENT, BACK, pkce, scope="openid"))
    assert "Published app" in page.text
    assert DOCUMENT in page.text
    code = person.submit(page, decision="allow").parameters["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": pkce.verifier,
        "client_id": DOCUMENT,
    }
    assert call(app, body=urlencode(form).encode()).status == 200
    assert web.asked == [DOCUMENT]
    assert (
        call(app, "GET", "/.well-known/openid-configuration").json()[
            "client_id_metadata_document_supported"
        ]
        is True
    )


@pytest.mark.parametrize(
    "content",
    [
        document(client_id="https://other.example/client.json"),
        document(client_id=None),
        document(client_secret="s"),
        document(token_endpoint_auth_method="client_secret_basic"),
        document(grant_types=["client_credentials"]),
        document(redirect_uris=["javascript:alert(1)"]),
        document(scope="apk:api_create"),
        b"[]",
        b"<html>",
        b"[" * 60_000,
    ],
)
def test_documents_that_are_no_good(
    app: Any, person: Person, web: Web, content: bytes
) -> None:
    web.pages[DOCUMENT] = content
    page = person.open(authorize_path(DOCUMENT, BACK, Pkce()))
    assert (page.status, page.location) == (400, "")
    answer = call(
        app,
        body=urlencode(
            {"grant_type": "authorization_code", "code": "x", "client_id": DOCUMENT}
        ).encode(),
    )
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "client_id",
    [
        "https://app.example",
        "https://app.example/",
        "https://app.example/a/../b",
        "https://app.example//b",
        "https://app.example/a#b",
        "https://user@app.example/a",
        "https://[app/a",
        "https://app.example/" + "x" * 600,
        "ftp://app.example/a",
        "HTTPS://app.example/a",
    ],
)
def test_addresses_that_are_not_fetched(
    app: Any, person: Person, web: Web, client_id: str
) -> None:
    assert person.open(authorize_path(client_id, BACK, Pkce())).status == 400
    assert web.asked == []


def test_a_secret_never_makes_us_fetch(app: Any, web: Web) -> None:
    assert (
        call(
            app, authorization=basic("https%3A%2F%2Fapp.example%2Fclient.json", "")
        ).status
        == 401
    )
    assert (
        call(app, body=CC + b"&client_secret=x&client_id=" + DOCUMENT.encode()).status
        == 401
    )
    assert web.asked == []


def test_documents_are_off_unless_asked_for(tmp_path: Path, web: Web) -> None:
    web.pages[DOCUMENT] = document()
    app = identity_app(
        Settings(tmp_path), Store.open(tmp_path / "kapi.db"), lambda: NOW, web
    )
    assert (
        Person(over_asgi(app)).open(authorize_path(DOCUMENT, BACK, Pkce())).status
        == 400
    )
    assert web.asked == []


def pushed_path(
    app: Any, client_id: str = "shop", secret: str = "s", **fields: Any
) -> str:
    uri = push(app, basic(client_id, secret), **fields).json()["request_uri"]
    return "/oauth2/authorize?" + urlencode(
        {"client_id": client_id, "request_uri": uri}
    )


def test_the_page_of_a_pushed_request_may_be_opened_again(
    app: Any, person: Person, clock: list[int]
) -> None:
    path = pushed_path(app)
    assert person.open(path).status == 200
    clock[0] += 60
    again = person.open(path)
    clock[0] += 600
    answer = person.sign_in(again)
    assert redeem(app, answer.parameters["code"]).status == 200


def test_one_use_of_a_request_uri_is_one_authorization(
    app: Any, person: Person, clock: list[int]
) -> None:
    path = pushed_path(app)
    pages = [person.open(path) for _ in range(3)]
    assert person.sign_in(pages[1]).parameters["code"]
    for page in (person.sign_in(pages[0]), person.sign_in(pages[2]), person.open(path)):
        assert (page.status, page.location) == (400, "")
    clock[0] += 800
    assert person.sign_in(pages[0]).status == 400


@pytest.mark.parametrize("where", ["sign-in", "consent"])
def test_a_refusal_uses_it_up_too(app: Any, person: Person, where: str) -> None:
    path = pushed_path(app, "asks", "a")
    first, second = person.open(path), person.open(path)
    page = first if where == "sign-in" else person.sign_in(first)
    assert person.submit(page, decision="deny").parameters["error"] == "access_denied"
    assert person.open(path).status == 400
    if where == "sign-in":
        second = person.sign_in(second)
    else:
        second = person.open(
            "/authenticationEndpoint/consent?stateKey="
            + second.forms()[0]["fields"]["sessionKey"]
        )
    assert person.submit(second, decision="allow").status == 400
