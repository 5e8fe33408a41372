"""What tokens of each provider look like, where its keys are, and how people get it wrong. One row
per preset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TENANT = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
ENVIRONMENT = "9ad15e9e-3ac6-43f7-a053-d46b87d6c4a7"
BOTH = "items:read apk:api_create"


@dataclass(frozen=True)
class Vendor:
    """`keys` is the JWKS address; `claims` a token's, `header` what differs in its header; `client`
    what it names.

    `mistakes` are changes of claims or header that must make the token worthless; a name that
    starts with `_` is a header's.
    """

    preset: str
    arguments: tuple[str, ...]
    issuer: str
    keys: str
    claims: dict[str, Any]
    client: str
    header: dict[str, Any] = field(default_factory=dict)
    alg: str = "RS256"
    scoped: bool = True
    mistakes: dict[str, dict[str, Any]] = field(default_factory=dict)


VENDORS = (
    Vendor(
        "asgardeo",
        ("--organization", "acme", "--audience", "clientid1"),
        "https://api.asgardeo.io/t/acme/oauth2/token",
        "https://api.asgardeo.io/t/acme/oauth2/jwks",
        {
            "sub": "clientid1",
            "aut": "APPLICATION",
            "aud": "clientid1",
            "client_id": "clientid1",
            "azp": "clientid1",
            "scope": BOTH,
            "org_id": "asgardeo-org",
            "org_name": "acme",
            "org_handle": "acme",
            "jti": "j",
        },
        "clientid1",
        {"typ": "at+jwt", "x5t": "abc"},
        mistakes={
            "the issuer of APK's documents": {"iss": "https://api.asgardeo.io/"},
            "the console's address": {"iss": "https://console.asgardeo.io/t/acme"},
            "a slash at the end": {
                "iss": "https://api.asgardeo.io/t/acme/oauth2/token/"
            },
            "another organization": {
                "iss": "https://api.asgardeo.io/t/evil/oauth2/token"
            },
        },
    ),
    Vendor(
        "wso2is",
        ("--domain", "is.acme.example:9443"),
        "https://is.acme.example:9443/oauth2/token",
        "https://is.acme.example:9443/oauth2/jwks",
        {
            "sub": "c",
            "aut": "APPLICATION",
            "aud": "c",
            "client_id": "wso2client",
            "azp": "wso2client",
            "scope": BOTH.split(),
        },
        "wso2client",
        {"typ": "at+jwt", "x5t": "abc"},
        mistakes={
            "without the port": {"iss": "https://is.acme.example/oauth2/token"},
            "a tenant's": {"iss": "https://is.acme.example:9443/t/x/oauth2/token"},
        },
    ),
    Vendor(
        "auth0",
        ("--domain", "acme.eu.auth0.com", "--audience", "https://orders.example"),
        "https://acme.eu.auth0.com/",
        "https://acme.eu.auth0.com/.well-known/jwks.json",
        {
            "sub": "auth0client@clients",
            "aud": ["https://orders.example", "https://acme.eu.auth0.com/userinfo"],
            "azp": "auth0client",
            "gty": "client-credentials",
            "scope": "items:read",
            "permissions": ["apk:api_create"],
        },
        "auth0client",
        mistakes={
            "without the slash": {"iss": "https://acme.eu.auth0.com"},
            "another API's audience": {"aud": ["https://other.example"]},
            "no audience": {"aud": ...},
            "an ID token": {"aud": "auth0client", "nonce": "n"},
        },
    ),
    Vendor(
        "okta",
        ("--domain", "acme.okta.com", "--audience", "api://orders"),
        "https://acme.okta.com/oauth2/default",
        "https://acme.okta.com/oauth2/default/v1/keys",
        {
            "ver": 1,
            "jti": "AT.x",
            "aud": "api://orders",
            "cid": "0oaClient",
            "scp": BOTH.split(),
            "sub": "0oaClient",
        },
        "0oaClient",
        {"typ": ...},
        mistakes={
            "the org authorization server": {"iss": "https://acme.okta.com"},
            "a slash at the end": {"iss": "https://acme.okta.com/oauth2/default/"},
            "another API's audience": {"aud": "api://default"},
        },
    ),
    Vendor(
        "entra",
        ("--tenant", TENANT, "--audience", "4c0d7a5c-1111-4222-8333-444455556666"),
        f"https://login.microsoftonline.com/{TENANT}/v2.0",
        f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys",
        {
            "aud": "4c0d7a5c-1111-4222-8333-444455556666",
            "azp": "entraclient",
            "azpacr": "1",
            "oid": "o",
            "tid": TENANT,
            "ver": "2.0",
            "uti": "u",
            "roles": BOTH.split(),
            "sub": "o",
        },
        "entraclient",
        mistakes={
            "a v1.0 token": {"iss": f"https://sts.windows.net/{TENANT}/", "ver": "1.0"},
            "another tenant": {
                "iss": "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0"
            },
            "another tenant in tid": {"tid": "00000000-0000-0000-0000-000000000000"},
            "the placeholder of common": {
                "iss": "https://login.microsoftonline.com/{tenantid}/v2.0"
            },
            "for Microsoft Graph": {"aud": "00000003-0000-0000-c000-000000000000"},
            "an ID token with app roles": {"azp": ..., "azpacr": ...},
        },
    ),
    Vendor(
        "entra-v1",
        ("--tenant", TENANT, "--audience", "api://orders"),
        f"https://sts.windows.net/{TENANT}/",
        f"https://login.microsoftonline.com/{TENANT}/discovery/keys",
        {
            "aud": "api://orders",
            "appid": "v1client",
            "appidacr": "1",
            "tid": TENANT,
            "ver": "1.0",
            "scp": BOTH,
            "sub": "s",
        },
        "v1client",
        {"x5t": "abc"},
        mistakes={
            "without the slash": {"iss": f"https://sts.windows.net/{TENANT}"},
            "a v2.0 token": {"ver": "2.0"},
        },
    ),
    Vendor(
        "keycloak",
        (
            "--url",
            "https://sso.acme.example",
            "--realm",
            "acme",
            "--audience",
            "orders",
        ),
        "https://sso.acme.example/realms/acme",
        "https://sso.acme.example/realms/acme/protocol/openid-connect/certs",
        {
            "typ": "Bearer",
            "azp": "kcclient",
            "aud": ["orders", "account"],
            "scope": BOTH,
            "sub": "s",
            "preferred_username": "p",
            "realm_access": {"roles": ["offline_access"]},
            "resource_access": {"orders": {"roles": ["x"]}},
            "allowed-origins": ["*"],
        },
        "kcclient",
        mistakes={
            "an ID token": {"typ": "ID", "aud": "orders"},
            "a refresh token": {"typ": "Refresh", "aud": "orders"},
            "another realm": {"iss": "https://sso.acme.example/realms/master"},
            "the old path": {"iss": "https://sso.acme.example/auth/realms/acme"},
            "only the account audience": {"aud": "account"},
        },
    ),
    Vendor(
        "cognito",
        ("--region", "eu-central-1", "--pool", "eu-central-1_AbCdEfGhI"),
        "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
        (
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/"
            "jwks.json"
        ),
        {
            "sub": "cognitoclient",
            "token_use": "access",
            "client_id": "cognitoclient",
            "scope": BOTH,
            "version": 2,
            "jti": "j",
        },
        "cognitoclient",
        {"typ": ...},
        mistakes={
            "an ID token": {
                "token_use": "id",
                "aud": "cognitoclient",
                "client_id": ...,
            },
            "another pool": {
                "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Other1234"
            },
        },
    ),
    Vendor(
        "google",
        ("--audience", "app.apps.googleusercontent.com"),
        "https://accounts.google.com",
        "https://www.googleapis.com/oauth2/v3/certs",
        {
            "aud": "app.apps.googleusercontent.com",
            "azp": "googleclient",
            "sub": "1",
            "hd": "acme.example",
            "email_verified": True,
        },
        "googleclient",
        scoped=False,
        mistakes={
            "another site's token": {"aud": "other.apps.googleusercontent.com"},
            "the issuer without scheme": {"iss": "accounts.google.com"},
        },
    ),
    Vendor(
        "pingone",
        ("--environment", ENVIRONMENT, "--tld", "eu", "--audience", "orders"),
        f"https://auth.pingone.eu/{ENVIRONMENT}/as",
        f"https://auth.pingone.eu/{ENVIRONMENT}/as/jwks",
        {
            "client_id": "pingclient",
            "aud": ["orders"],
            "scope": BOTH,
            "env": ENVIRONMENT,
            "org": "o",
            "jti": "j",
        },
        "pingclient",
        {"typ": "at+jwt"},
        mistakes={
            "without /as": {"iss": f"https://auth.pingone.eu/{ENVIRONMENT}"},
            "an ID token's typ": {"_typ": "JWT"},
        },
    ),
    Vendor(
        "firebase",
        ("--project", "acme-prod"),
        "https://securetoken.google.com/acme-prod",
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        {
            "aud": "acme-prod",
            "user_id": "u",
            "sub": "u",
            "firebase": {"identities": {}, "sign_in_provider": "password"},
        },
        "acme-prod",
        scoped=False,
        mistakes={
            "another project": {
                "iss": "https://securetoken.google.com/evil-prod",
                "aud": "evil-prod",
            },
            "another project's audience": {"aud": "evil-prod"},
        },
    ),
    Vendor(
        "clerk",
        ("--domain", "clerk.acme.example"),
        "https://clerk.acme.example",
        "https://clerk.acme.example/.well-known/jwks.json",
        {
            "azp": "https://app.acme.example",
            "sub": "user_1",
            "sid": "sess_1",
            "fva": [0, -1],
            "v": 2,
        },
        "",
        scoped=False,
        mistakes={
            "a slash at the end": {"iss": "https://clerk.acme.example/"},
            "a development instance": {"iss": "https://x.clerk.accounts.dev"},
        },
    ),
    Vendor(
        "supabase",
        ("--project", "abcdefghijklmnopqrst"),
        "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
        "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json",
        {
            "aud": "authenticated",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "s",
            "sub": "u",
            "app_metadata": {},
        },
        "",
        alg="ES256",
        scoped=False,
        mistakes={
            "the anonymous key": {"aud": "anon", "role": "anon"},
            "another project": {"iss": "https://other.supabase.co/auth/v1"},
        },
    ),
    Vendor(
        "zitadel",
        ("--domain", "acme-1234.zitadel.cloud", "--audience", "projectid"),
        "https://acme-1234.zitadel.cloud",
        "https://acme-1234.zitadel.cloud/oauth/v2/keys",
        {
            "aud": ["zitadelclient", "projectid"],
            "client_id": "zitadelclient",
            "scope": BOTH,
            "sub": "1",
        },
        "zitadelclient",
        {"typ": "at+jwt"},
        mistakes={
            "no audience scope": {"aud": ["zitadelclient"]},
            "a slash at the end": {"iss": "https://acme-1234.zitadel.cloud/"},
        },
    ),
    Vendor(
        "dex",
        ("--url", "https://dex.acme.example", "--audience", "dexclient"),
        "https://dex.acme.example",
        "https://dex.acme.example/keys",
        {
            "aud": "dexclient",
            "sub": "CiQwOGE4Njg0Yg",
            "at_hash": "h",
            "nonce": "n",
            "email": "ada@acme.example",
        },
        "dexclient",
        {"typ": ...},
        scoped=False,
        mistakes={
            "another client's token": {"aud": "other"},
            "without the path": {"iss": "https://dex.acme.example/dex"},
        },
    ),
    Vendor(
        "mock-oauth2-server",
        ("--url", "https://mock.acme.example/default", "--audience", "orders"),
        "https://mock.acme.example/default",
        "https://mock.acme.example/default/jwks",
        {
            "aud": "orders",
            "sub": "someone",
            "azp": "mockclient",
            "nonce": "n",
            "scope": BOTH,
        },
        "mockclient",
        mistakes={
            "another API's audience": {"aud": "invoices"},
            "another issuer id": {"iss": "https://mock.acme.example/other"},
        },
    ),
    Vendor(
        "oidc",
        (
            "https://login.acme.example",
            "--jwks",
            "https://login.acme.example/keys",
            "--audience",
            "orders",
        ),
        "https://login.acme.example",
        "https://login.acme.example/keys",
        {"aud": "orders", "client_id": "anyclient", "scp": BOTH, "sub": "s"},
        "anyclient",
        {"typ": "at+jwt"},
        alg="EdDSA",
        mistakes={
            "http instead of https": {"iss": "http://login.acme.example"},
            "upper case": {"iss": "https://Login.acme.example"},
            "another API's audience": {"aud": "invoices"},
        },
    ),
)
