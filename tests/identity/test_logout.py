"""Signing out: by the client, with and without proof; what ends with the session; telling the other
clients.
"""

from __future__ import annotations

import json
import shutil
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from flows import (
    CALLBACK,
    ISSUER,
    Clock,
    allowed,
    client,
    code_for,
    error_of,
    person_at,
    provider_app,
    redeem,
    refresh,
    tokens_for,
)
from idp import basic
from kapi.settings import WELL_KNOWN_CLIENT_ID as CLIENT
from logout_listener import Listener
from person import Person, authorize_path, claims_of

SHOP = "https://shop.example/cb"
BYE = "https://shop.example/bye"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()


@pytest.fixture
def app(tmp_path: Path, clock: Clock, with_keys: Path, listener: Listener) -> Any:
    shutil.copy(with_keys, tmp_path / "kapi.db")
    return provider_app(
        tmp_path,
        clock,
        client(post_logout_redirect_uris=(BYE, BYE + "?x=1"), consent="never"),
        client("back", backchannel_logout_uri=listener.url, consent="never"),
        client(
            "front",
            redirect_uris=(SHOP, "https://front.example/cb"),
            frontchannel_logout_uri="https://front.example/out?a=b",
            consent="never",
        ),
    )


def shop_tokens(person: Person, client_id: str = "shop", **more: str) -> dict[str, Any]:
    more = {"scope": "openid"} | more
    return redeem(
        person,
        code_for(person, client_id, SHOP, **more),
        authorization=basic(client_id, "s"),
        redirect_uri=SHOP,
    ).json()


def out(**parameters: str) -> str:
    return "/oauth2/logout?" + urlencode(parameters)


def is_signed_in(person: Person) -> bool:
    return "code" in person.open(authorize_path("shop", SHOP, prompt="none")).parameters


def test_a_hint_of_the_session_is_proof_even_when_it_has_expired(
    person: Person, clock: Clock
) -> None:
    hint = shop_tokens(person)["id_token"]
    clock.now += 7200
    page = person.open(
        out(id_token_hint=hint, post_logout_redirect_uri=BYE, state="a b&c")
    )
    assert (page.status, page.location) == (303, BYE + "?state=a+b%26c")
    assert "__Host-kapi-session" not in person.cookies
    assert not is_signed_in(person)
    # Again: nobody is signed in, the way back is the same.
    assert (
        person.open(
            out(id_token_hint=hint, post_logout_redirect_uri=BYE + "?x=1", state="s")
        ).location
        == BYE + "?x=1&state=s"
    )
    assert (
        person.open(out(id_token_hint=hint, post_logout_redirect_uri=BYE)).location
        == BYE
    )


def test_without_proof_the_person_is_asked(app: Any, person: Person) -> None:
    code_for(person, "shop", SHOP)
    for path in (
        out(),
        out(client_id="shop"),
        out(client_id="shop", post_logout_redirect_uri=BYE, state="s"),
    ):
        page = person.open(path)
        assert page.status == 200
        assert "Sign out?" in page.text
        assert is_signed_in(person)
    page = person.submit(page)
    assert (page.status, page.location) == (303, BYE + "?state=s")
    assert not is_signed_in(person)


def test_another_site_cannot_sign_a_person_out(app: Any, person: Person) -> None:
    code_for(person, "shop", SHOP)
    for fields in ({}, {"token": "x"}, {"token": "0" * 64}):
        page = person.ask(
            "POST",
            "/oauth2/logout",
            urlencode(fields).encode(),
            sec_fetch_site="cross-site",
        )
        assert "Sign out?" in page.text
    form = person.open(out()).forms()[0]
    crossed = person.ask(
        "POST",
        "/oauth2/logout",
        urlencode(form["fields"]).encode(),
        sec_fetch_site="cross-site",
    )
    assert "Sign out?" in crossed.text
    stranger = person_at(app)
    hint = shop_tokens(stranger)["id_token"]
    # A hint of somebody else's session proves nothing about this one.
    assert "Sign out?" in person.open(out(id_token_hint=hint)).text
    assert is_signed_in(person)


def test_a_posted_request_without_cookies_becomes_a_link(person: Person) -> None:
    hint = shop_tokens(person)["id_token"]
    crossed = Person(person.send).ask(
        "POST", "/oauth2/logout", urlencode({"id_token_hint": hint}).encode()
    )
    assert crossed.status == 303
    page = person.open(crossed.location)
    assert "You are signed out" in page.text
    assert not is_signed_in(person)


@pytest.mark.parametrize(
    "parameters",
    [
        {"client_id": "shop", "post_logout_redirect_uri": "https://evil.example"},
        {"client_id": "shop", "post_logout_redirect_uri": BYE + "/"},
        {"client_id": "shop", "post_logout_redirect_uri": SHOP},
        {"post_logout_redirect_uri": BYE},
        {"client_id": "back", "post_logout_redirect_uri": BYE},
        {"client_id": "nobody"},
        {"id_token_hint": "a.b.c"},
        {"id_token_hint": "HINT", "client_id": "back"},
        {"id_token_hint": "ACCESS"},
        {"client_id": "shop", "post_logout_redirect_uri": "javascript:alert(1)"},
    ],
)
def test_a_wrong_request_neither_redirects_nor_signs_out(
    person: Person, parameters: dict[str, str]
) -> None:
    tokens = shop_tokens(person)
    known = {"HINT": tokens["id_token"], "ACCESS": tokens["access_token"]}
    page = person.open(
        out(**{name: known.get(value, value) for name, value in parameters.items()})
    )
    assert (page.status, page.location) == (400, "")
    assert is_signed_in(person)


