"""Nonsense at every endpoint that clients call: an answer of the protocol, never a fault of
ours.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp import basic, call, identity_app
from kapi.settings import IdentitySettings, Settings
from kapi.settings.identity import RegistrationSettings
from kapi.store import Store

FORMS = ("/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/oauth2/par")
NAMES = (
    "token",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "request",
    "request_uri",
    "resource",
)
NAMES += (
    "authorization_details",
    "grant_type",
    "scope",
    "code",
    "refresh_token",
    "response_type",
    "redirect_uri",
    "dpop_jkt",
    "claims",
)
TEXT = st.text(max_size=60) | st.sampled_from(
    (
        "authorization_code",
        "refresh_token",
        "a.b.c",
        "e30.e30.",
        "[{}]",
        "urn:x",
        "https://[",
        "urn:ietf:params:oauth:request_uri:x",
    )
)
LATIN = st.text(st.characters(max_codepoint=255), max_size=80)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    "client_name",
    "grant_types",
    "redirect_uris",
    "scope",
    "jwks",
    "jwks_uri",
    "token_endpoint_auth_method",
    "response_types",
    "contacts",
)
MEMBERS += (
    "request_uris",
    "default_max_age",
    "subject_type",
    "authorization_details_types",
    "client_secret",
    "client_id",
    "logo_uri",
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("nonsense")
    identity = IdentitySettings(
        registration=RegistrationSettings(open=True), client_id_metadata_documents=True
    )

    def nothing(url: str, **_: Any) -> bytes:
        return b'{"client_id": 7}'

    return identity_app(
        Settings(folder, identity),
        Store.open(folder / "kapi.db"),
        lambda: 1_800_000_000,
        nothing,
    )


@settings(deadline=None)
@given(
    fields=st.dictionaries(st.sampled_from(NAMES), TEXT, max_size=6),
    authenticated=st.booleans(),
    dpop=st.none() | LATIN,
)
def test_forms(
    app: Any, fields: dict[str, str], authenticated: bool, dpop: str | None
) -> None:
    headers = ({"authorization": basic()} if authenticated else {}) | (
        {} if dpop is None else {"dpop": dpop}
    )
    for path in FORMS:
        answer = call(
            app,
            path=path,
            body=urlencode(fields, errors="surrogatepass").encode(),
            **headers,
        )
        assert answer.status < 500
        assert answer.headers["cache-control"] == "no-store"


@settings(deadline=None)
@given(authorization=LATIN, certificate=LATIN, body=st.binary(max_size=80))
def test_headers_and_bytes(
    app: Any, authorization: str, certificate: str, body: bytes
) -> None:
    for path in FORMS:
        sent = {
            "authorization": authorization,
            "x_kapi_client_certificate": certificate,
        }
        assert call(app, path=path, body=body, **sent).status < 500
        assert (
            call(
                app,
                path=path,
                body=b"client_id=x&token=y",
                x_kapi_client_certificate=certificate,
            ).status
            < 500
        )


@settings(deadline=None)
@given(
    sent=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6) | JSON,
    authorization=LATIN,
)
def test_metadata(app: Any, sent: Any, authorization: str) -> None:
    import json

    body = json.dumps(sent).encode()
    made = call(app, "POST", "/dcr/register", body, content_type="application/json")
    assert made.status in {201, 400}
    for method in ("GET", "PUT", "DELETE"):
        answer = call(
            app,
            method,
            "/dcr/register/x",
            body,
            content_type="application/json",
            authorization=authorization,
        )
        assert answer.status == 401
    if made.status == 201:
        own = made.json()
        path, token = (
            f"/dcr/register/{own['client_id']}",
            own["registration_access_token"],
        )
        changed = call(
            app,
            "PUT",
            path,
            body,
            content_type="application/json",
            authorization=f"Bearer {token}",
        )
        assert changed.status in {200, 400}
