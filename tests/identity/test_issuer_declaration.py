"""Declaring an issuer: presets fill in what they know, and every mistake is named at once."""

from __future__ import annotations

from typing import Any

import pytest

from kapi.errors import Invalid
from kapi.identity.issuers.declaration import Issuer, declare
from kapi.identity.issuers.presets import PRESETS
from kapi.settings import IssuerSettings
from standin import Key


def of(preset: str, **parameters: str) -> Issuer:
    return declare(IssuerSettings(name=preset, preset=preset, parameters=parameters))


def mistakes(**fields: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        declare(
            IssuerSettings(**{"name": "x", "issuer": "https://x.example", **fields})
        )
    assert all(item.hint for item in caught.value.diagnostics)
    return {item.pointer: item.message for item in caught.value.diagnostics}


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        (
            of("asgardeo", organization="acme"),
            "https://api.asgardeo.io/t/acme/oauth2/token",
        ),
        (
            of("wso2is", domain="is.example:9443", tenant="/t/a"),
            "https://is.example:9443/t/a/oauth2/token",
        ),
        (of("auth0", domain="acme.eu.auth0.com"), "https://acme.eu.auth0.com/"),
        (of("okta", domain="acme.okta.com"), "https://acme.okta.com/oauth2/default"),
        (
            of("entra-v1", tenant="8eaef023-2b34-4da1-9baa-8bc8c9d6a490"),
            "https://sts.windows.net/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/",
        ),
        (
            of("keycloak", url="https://sso.example/auth", realm="a"),
            "https://sso.example/auth/realms/a",
        ),
        (of("google"), "https://accounts.google.com"),
    ],
)
def test_a_preset_knows_the_issuer_to_the_letter(issuer: Issuer, expected: str) -> None:
    assert issuer.issuer == expected
    assert issuer.jwks_uri.startswith("https://")
    assert issuer.advice


def test_every_preset_is_complete() -> None:
    assert len({preset.name for preset in PRESETS}) == len(PRESETS)
    for preset in PRESETS:
        examples = {item.name: item.example for item in preset.parameters}
        issuer = declare(
            IssuerSettings(
                name="x",
                preset=preset.name,
                parameters=examples,
                issuer="" if preset.issuer else "https://x.example",
            )
        )
        assert "{" not in "".join(
            (
                issuer.issuer,
                issuer.jwks_uri,
                issuer.discovery,
                *issuer.audiences,
                *issuer.advice,
            )
        )
        assert preset.mistakes
        assert preset.title


def test_what_is_given_wins_over_the_preset_and_another_issuer_is_discovered() -> None:
    declared = declare(
        IssuerSettings(
            name="a",
            preset="auth0",
            parameters={"domain": "acme.eu.auth0.com"},
            issuer="https://login.acme.example/",
            audiences=("orders",),
        )
    )
    assert (declared.issuer, declared.jwks_uri) == ("https://login.acme.example/", "")
    assert (
        declared.discovery
        == "https://login.acme.example/.well-known/openid-configuration"
    )
    assert declared.audiences == ("orders",)


def test_every_mistake_at_once() -> None:
    found = mistakes(
        name="Not A Name",
        preset="okta",
        parameters={"domain": "https://acme.okta.com/", "tenant": "x"},
        issuer="",
        organization="Not An Organization",
        organizations={"a": "B"},
        environments=("Prod!",),
        ca="nothing",
        algorithms=("HS256", "none"),
        claim_mappings={"a": "authorization", "b": "x y"},
        types=("x" * 65,),
        audiences=("",),
    )
    assert found.keys() == {
        "#/parameters/tenant",
        "#/parameters/domain",
        "#/name",
        "#/organization",
        "#/organizations",
        "#/environments",
        "#/ca",
        "#/algorithms",
        "#/claimMappings",
        "#/types",
        "#/audiences",
    } | ({"#/jwksUri", "#/discovery"} & found.keys())


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"preset": "autho"}, "#/preset"),
        ({"issuer": ""}, "#/issuer"),
        ({"issuer": "x" * 1025, "jwks_uri": "https://x.example"}, "#/issuer"),
        ({"issuer": "http://x.example"}, "#/discovery"),
        ({"jwks_uri": "http://x.example/keys"}, "#/jwksUri"),
        ({"jwks_uri": "file:///etc/passwd"}, "#/jwksUri"),
        ({"jwks_uri": "https://user:secret@x.example/keys"}, "#/jwksUri"),
        ({"jwks_uri": "https://x.example:99999/"}, "#/jwksUri"),
        ({"name": "inbuilt"}, "#/name"),
        ({"preset": "auth0"}, "#/parameters/domain"),
        ({"public_key": "nothing"}, "#/public_key"),
        ({"certificate": Key.make("k").pem()}, "#/certificate"),
        ({"public_key": Key.make("k", bits=1024).pem()}, "#/public_key"),
        ({"public_key": Key.make("k").pem(), "algorithms": ("ES256",)}, "#/public_key"),
        (
            {"public_key": Key.make("k").pem(), "jwks_uri": "https://x.example"},
            "#/public_key",
        ),
        ({"claim_mappings": {"a": "x-a", "b": "X-A"}}, "#/claimMappings"),
        ({"claim_mappings": {"a": "x-forwarded-for"}}, "#/claimMappings"),
        ({"claim_mappings": {"a": "x-kapi-url"}}, "#/claimMappings"),
        ({"claim_mappings": {"a": "x\r\ny"}}, "#/claimMappings"),
    ],
)
def test_a_mistake(fields: dict[str, Any], pointer: str) -> None:
    assert pointer in mistakes(**fields)


def test_an_unknown_preset_is_one_mistake_and_what_else_was_given_is_judged() -> None:
    assert set(
        mistakes(
            name="Foo", preset="Foo", issuer="", parameters={"domain": "a.example"}
        )
    ) == {"#/preset"}
    found = mistakes(
        name="foo",
        preset="foo",
        issuer="",
        algorithms=("HS256",),
        ca="not PEM",
        jwks_uri="ftp://x",
    )
    assert set(found) == {"#/preset", "#/algorithms", "#/ca", "#/jwksUri"}


def test_a_private_key_is_never_taken() -> None:
    from cryptography.hazmat.primitives import serialization

    key = Key.make("k")
    pem = key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    for field in ("public_key", "certificate", "ca"):
        (message,) = mistakes(**{field: pem}).values()
        assert "private key" in message


def test_local_issuers_may_speak_plain_http() -> None:
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        assert declare(IssuerSettings(name="x", issuer=f"http://{host}/realm")).fetches


def test_a_name_that_the_settings_put_on_loopback_may_speak_plain_http() -> None:
    hosts = {
        "idp.internal": "127.0.0.1:8080",
        "other:81": "[::1]",
        "far.internal": "10.0.0.1",
        "local.internal": "localhost",
    }
    for url in (
        "http://idp.internal/realm",
        "http://other:81/realm",
        "http://local.internal",
    ):
        assert declare(IssuerSettings(name="x", issuer=url), hosts).fetches
        declare(
            IssuerSettings(
                name="x", issuer="https://x.example", jwks_uri=f"{url}/keys"
            ),
            hosts,
        )
    for url in (
        "http://far.internal",
        "http://other",
        "http://127.0.0.1.internal",
        "http://idp.internal.example",
    ):
        with pytest.raises(Invalid):
            declare(IssuerSettings(name="x", issuer=url), hosts)


def test_a_public_key_needs_no_network() -> None:
    declared = declare(
        IssuerSettings(
            name="x", issuer="anything", public_key=Key.make("k", "EdDSA").pem()
        )
    )
    assert not declared.fetches
