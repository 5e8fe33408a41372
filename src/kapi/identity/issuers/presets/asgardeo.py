"""Asgardeo. The issuer contains the path of the token endpoint.

APK's documents have `https://<domain>/` instead, which no token contains.
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
    name="asgardeo",
    title="Asgardeo",
    issuer="https://{domain}/t/{organization}/oauth2/token",
    parameters=(
        Parameter(
            "organization",
            "the organization's name, as in the console's address",
            "acme",
        ),
        Parameter(
            "domain",
            "only for another region",
            "api.asgardeo.io",
            default="api.asgardeo.io",
        ),
    ),
    jwks_uri="https://{domain}/t/{organization}/oauth2/jwks",
    consumer_key_claim="client_id",
    claim_mappings={"org_id": "organization"},
    mistakes=(
        "The issuer ends in /oauth2/token, without a slash, and is not the console's address.",
        "An application issues opaque tokens until its Protocol tab says Access Token: JWT.",
        (
            "`aud` is the application's client id, or the identifier of the API resource; `kapi"
            " issuer test` shows it."
        ),
        (
            "`scope` is a list where the application or organization has `enableJwtScopeAsArray`;"
            " both forms are read."
        ),
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{domain}/t/{organization}/oauth2/authorize",
            "token_endpoint": "https://{domain}/t/{organization}/oauth2/token",
            "userinfo_endpoint": "https://{domain}/t/{organization}/oauth2/userinfo",
            "introspection_endpoint": "https://{domain}/t/{organization}/oauth2/introspect",
            "revocation_endpoint": "https://{domain}/t/{organization}/oauth2/revoke",
            "end_session_endpoint": "https://{domain}/t/{organization}/oidc/logout",
            "pushed_authorization_request_endpoint": "https://{domain}/t/{organization}/oauth2/par",
            "device_authorization_endpoint": (
                "https://{domain}/t/{organization}/oauth2/device_authorize"
            ),
            "backchannel_authentication_endpoint": "https://{domain}/t/{organization}/oauth2/ciba",
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "aud": "$audience",
                "nbf": "$nbf",
                "jti": "$jti",
                "client_id": "$client",
                "azp": "$client",
                "scope": "$scope",
                "org_id": "$organization_id",
                "org_name": "$organization",
                "org_handle": "$organization",
            },
            application={"aut": "APPLICATION"},
            person={"aut": "APPLICATION_USER"},
            typ="at+jwt",
        ),
        audience="{client}",
        errors={
            "invalid_client": ErrorShape(
                {
                    "error_description": "A valid OAuth client could not be found for client_id:"
                    " {client}",
                    "error": "invalid_client",
                }
            ),
            "*": ErrorShape({"error_description": "$description", "error": "$error"}),
        },
        keys=PublishedKeys(
            certificates=True,
            habit="the platform replaces keys; old and new overlap in the JWKS",
        ),
        verifier="@asgardeo/auth-node (npm)",
        unchecked=(
            "`typ` at+jwt, `x5t`, and the addresses of discovery and JWKS",
            "the texts of errors",
            "the values of `org_id` and `org_name`",
        ),
    ),
)
