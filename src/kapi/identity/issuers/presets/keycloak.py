"""Keycloak: one issuer per realm. Its JWKS also contains an encryption key, which is ignored."""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import ASYMMETRIC, Parameter, Preset

preset = Preset(
    name="keycloak",
    title="Keycloak",
    issuer="{url}/realms/{realm}",
    parameters=(
        Parameter(
            "url",
            "base address, with /auth for versions before 17",
            "https://sso.acme.example",
            r"https?://[^\s?#{}]+[^\s?#{}/]",
        ),
        Parameter("realm", "the realm", "acme", r"[A-Za-z0-9._-]+"),
    ),
    jwks_uri="{url}/realms/{realm}/protocol/openid-connect/certs",
    scopes_claims=("scope",),
    algorithms=ASYMMETRIC,
    required_claims={"typ": "Bearer"},
    mistakes=(
        (
            "Without a fixed hostname the issuer follows the request's host: a token got from"
            " localhost has another issuer."
        ),
        "`aud` is absent, or `account`, until an audience mapper adds your API.",
        (
            "Roles are nested in realm_access.roles; add a mapper that puts them into `scope` or"
            " a claim of their own."
        ),
        "ID and refresh tokens have the same keys; their claim `typ` is not Bearer.",
    ),
    emulation=Emulation(
        endpoints={
            name: f"{{url}}/realms/{{realm}}/protocol/openid-connect/{path}"
            for name, path in {
                "authorization_endpoint": "auth",
                "token_endpoint": "token",
                "userinfo_endpoint": "userinfo",
                "introspection_endpoint": "token/introspect",
                "revocation_endpoint": "revoke",
                "end_session_endpoint": "logout",
                "device_authorization_endpoint": "auth/device",
                "pushed_authorization_request_endpoint": "ext/par/request",
                "backchannel_authentication_endpoint": "ext/ciba/auth",
            }.items()
        }
        | {
            "registration_endpoint": "{url}/realms/{realm}/clients-registrations/openid-connect"
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "aud": "$audience",
                "jti": "$jti",
                "typ": "Bearer",
                "azp": "$client",
                "acr": "1",
                "scope": "$scope",
                "allowed-origins": ["/*"],
                "realm_access": {"roles": ["offline_access", "default-roles-{realm}"]},
                "resource_access": {"account": {"roles": ["view-profile"]}},
            },
            application={
                "preferred_username": "service-account-{client}",
                "client_id": "$client",
                "clientHost": "127.0.0.1",
                "clientAddress": "127.0.0.1",
            },
            person={
                "sid": "$session",
                "auth_time": "$auth_time",
                "preferred_username": "$user",
                "email": "$email",
            },
        ),
        id_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "aud": "$client",
                "auth_time": "$auth_time",
                "jti": "$jti",
                "typ": "ID",
                "azp": "$client",
                "nonce": "$nonce",
                "sid": "$session",
                "acr": "1",
                "at_hash": "$at_hash",
                "preferred_username": "$user",
                "email": "$email",
            }
        ),
        audience="account",
        errors={
            "invalid_client": ErrorShape(
                {
                    "error": "unauthorized_client",
                    "error_description": "Invalid client or Invalid client credentials",
                },
                401,
            ),
            "*": ErrorShape({"error": "$error", "error_description": "$description"}),
        },
        keys=PublishedKeys(
            certificates=True,
            encryption_key=True,
            habit="by hand, by the priority of key providers: active, passive, disabled",
        ),
        lifetime=300,
        verifier="keycloak-connect (npm)",
        unchecked=("the texts of errors", "claims of a service account"),
    ),
)