def test_what_the_session_issued_ends_with_it_but_for_offline_access(
    person: Person,
) -> None:
    bound, offline = (
        shop_tokens(person),
        shop_tokens(person, scope="openid offline_access"),
    )
    person.open(out(id_token_hint=bound["id_token"]))
    assert error_of(refresh(person, bound["refresh_token"], basic("shop", "s"))) == (
        400,
        "invalid_grant",
    )
    assert refresh(person, offline["refresh_token"], basic("shop", "s")).status == 200


def test_clients_are_told_by_a_logout_token(
    person: Person, listener: Listener, clock: Clock
) -> None:
    hint = shop_tokens(person, "back")["id_token"]
    sid = claims_of(hint)["sid"]
    person.open(out(id_token_hint=shop_tokens(person)["id_token"]))
    [notice] = listener.wait(1)
    token = notice["logout_token"]
    assert json.loads(urlsafe_b64decode(token.split(".")[0] + "==")) == {
        "alg": "RS256",
        "typ": "logout+jwt",
        "kid": "gateway_certificate_alias",
    }
    claims = claims_of(token)
    jti = claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "sub": "org1user",
        "aud": "back",
        "iat": clock.now,
        "exp": clock.now + 120,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "sid": sid,
    }
    assert jti
    # It is neither a hint nor an access token.
    assert person.open(out(id_token_hint=token)).status == 400
    assert (
        Person(person.send)
        .ask("GET", "/oauth2/userinfo", authorization=f"Bearer {token}")
        .status
        == 401
    )


def test_a_notice_is_sent_until_it_is_taken_and_never_follows_a_redirect(
    person: Person, listener: Listener
) -> None:
    listener.answers = [302, 500, 200]
    sid = claims_of(shop_tokens(person, "back")["id_token"])["sid"]
    person.open(out(id_token_hint=shop_tokens(person)["id_token"]))
    told = [claims_of(form["logout_token"]) for form in listener.wait(3)]
    assert {item["sid"] for item in told} == {sid}
    assert len({item["jti"] for item in told}) == 3


def test_somebody_else_signing_in_ends_the_session_before(
    person: Person, listener: Listener
) -> None:
    tokens = shop_tokens(person, "back")
    page = person.open(authorize_path("shop", SHOP, prompt="login"))
    person.sign_in(page, "org2user", organization="org2")
    listener.wait(1)
    assert error_of(refresh(person, tokens["refresh_token"], basic("back", "s"))) == (
        400,
        "invalid_grant",
    )


def test_front_channel_clients_are_loaded_in_frames(person: Person) -> None:
    hint = shop_tokens(person, "front")["id_token"]
    page = person.open(
        out(
            id_token_hint=shop_tokens(person)["id_token"],
            post_logout_redirect_uri=BYE,
            state="s",
        )
    )
    assert page.status == 200
    assert "frame-src https://front.example;" in page.header("content-security-policy")
    sid = claims_of(hint)["sid"]
    assert (
        f"https://front.example/out?a=b&amp;iss=https%3A%2F%2Fidp.am.wso2.com%2Ftoken&amp;sid={sid}"
        in page.text
    )
    assert f'content="3; url={BYE}?state=s"' in page.text


def test_a_session_ends_by_itself(person: Person, clock: Clock) -> None:
    code_for(person, "shop", SHOP)
    clock.now += 12 * 3600
    assert not is_signed_in(person)


def test_private_addresses_are_told_only_where_that_is_allowed(
    tmp_path: Path, clock: Clock, with_keys: Path, listener: Listener
) -> None:
    from idp import identity_app
    from kapi.settings import GatewaySettings, IdentitySettings, Settings
    from kapi.store import Store

    shutil.copy(with_keys, tmp_path / "kapi.db")
    identity = IdentitySettings(
        clients=(client("back", backchannel_logout_uri=listener.url, consent="never"),)
    )
    settings = Settings(Path("/nowhere"), identity, GatewaySettings(listen="0.0.0.0"))
    person = person_at(identity_app(settings, Store.open(tmp_path / "kapi.db"), clock))
    page = allowed(person, authorize_path("back", SHOP, scope="openid"))
    hint = redeem(
        person,
        page.parameters["code"],
        authorization=basic("back", "s"),
        redirect_uri=SHOP,
    ).json()["id_token"]
    person.open(out(id_token_hint=hint))
    time.sleep(0.3)
    assert listener.got == []


def test_the_well_known_client_signs_out_too(person: Person) -> None:
    tokens = tokens_for(person, scope="openid")
    assert (
        "You are signed out" in person.open(out(id_token_hint=tokens["id_token"])).text
    )
    assert (
        person.open(authorize_path(CLIENT, CALLBACK, prompt="none")).parameters["error"]
        == "login_required"
    )
