"""Dynamic registration and management of clients: APK's payloads, RFC 7591 and 7592, and every
hostile request with its exact answer.
"""

from __future__ import annotations

import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client_keys import key, public
from idp import CC, basic, call, identity_app, provider_of
from kapi.errors import Problem
from kapi.settings import ClientSettings, GatewaySettings, IdentitySettings, Settings
from kapi.settings.identity import RegistrationSettings
from kapi.store import Store

NOW = 1_800_000_000
PATH = "/dcr/register"
APK = {
    "client_name": "Shop",
    "grant_types": ["client_credentials", "authorization_code"],
    "redirect_uris": ["http://httpbin.org"],
}
TOKEN = "an initial access token"


def app_of(
    folder: Path, registration: RegistrationSettings, listen: str = "127.0.0.1"
) -> Any:
    settings = Settings(
        folder,
        IdentitySettings(registration=registration),
        GatewaySettings(listen=listen),
    )
    return identity_app(settings, Store.open(folder / "kapi.db"), lambda: NOW)


@pytest.fixture
def app(tmp_path: Path) -> Any:
    return app_of(tmp_path, RegistrationSettings(initial_access_token=TOKEN))


def send(
    app: Any,
    method: str,
    path: str,
    value: Any = None,
    token: str = TOKEN,
    **headers: Any,
) -> Any:
    headers = (
        {"content_type": "application/json"}
        | ({"authorization": f"Bearer {token}"} if token else {})
        | headers
    )
    body = (
        b""
        if value is None
        else value
        if isinstance(value, bytes)
        else json.dumps(value).encode()
    )
    return call(app, method, path, body, **headers)


def registered(app: Any, value: Any = None) -> dict[str, Any]:
    answer = send(app, "POST", PATH, value or APK)
    assert answer.status == 201, answer.body
    return answer.json()


def test_apks_payload(app: Any) -> None:
    answer = send(app, "POST", PATH, APK)
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert {name: made[name] for name in APK} == APK
    assert made["client_secret_expires_at"] == 0
    assert made["client_id_issued_at"] == NOW
    assert (
        made["registration_client_uri"]
        == f"https://idp.am.wso2.com:9095/dcr/register/{made['client_id']}"
    )
    assert (
        call(app, authorization=basic(made["client_id"], made["client_secret"])).status
        == 200
    )
    assert call(app, authorization=basic(made["client_id"], "no")).status == 401


def test_the_store_holds_digests_only(app: Any, tmp_path: Path) -> None:
    made = registered(app)
    dump = "\n".join(sqlite3.connect(tmp_path / "kapi.db").iterdump())
    assert made["client_id"] in dump
    for secret in (made["client_secret"], made["registration_access_token"]):
        assert secret not in dump
        assert secret.encode().hex() not in dump.lower()


def test_another_worker_takes_it_up(tmp_path: Path) -> None:
    first = app_of(tmp_path, RegistrationSettings(initial_access_token=TOKEN))
    made = registered(first)
    second = app_of(tmp_path, RegistrationSettings())
    assert (
        call(
            second, authorization=basic(made["client_id"], made["client_secret"])
        ).status
        == 200
    )


def test_a_client_manages_itself(app: Any) -> None:
    made = registered(app)
    own, path = made["registration_access_token"], f"{PATH}/{made['client_id']}"
    shown = send(app, "GET", path, token=own).json()
    assert shown["client_name"] == "Shop"
    assert "client_secret" not in shown
    changed = send(
        app,
        "PUT",
        path,
        {
            "client_name": "New",
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
        },
        own,
    )
    assert (
        changed.status,
        changed.json()["client_name"],
        changed.json()["grant_types"],
    ) == (
        200,
        "New",
        ["client_credentials"],
    )
    assert "client_secret" not in changed.json()
    assert (
        call(app, authorization=basic(made["client_id"], made["client_secret"])).status
        == 200
    )
    code = urlencode({"grant_type": "authorization_code", "code": "x"}).encode()
    assert (
        call(
            app,
            body=code,
            authorization=basic(made["client_id"], made["client_secret"]),
        ).json()["error"]
        == "unauthorized_client"
    )
    assert send(app, "DELETE", path, token=own).status == 204
    assert (
        call(app, authorization=basic(made["client_id"], made["client_secret"])).status
        == 401
    )
    assert send(app, "GET", path, token=own).status == 401


