"""Auth0. The issuer ends in a slash; a token without an `audience` in its request is not a JWT.

The client is in `azp`, or in `client_id` when the API has the RFC 9068 profile.
"""

from kapi.identity.issuers.emulation import (
    FROM_PARAMETER,
    TIMES,
    WITHOUT_AUDIENCE,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="auth0",
    title="Auth0",
    issuer="https://{domain}/",
    parameters=(
        Parameter(
            "domain", "the tenant's domain, or your custom domain", "acme.eu.auth0.com"
        ),
    ),
    jwks_uri="https://{domain}/.well-known/jwks.json",
    discovery="https://{domain}/.well-known/openid-configuration",
    consumer_key_claim="",
    scopes_claims=("scope", "permissions"),
    algorithms=("RS256", "PS256"),
    claim_mappings={"org_id": "organization"},
    mistakes=(
        "The issuer ends in a slash.",
        "A token request without `audience` gives an opaque or encrypted token.",
        (
            "With RBAC, an API's permissions come in `permissions` only when the API adds"
            " permissions in the access token."
        ),
        (
            "A claim of your own has a URI for a name; give all of it: `--scopes-claim"
            " https://acme.example/roles`."
        ),
        "An API that signs with HS256 cannot be verified here: choose RS256 or PS256.",
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{domain}/authorize",
            "token_endpoint": "https://{domain}/oauth/token",
            "userinfo_endpoint": "https://{domain}/userinfo",
            "revocation_endpoint": "https://{domain}/oauth/revoke",
            "end_session_endpoint": "https://{domain}/oidc/logout",
            "registration_endpoint": "https://{domain}/oidc/register",
            "device_authorization_endpoint": "https://{domain}/oauth/device/code",
            "pushed_authorization_request_endpoint": "https://{domain}/oauth/par",
            "backchannel_authentication_endpoint": "https://{domain}/bc-authorize",
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "azp": "$client",
                "scope": "$scope",
                "org_id": "$organization",
            },
            application={
                "sub": "{client}@clients",
                "aud": "$audience",
                "gty": "client-credentials",
            },
            person={"sub": "$sub", "aud": ["$audience", "{iss}userinfo"]},
        ),
        opaque=WITHOUT_AUDIENCE,
        subject="auth0|{sub}",
        audience="https://api.kapi.test",
        audience_from=FROM_PARAMETER,
        errors={
            "invalid_client": ErrorShape(
                {"error": "access_denied", "error_description": "Unauthorized"}, 401
            ),
            "invalid_grant": ErrorShape(
                {"error": "invalid_grant", "error_description": "$description"}, 403
            ),
            "unsupported_grant_type": ErrorShape(
                {
                    "error": "unsupported_grant_type",
                    "error_description": "Unsupported grant type: {grant}",
                },
                403,
            ),
            "*": ErrorShape({"error": "$error", "error_description": "$description"}),
        },
        keys=PublishedKeys(
            ahead=1,
            certificates=True,
            max_age=15,
            habit="by hand or when a key is compromised; the JWKS has the current and the next key,"
            " and the previous one until it is revoked",
        ),
        lifetime=86400,
        verifier=(
            "express-oauth2-jwt-bearer (npm), auth0-api-python (PyPI), go-jwt-middleware (Go),"
            " java-jwt (Maven)"
        ),
        unchecked=(
            "the texts and the status of errors",
            "`max-age` of the JWKS",
            "`permissions` is not there: add it with --claim",
        ),
    ),
)
