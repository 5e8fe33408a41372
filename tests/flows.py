"""What a client and a person do together, in few words: authorize, redeem, refresh. Over
`person.Person`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from idp import basic, identity_app
from kapi.settings import (
    WELL_KNOWN_CLIENT_ID,
    ClientSettings,
    IdentitySettings,
    Settings,
)
from kapi.store import Store
from person import Page, Person, Pkce, authorize_path, over_asgi

NOW = 1_800_000_000
ISSUER = "https://idp.am.wso2.com/token"
CALLBACK = "http://httpbin.org"
CODE_AND_REFRESH = ("authorization_code", "refresh_token")


class Clock:
    """The time that the provider sees."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return float(self.now)


def client(client_id: str = "shop", **more: Any) -> ClientSettings:
    """A client with a secret `s`, whose only redirect URI is `https://shop.example/cb`."""
    known: dict[str, Any] = {
        "secret": "s",
        "grants": CODE_AND_REFRESH,
        "redirect_uris": ("https://shop.example/cb",),
        "name": "The Shop",
    }
    return ClientSettings(client_id, **(known | more))


def public(client_id: str = "app", **more: Any) -> ClientSettings:
    return client(client_id, secret="", token_endpoint_auth_method="none", **more)


def provider_app(
    folder: Path, clock: Clock, *clients: ClientSettings, **settings: Any
) -> Any:
    identity = IdentitySettings(
        clients=(*IdentitySettings().clients, *clients), **settings
    )
    store = Store.open(folder / "kapi.db")
    app = identity_app(Settings(Path("/nowhere"), identity), store, clock)
    store.database.row("PRAGMA wal_checkpoint(TRUNCATE)")
    return app


def person_at(app: Any, **headers: str) -> Person:
    return Person(over_asgi(app), headers=headers)


def allowed(
    person: Person, path: str, username: str = "org1user", organization: str = "org1"
) -> Page:
    """Sign in if asked, allow if asked; the redirect to the client."""
    page = person.open(path)
    if page.status == 200 and 'name="password"' in page.text:
        page = person.sign_in(page, username, organization=organization)
    if page.status == 200 and 'value="allow"' in page.text:
        page = person.submit(page, decision="allow")
    assert page.status == 303, page.text
    return page


def code_for(
    person: Person,
    client_id: str = WELL_KNOWN_CLIENT_ID,
    redirect_uri: str = CALLBACK,
    pkce: Pkce | None = None,
    **more: str | None,
) -> str:
    page = allowed(person, authorize_path(client_id, redirect_uri, pkce, **more))
    assert "code" in page.parameters, page.location
    return page.parameters["code"]


def token_request(
    person: Person, authorization: str | None = None, **fields: str
) -> Page:
    """As the client sends it: without the person's cookies. The well-known client unless told
    otherwise; empty for none.
    """
    headers = {"authorization": basic() if authorization is None else authorization}
    return Person(person.send).ask(
        "POST",
        "/oauth2/token",
        urlencode(fields).encode(),
        **{k: v for k, v in headers.items() if v},
    )


def redeem(
    person: Person,
    code: str,
    pkce: Pkce | None = None,
    authorization: str | None = None,
    **more: str,
) -> Page:
    verifier = {} if pkce is None else {"code_verifier": pkce.verifier}
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        **verifier,
        **more,
    }
    return token_request(
        person,
        authorization,
        **{name: value for name, value in fields.items() if value},
    )


def refresh(
    person: Person, token: str, authorization: str | None = None, **more: str
) -> Page:
    return token_request(
        person, authorization, grant_type="refresh_token", refresh_token=token, **more
    )


def tokens_for(
    person: Person, scope: str | None = None, **more: str | None
) -> dict[str, Any]:
    """Tokens of the well-known client for who signs in."""
    answer = redeem(person, code_for(person, scope=scope, **more))
    assert answer.status == 200, answer.text
    return answer.json()


def error_of(page: Page) -> tuple[int, str]:
    return page.status, page.json()["error"]