def test_a_token_of_a_removed_client_is_not_active(app: Any) -> None:
    made = registered(app)
    own = basic(made["client_id"], made["client_secret"])
    body = urlencode(
        {"token": call(app, authorization=own).json()["access_token"]}
    ).encode()
    asked = partial(
        call, app, path="/oauth2/introspect", body=body, authorization=basic()
    )
    assert asked().json()["active"] is True
    path = f"{PATH}/{made['client_id']}"
    assert (
        send(app, "DELETE", path, token=made["registration_access_token"]).status == 204
    )
    assert asked().json() == {"active": False}


def test_the_token_of_one_client_is_no_use_for_another(app: Any) -> None:
    one, other = registered(app), registered(app)
    for method in ("GET", "PUT", "DELETE"):
        for path, token in (
            (f"{PATH}/{one['client_id']}", other["registration_access_token"]),
            (f"{PATH}/{one['client_id']}", TOKEN),
            (f"{PATH}/{one['client_id']}", ""),
            (f"{PATH}/nobody", one["registration_access_token"]),
            (f"{PATH}/", one["registration_access_token"]),
            (f"{PATH}/{one['client_id']}/", one["registration_access_token"]),
        ):
            answer = send(app, method, path, APK, token)
            assert (answer.status, answer.json()["error"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"].startswith("Bearer ")
    # Nor for registering, nor as an access token.
    assert send(app, "POST", PATH, APK, one["registration_access_token"]).status == 401


WRONG: dict[str, tuple[Any, str, int]] = {
    "no JSON": (b"{", "invalid_client_metadata", 0),
    "deep JSON": (b"[" * 60_000, "invalid_client_metadata", 0),
    "a list": ([APK], "invalid_client_metadata", 0),
    "empty name": (APK | {"client_name": ""}, "invalid_client_metadata", 100150),
    "name is a number": (APK | {"client_name": 7}, "invalid_client_metadata", 0),
    "no grants": (APK | {"grant_types": []}, "invalid_client_metadata", 100151),
    "unknown grant": (
        APK | {"grant_types": ["magic"]},
        "invalid_client_metadata",
        100153,
    ),
    "password grant": (
        APK | {"grant_types": ["password"]},
        "invalid_client_metadata",
        100153,
    ),
    "grants are text": (
        APK | {"grant_types": "client_credentials"},
        "invalid_client_metadata",
        0,
    ),
    "code grant without redirect": ({"client_name": "x"}, "invalid_redirect_uri", 0),
    "javascript": (
        APK | {"redirect_uris": ["javascript:alert(1)"]},
        "invalid_redirect_uri",
        0,
    ),
    "fragment": (
        APK | {"redirect_uris": ["https://a.example/#x"]},
        "invalid_redirect_uri",
        0,
    ),
    "user name": (
        APK | {"redirect_uris": ["https://a@b.example/"]},
        "invalid_redirect_uri",
        0,
    ),
    "relative": (APK | {"redirect_uris": ["/cb"]}, "invalid_redirect_uri", 0),
    "redirect is a number": (APK | {"redirect_uris": [7]}, "invalid_redirect_uri", 0),
    "implicit": (APK | {"response_types": ["token"]}, "invalid_client_metadata", 0),
    "unknown method": (
        APK | {"token_endpoint_auth_method": "magic"},
        "invalid_client_metadata",
        0,
    ),
    "secret that signs": (
        APK | {"token_endpoint_auth_method": "client_secret_jwt"},
        "invalid_client_metadata",
        0,
    ),
    "signs without keys": (
        APK | {"token_endpoint_auth_method": "private_key_jwt"},
        "invalid_client_metadata",
        0,
    ),
    "keys and address": (
        APK | {"jwks": public(key()), "jwks_uri": "https://a.example/k"},
        "invalid_client_metadata",
        0,
    ),
    "private keys": (
        APK | {"jwks": {"keys": [key().as_dict(private=True)]}},
        "invalid_client_metadata",
        0,
    ),
    "keys are no set": (APK | {"jwks": {"kty": "EC"}}, "invalid_client_metadata", 0),
    "address of keys is a file": (
        APK | {"jwks_uri": "file:///etc/passwd"},
        "invalid_client_metadata",
        0,
    ),
    "two names of a certificate": (
        APK
        | {
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "a",
            "tls_client_auth_san_ip": "b",
        },
        "invalid_client_metadata",
        0,
    ),
    "public client acting for itself": (
        APK | {"token_endpoint_auth_method": "none"},
        "invalid_client_metadata",
        0,
    ),
    "public client polling for people": (
        APK
        | {
            "token_endpoint_auth_method": "none",
            "grant_types": ["urn:openid:params:grant-type:ciba"],
        },
        "invalid_client_metadata",
        0,
    ),
    "logo is a script": (
        APK | {"logo_uri": "javascript:alert(1)"},
        "invalid_client_metadata",
        0,
    ),
    "contacts are text": (APK | {"contacts": "me"}, "invalid_client_metadata", 0),
    "very long name": (APK | {"client_name": "x" * 5000}, "invalid_client_metadata", 0),
    "an algorithm without a key": (
        APK | {"introspection_signed_response_alg": "PS512"},
        "invalid_client_metadata",
        0,
    ),
    "logout by script": (
        APK | {"backchannel_logout_uri": "javascript:x"},
        "invalid_client_metadata",
        0,
    ),
    "logout to a file": (
        APK | {"frontchannel_logout_uri": "myapp://x"},
        "invalid_client_metadata",
        0,
    ),
    "a request with odd letters in its fragment": (
        APK | {"request_uris": ["https://b.example/#\u00e4"]},
        "invalid_client_metadata",
        0,
    ),
    "pairwise on two hosts": (
        APK
        | {
            "subject_type": "pairwise",
            "redirect_uris": ["https://a.example/cb", "https://b.example/cb"],
        },
        "invalid_client_metadata",
        0,
    ),
    "a sector that is no address": (
        APK | {"sector_identifier_uri": "a.example"},
        "invalid_client_metadata",
        0,
    ),
    "a request with a user name": (
        APK | {"request_uris": ["https://a@b.example/"]},
        "invalid_client_metadata",
        0,
    ),
    "scopes are numbers": (APK | {"scope": 7}, "invalid_client_metadata", 0),
    "a star": (APK | {"scope": "*"}, "invalid_client_metadata", 0),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_metadata(app: Any, case: str) -> None:
    value, error, number = WRONG[case]
    answer = send(app, "POST", PATH, value)
    assert (answer.status, answer.json()["error"], answer.json().get("code", 0)) == (
        400,
        error,
        number,
    )
    assert answer.json()["error_description"].isascii()


def test_other_media_types(app: Any) -> None:
    answer = send(
        app, "POST", PATH, APK, content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status, answer.json()["error"]) == (400, "invalid_client_metadata")
    assert send(app, "GET", PATH).status == 405
    assert send(app, "POST", f"{PATH}/x", APK).status == 405


def test_who_may_register(tmp_path: Path) -> None:
    closed = app_of(tmp_path, RegistrationSettings())
    for token in ("", "x", TOKEN):
        answer = send(closed, "POST", PATH, APK, token)
        assert (answer.status, answer.json()["error"]) == (401, "invalid_token")
    access = call(
        closed, body=CC + b"&scope=kapi:clients", authorization=basic()
    ).json()["access_token"]
    assert send(closed, "POST", PATH, APK, access).status == 201
    weak = call(closed, body=CC, authorization=basic()).json()["access_token"]
    answer = send(closed, "POST", PATH, APK, weak)
    assert (answer.status, answer.json()["error"]) == (403, "insufficient_scope")


def test_open_registration_gives_few_scopes_and_only_here(tmp_path: Path) -> None:
    everybody = app_of(tmp_path, RegistrationSettings(open=True))
    made = send(everybody, "POST", PATH, APK, "").json()
    asking = CC + b"&scope=apk:api_create"
    assert (
        call(
            everybody,
            body=asking,
            authorization=basic(made["client_id"], made["client_secret"]),
        ).json()["error"]
        == "invalid_scope"
    )
    answer = send(everybody, "POST", PATH, APK | {"scope": "apk:api_create"}, "")
    assert (answer.status, answer.json()["error"]) == (400, "invalid_client_metadata")
    # A client keeps to what it may ask for.
    path, own = f"{PATH}/{made['client_id']}", made["registration_access_token"]
    assert (
        send(everybody, "PUT", path, APK | {"scope": "apk:api_create"}, own).status
        == 400
    )
    assert (
        send(everybody, "PUT", path, APK | {"scope": " default openid "}, own).json()[
            "scope"
        ]
        == "default openid"
    )
    network = app_of(tmp_path, RegistrationSettings(open=True), listen="0.0.0.0")
    assert send(network, "POST", PATH, APK, "").status == 401


def test_what_may_not_be_changed(app: Any) -> None:
    made = registered(app)
    path, own = f"{PATH}/{made['client_id']}", made["registration_access_token"]
    for more in (
        {"client_id": "other"},
        {"client_secret": "chosen by me"},
        {"client_secret": 7},
        {"registration_access_token": "x"},
        {"registration_client_uri": "https://x.example"},
        {"client_secret_expires_at": 0},
        {"client_id_issued_at": 1},
    ):
        answer = send(app, "PUT", path, APK | more, own)
        assert (answer.status, answer.json()["error"]) == (
            400,
            "invalid_client_metadata",
        )
    kept = send(
        app,
        "PUT",
        path,
        APK | {"client_id": made["client_id"], "client_secret": made["client_secret"]},
        own,
    )
    assert kept.status == 200


def test_a_secret_comes_and_goes_with_the_method(app: Any) -> None:
    made = registered(
        app,
        APK | {"token_endpoint_auth_method": "private_key_jwt", "jwks": public(key())},
    )
    assert "client_secret" not in made
    path, own = f"{PATH}/{made['client_id']}", made["registration_access_token"]
    with_secret = send(app, "PUT", path, APK, own).json()
    assert (
        call(
            app, authorization=basic(made["client_id"], with_secret["client_secret"])
        ).status
        == 200
    )
    send(
        app,
        "PUT",
        path,
        APK | {"token_endpoint_auth_method": "private_key_jwt", "jwks": public(key())},
        own,
    )
    assert (
        call(
            app, authorization=basic(made["client_id"], with_secret["client_secret"])
        ).status
        == 401
    )


def test_request_uris_may_have_a_fragment(app: Any) -> None:
    uris = [
        "https://shop.example/request.jwt#GkurKxf5T0Y-mnPFCHqWOMiZi4VS138cQO_V7PZHAdM",
        "https://shop.example/other",
    ]
    assert registered(app, APK | {"request_uris": uris})["request_uris"] == uris


SECTOR = "https://sector.example/uris.json"
TWO_HOSTS = {
    "subject_type": "pairwise",
    "redirect_uris": ["https://a.example/cb", "https://b.example/cb"],
    "sector_identifier_uri": SECTOR,
}


def app_with_pages(folder: Path, pages: dict[str, Any]) -> Any:
    def get(url: str, **_: Any) -> bytes:
        if url not in pages:
            raise Problem(406, "909044", "x", "answered 404")
        return (
            pages[url]
            if isinstance(pages[url], bytes)
            else json.dumps(pages[url]).encode()
        )

    settings = Settings(
        folder,
        IdentitySettings(registration=RegistrationSettings(initial_access_token=TOKEN)),
    )
    return identity_app(settings, Store.open(folder / "kapi.db"), lambda: NOW, get)


def test_a_sector_lists_the_redirect_uris_of_its_clients(tmp_path: Path) -> None:
    pages: dict[str, Any] = {
        SECTOR: [*TWO_HOSTS["redirect_uris"], "https://c.example/cb"]
    }
    app = app_with_pages(tmp_path, pages)
    made = registered(app, APK | TWO_HOSTS)
    assert {name: made[name] for name in TWO_HOSTS} == TWO_HOSTS
    path, own = f"{PATH}/{made['client_id']}", made["registration_access_token"]
    assert send(app, "GET", path, token=own).json()["sector_identifier_uri"] == SECTOR
    # A client that changes is checked again.
    changed = (
        APK
        | TWO_HOSTS
        | {"redirect_uris": ["https://a.example/cb", "https://d.example/cb"]}
    )
    refused = send(app, "PUT", path, changed, own)
    assert (refused.status, refused.json()["error"]) == (400, "invalid_client_metadata")
    assert "https://d.example/cb" in refused.json()["error_description"]


@pytest.mark.parametrize(
    "page",
    [
        None,
        b"<html>",
        {"a": 1},
        ["https://a.example/cb"],
        ["https://a.example/cb", "https://b.example/cb/"],
        [1],
    ],
)
@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
def test_a_sector_that_does_not_list_them_is_refused(
    tmp_path: Path, page: Any, subject_type: str
) -> None:
    app = app_with_pages(tmp_path, {} if page is None else {SECTOR: page})
    refused = send(app, "POST", PATH, APK | TWO_HOSTS | {"subject_type": subject_type})
    assert (refused.status, refused.json()["error"]) == (400, "invalid_client_metadata")
    assert "sector_identifier_uri" in refused.json()["error_description"]


def test_clients_of_one_sector_see_the_same_subject(tmp_path: Path) -> None:
    identity = IdentitySettings(
        clients=tuple(
            ClientSettings(
                name,
                secret="s",
                subject_type="pairwise",
                redirect_uris=(f"https://{name}.example/cb",),
                sector_identifier_uri=uri,
            )
            for name, uri in (
                ("a", SECTOR),
                ("b", SECTOR),
                ("c", "https://other.example/uris.json"),
                ("d", ""),
            )
        )
    )
    provider = provider_of(
        Settings(tmp_path, identity), Store.open(tmp_path / "kapi.db")
    )
    clients = {name: provider.clients.get(name) for name in "abcd"}
    subjects = {
        name: provider.subjects.of(client, "ada")
        for name, client in clients.items()
        if client
    }
    assert subjects["a"] == subjects["b"]
    assert len(set(subjects.values())) == 3


POWERS: dict[str, Any] = {
    "organization": "org1",
    "groups": ["admin"],
    "claims": {"sub": "superAdmin", "organization": "org1"},
    "audience": ["https://orders.example"],
    "scopes": ["*"],
    "consent": "never",
    "introspects": ["*"],
    "sector_identifier": "other.example",
    "token_lifetime": 10**6,
    "access_token_format": "opaque",
    "id": "45f1c5c8-a92e-11ed-afa1-0242ac120002",
    "secret": "chosen",
    "name": "chosen",
}


def test_a_client_cannot_give_itself_more(app: Any) -> None:
    plain, more = registered(app), registered(app, APK | POWERS)
    one, other = (
        introspected(
            app,
            call(
                app, authorization=basic(made["client_id"], made["client_secret"])
            ).json()["access_token"],
            made,
        )
        for made in (plain, more)
    )
    for member in ("jti", "client_id", "sub"):
        one.pop(member), other.pop(member)
    assert one == other
    assert more["client_name"] == "Shop"


def introspected(app: Any, token: str, made: dict[str, Any]) -> dict[str, Any]:
    asked = urlencode({"token": token}).encode()
    return call(
        app,
        path="/oauth2/introspect",
        body=asked,
        authorization=basic(made["client_id"], made["client_secret"]),
    ).json()


def test_registered_members_come_back(app: Any) -> None:
    sent = APK | {
        "client_uri": "https://shop.example",
        "contacts": ["me@shop.example"],
        "software_id": "7",
        "scope": "a b",
        "dpop_bound_access_tokens": True,
        "unknown_member": {"x": 1},
        "jwks_uri": "https://shop.example/keys",
        "token_lifetime": 10**9,
        "client_name#de": "Laden",
    }
    made = registered(app, sent)
    for name in (
        "client_uri",
        "contacts",
        "software_id",
        "scope",
        "dpop_bound_access_tokens",
        "jwks_uri",
    ):
        assert made[name] == sent[name]
    assert not {"unknown_member", "token_lifetime", "settings", "secret"} & set(made)


def test_another_worker_knows_a_new_client_at_once(tmp_path: Path) -> None:
    registering, other = (
        app_of(tmp_path, RegistrationSettings(initial_access_token=TOKEN))
        for _ in range(2)
    )
    made = registered(registering)
    answer = call(
        other,
        "POST",
        "/oauth2/token",
        CC,
        authorization=basic(made["client_id"], made["client_secret"]),
    )
    assert answer.status == 200, answer.body


def test_the_kind_of_an_application_restricts_its_redirect_uris(app: Any) -> None:
    """OpenID Connect Dynamic Client Registration §2, as clients of MCP servers send it."""
    native = {"client_name": "a", "redirect_uris": ["com.example.app:/callback"]}
    made = registered(app, {**native, "application_type": "native"})
    assert made["application_type"] == "native"
    for kind in ("web", "desktop", 7):
        refused = send(app, "POST", PATH, {**native, "application_type": kind})
        assert (refused.status, refused.json()["error"]) == (
            400,
            "invalid_client_metadata",
        )
