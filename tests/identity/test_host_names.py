"""The provider under the second name of its host: the same clients and records, another issuer."""

from __future__ import annotations

from pathlib import Path

import pytest

from idp import basic, provider_of
from kapi.front.web.identity.app import build_identity_app
from kapi.identity.issuers.verify import IssuerKeys, verify_bearer
from kapi.identity.keys.keyring import Keyring, new_key
from kapi.settings import GatewaySettings, IdentitySettings, Settings
from kapi.settings.checks import mistakes_of
from kapi.store import Store
from kapi.store.keys import ACTIVE
from person import Page, Person, claims_of, over_asgi

GUIDE, LOCAL = "idp.am.wso2.com:9095", "idp.localhost:9095"
NOW = 1_800_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "kapi.db")


def asked(person: Person, host: str, path: str, body: bytes = b"") -> Page:
    return person.ask(
        "POST" if body else "GET", path, body, host=host, authorization=basic()
    )


def test_a_token_has_the_issuer_of_the_name_and_is_known_under_both(
    store: Store,
) -> None:
    provider = provider_of(Settings(Path("/nowhere")), store)
    person = Person(over_asgi(build_identity_app(provider, lambda: NOW)))
    issuers = {}
    for host in (GUIDE, LOCAL, "IDP.Localhost:9095", "elsewhere.example"):
        form = b"grant_type=client_credentials"
        token = asked(person, host, "/oauth2/token", form).json()["access_token"]
        issuers[host] = claims_of(token)["iss"]
        for other in (GUIDE, LOCAL):
            told = asked(
                person, other, "/oauth2/introspect", f"token={token}".encode()
            ).json()
            assert (told["active"], told["iss"]) == (True, issuers[host])
    guide, local = "https://idp.am.wso2.com/token", "https://idp.localhost:9095"
    assert list(issuers.values()) == [guide, local, local, guide]


def test_new_keys_sign_under_both_names(store: Store) -> None:
    provider = provider_of(Settings(Path("/nowhere")), store)
    person = Person(over_asgi(build_identity_app(provider, lambda: NOW)))
    provider.use_keys(Keyring((new_key("RS256", NOW, ACTIVE, "new"),)))
    for host in (GUIDE, LOCAL):
        form = b"grant_type=client_credentials"
        token = asked(person, host, "/oauth2/token", form).json()["access_token"]
        own = IssuerKeys.inbuilt(
            provider.issuer, provider.keyring.keys, provider.issuers
        )
        assert verify_bearer(f"Bearer {token}", (own,), NOW).token
        assert [
            key["kid"] for key in asked(person, host, "/oauth2/jwks").json()["keys"]
        ] == ["new"]


def test_a_revocation_is_of_the_issuer_itself(store: Store) -> None:
    """The store names one issuer, whatever name the token has."""
    provider = provider_of(Settings(Path("/nowhere")), store)
    person = Person(over_asgi(build_identity_app(provider, lambda: NOW)))
    token = asked(
        person, LOCAL, "/oauth2/token", b"grant_type=client_credentials"
    ).json()
    fields = f"token={token['access_token']}".encode()
    assert asked(person, LOCAL, "/oauth2/revoke", fields).status == 200
    (revoked,) = provider.revocations.active(NOW)
    assert revoked.issuer == "https://idp.am.wso2.com/token"
    own = IssuerKeys.inbuilt(provider.issuer, provider.keyring.keys, provider.issuers)
    with pytest.raises(Exception, match="revoked"):
        verify_bearer(
            f"Bearer {token['access_token']}",
            (own,),
            NOW,
            provider.revocations.is_revoked,
        )


@pytest.mark.parametrize(
    ("gateway", "identity", "hosts", "domains"),
    [
        ({}, {}, ("idp.am.wso2.com", "idp.localhost"), ("gw.wso2.com", "gw.localhost")),
        ({"localhost_names": False}, {}, ("idp.am.wso2.com",), ("gw.wso2.com",)),
        (
            {"domain": "GW.localhost"}, {"host": "IDP.localhost"},
            ("idp.localhost",), ("gw.localhost",),
        ),
        (
            {"domain": "sandbox.gw.localhost"}, {},
            ("idp.am.wso2.com", "idp.localhost"), ("sandbox.gw.localhost",),
        ),
        ({"api_host": "idp.localhost"}, {}, ("idp.am.wso2.com",), ("gw.wso2.com", "gw.localhost")),
    ],
)  # fmt: skip
def test_a_configured_name_has_precedence(
    gateway: dict[str, object],
    identity: dict[str, object],
    hosts: tuple[str, ...],
    domains: tuple[str, ...],
) -> None:
    settings = Settings(
        Path("/nowhere"),
        identity=IdentitySettings(**identity),  # type: ignore[arg-type]
        gateway=GatewaySettings(**gateway),  # type: ignore[arg-type]
    )
    assert (settings.provider_hosts, settings.gateway.domains) == (hosts, domains)
    assert list(mistakes_of(settings)) == []


def test_the_issuer_of_a_front_has_its_port() -> None:
    settings = Settings(Path("/nowhere"), gateway=GatewaySettings(public_port=443))
    assert settings.own_issuers == (
        "https://idp.am.wso2.com/token",
        "https://idp.localhost",
    )


@pytest.mark.parametrize("host", ["api.localhost", "API.am.wso2.com"])
def test_the_provider_cannot_have_a_host_of_the_system_apis(host: str) -> None:
    settings = Settings(Path("/nowhere"), identity=IdentitySettings(host=host))
    (found,) = mistakes_of(settings)
    assert found.where == ".identity.host"
    assert "a host of its own" in found.hint
