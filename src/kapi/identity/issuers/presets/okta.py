"""Okta, a custom authorization server.

Tokens of the org authorization server (no /oauth2/…) cannot be verified by other servers.
"""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="okta",
    title="Okta",
    issuer="https://{domain}/oauth2/{server}",
    parameters=(
        Parameter("domain", "the Okta domain, or your custom domain", "acme.okta.com"),
        Parameter(
            "server",
            "id of the custom authorization server",
            "default",
            r"[A-Za-z0-9_-]+",
            default="default",
        ),
    ),
    jwks_uri="https://{domain}/oauth2/{server}/v1/keys",
    consumer_key_claim="cid",
    scopes_claims=("scp",),
    mistakes=(
        (
            "A token whose issuer is https://{domain} alone comes from the org authorization"
            " server: its format may change at any time."
        ),
        "Scopes are in `scp`, a list; there is no `scope`.",
        "`uid` is absent in client credentials tokens; `cid` is the client.",
        "The header has no `typ`.",
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{domain}/oauth2/{server}/v1/authorize",
            "token_endpoint": "https://{domain}/oauth2/{server}/v1/token",
            "userinfo_endpoint": "https://{domain}/oauth2/{server}/v1/userinfo",
            "introspection_endpoint": "https://{domain}/oauth2/{server}/v1/introspect",
            "revocation_endpoint": "https://{domain}/oauth2/{server}/v1/revoke",
            "end_session_endpoint": "https://{domain}/oauth2/{server}/v1/logout",
            "registration_endpoint": "https://{domain}/oauth2/v1/clients",
            "device_authorization_endpoint": "https://{domain}/oauth2/{server}/v1/device/authorize",
            "pushed_authorization_request_endpoint": "https://{domain}/oauth2/{server}/v1/par",
            "backchannel_authentication_endpoint": (
                "https://{domain}/oauth2/{server}/v1/bc/authorize"
            ),
        },
        access_token=TokenShape(
            TIMES
            | {
                "ver": 1,
                "jti": "AT.{jti}",
                "iss": "$iss",
                "aud": "$audience",
                "cid": "$client",
                "scp": "$scopes",
            },
            application={"sub": "$client"},
            person={"sub": "$email", "uid": "$sub", "auth_time": "$auth_time"},
            typ="",
        ),
        subject="00u{sub}",
        audience="api://{server}",
        errors={
            "invalid_client": ErrorShape(
                {
                    "error": "invalid_client",
                    "error_description": "The client secret supplied for a confidential client is"
                    " invalid.",
                },
                401,
            ),
            "*": ErrorShape({"error": "$error", "error_description": "$description"}),
        },
        keys=PublishedKeys(
            ahead=1,
            max_age=5184000,
            habit="about four times a year; the next key is published weeks before it signs",
        ),
        verifier="@okta/jwt-verifier (npm), okta-jwt-verifier (PyPI, Maven)",
        unchecked=("the texts of errors", "`max-age` of the JWKS"),
    ),
)
