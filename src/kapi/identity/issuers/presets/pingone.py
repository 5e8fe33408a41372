"""PingOne. All access tokens are JWTs; `typ` is absent until 2027-03-02, then at+jwt."""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="pingone",
    title="PingOne",
    issuer="https://auth.pingone.{tld}/{environment}/as",
    parameters=(
        Parameter(
            "environment",
            "the environment id",
            "9ad15e9e-3ac6-43f7-a053-d46b87d6c4a7",
            r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        ),
        Parameter(
            "tld",
            "com, eu, ca, asia, com.au or sg",
            "eu",
            r"com|eu|ca|asia|com\.au|sg",
            default="com",
        ),
    ),
    jwks_uri="https://auth.pingone.{tld}/{environment}/as/jwks",
    consumer_key_claim="client_id",
    types=("", "at+jwt"),
    mistakes=(
        "The issuer ends in /as.",
        "A custom domain changes the issuer: use the preset oidc with it.",
        "Client credentials tokens have no `sub`.",
    ),
    emulation=Emulation(
        endpoints={
            name: f"https://auth.pingone.{{tld}}/{{environment}}/as/{path}"
            for name, path in {
                "authorization_endpoint": "authorize",
                "token_endpoint": "token",
                "userinfo_endpoint": "userinfo",
                "introspection_endpoint": "introspect",
                "revocation_endpoint": "revoke",
                "end_session_endpoint": "signoff",
                "device_authorization_endpoint": "device_authorization",
                "pushed_authorization_request_endpoint": "par",
            }.items()
        },
        access_token=TokenShape(
            TIMES
            | {
                "client_id": "$client",
                "iss": "$iss",
                "jti": "$jti",
                "aud": ["$audience"],
                "scope": "$scope",
                "env": "$environment",
                "org": "$organization_id",
            },
            person={"sub": "$sub", "sid": "$session", "auth_time": "$auth_time"},
            typ="",
        ),
        subject="{uuid}",
        audience="https://api.pingone.{tld}",
        errors={
            "*": ErrorShape({"error": "$error", "error_description": "$description"})
        },
        keys=PublishedKeys(certificates=True, habit="the platform replaces keys"),
        verifier="",
        unchecked=(
            "PingOne publishes no library that verifies access tokens; the tests use jose (npm)",
            "`typ` becomes at+jwt on 2027-03-02",
            "PingFederate, whose tokens depend on its access token manager, is not emulated",
        ),
    ),
)
