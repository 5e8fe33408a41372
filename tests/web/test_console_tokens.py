"""The tokens that a call is tried with at the console: of which clients, and with which secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from console_parts import TokenEndpoint, person_of, token_endpoint
from starlette.requests import Request

from kapi.errors import Problem
from kapi.front.web.console.sessions import OPERATOR, Session
from kapi.front.web.console.sign_in import Provider
from kapi.front.web.console.trying.tokens import ClientTokens
from kapi.settings import ClientSettings, IdentitySettings, Settings

SHOP = ClientSettings("shop", secret="s-shop")
POSTED = ClientSettings(
    "posted", secret="s-posted", token_endpoint_auth_method="client_secret_post"
)
CLIENTS = (
    SHOP,
    POSTED,
    replace(SHOP, id="basic", token_endpoint_auth_method="client_secret_basic"),
    replace(SHOP, id="public", secret=""),
    replace(SHOP, id="signs", token_endpoint_auth_method="private_key_jwt"),
    replace(SHOP, id="proofs", dpop_bound_access_tokens=True),
    replace(SHOP, id="certificate", tls_client_certificate_bound_access_tokens=True),
    replace(SHOP, id="web", grants=("authorization_code",)),
    replace(SHOP, id="both", grants=("authorization_code", "client_credentials")),
)
OURS = Session(
    "olivia", "olivia", "default", of_platform=True, role=OPERATOR, secret="s"
)
OTHERS = replace(OURS, organization="acme", of_platform=False)
VISIT = Request({"type": "http", "method": "POST", "path": "/", "headers": []})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path, IdentitySettings(clients=CLIENTS))


@pytest.fixture
def tokens(settings: Settings) -> ClientTokens:
    return ClientTokens(Provider(settings, lambda: "", person_of))


@pytest.fixture
def endpoint(settings: Settings) -> Iterator[TokenEndpoint]:
    with token_endpoint(settings) as made:
        made.gives(access_token="a token")
        yield made


def basic(asked: dict[str, str]) -> bytes:
    """The id and the secret that a request was sent with."""
    return base64.b64decode(asked["authorization"].removeprefix("Basic "))


def test_the_clients_that_get_bearer_tokens_with_their_secret(
    tokens: ClientTokens,
) -> None:
    assert tokens.known(OURS) == ("shop", "posted", "basic", "both")


def test_a_client_of_the_settings_needs_no_secret_typed(
    tokens: ClientTokens, endpoint: TokenEndpoint
) -> None:
    assert tokens.token(OURS, VISIT, ("shop", ""), "") == "a token"
    assert tokens.token(OURS, VISIT, ("posted", ""), "a b") == "a token"
    (shop, shop_form), (posted, posted_form) = endpoint.asked
    assert (basic(shop), shop_form) == (
        b"shop:s-shop",
        {"grant_type": "client_credentials"},
    )
    assert "authorization" not in posted
    assert posted_form == {
        "grant_type": "client_credentials",
        "scope": "a b",
        "client_id": "posted",
        "client_secret": "s-posted",
    }


def test_people_of_other_organizations_use_no_secret_of_the_settings(
    tokens: ClientTokens, endpoint: TokenEndpoint
) -> None:
    assert tokens.known(OTHERS) == ()
    with pytest.raises(Problem) as refused:
        tokens.token(OTHERS, VISIT, ("shop", ""), "")
    assert refused.value.title == "The client shop got no token"
    assert "type it" in refused.value.detail
    assert endpoint.asked == []


@pytest.mark.parametrize("session", [OURS, OTHERS])
@pytest.mark.parametrize("name", ["shop", "posted", "elsewhere"])
def test_a_secret_that_is_typed_is_the_one_sent(
    tokens: ClientTokens, endpoint: TokenEndpoint, session: Session, name: str
) -> None:
    assert tokens.token(session, VISIT, (name, "typed"), "") == "a token"
    ((asked, form),) = endpoint.asked
    assert basic(asked) == f"{name}:typed".encode()
    assert form == {"grant_type": "client_credentials"}


@pytest.mark.parametrize(
    "client", [("", ""), ("", "typed"), ("elsewhere", ""), ("signs", "")]
)
def test_a_client_without_a_known_secret_gets_no_token(
    tokens: ClientTokens, endpoint: TokenEndpoint, client: tuple[str, str]
) -> None:
    with pytest.raises(Problem) as refused:
        tokens.token(OURS, VISIT, client, "")
    assert refused.value.status == 400
    assert refused.value.detail == "Its secret is not known here: type it."
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"error": "invalid_scope", "error_description": "No scope x"}, "No scope x"),
        ({"error": "invalid_client"}, "invalid_client"),
        ({}, "no reason"),
        ({"access_token": None, "error": "slow_down"}, "slow_down"),
    ],
)
def test_a_refusal_has_the_reason_of_the_provider(
    tokens: ClientTokens, endpoint: TokenEndpoint, answer: dict[str, str], reason: str
) -> None:
    endpoint.gives(**answer)
    with pytest.raises(Problem) as refused:
        tokens.token(OURS, VISIT, ("shop", ""), "x")
    assert refused.value.detail == f"The provider says: {reason}."
    assert "s-shop" not in repr(refused.value)
