"""WSO2 Identity Server and API Manager: the same product as Asgardeo, on your own host."""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="wso2is",
    title="WSO2 Identity Server",
    issuer="https://{domain}{tenant}/oauth2/token",
    parameters=(
        Parameter(
            "domain",
            "host and port",
            "is.acme.example:9443",
            r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?",
        ),
        Parameter(
            "tenant",
            "path of a tenant other than carbon.super",
            "/t/acme",
            r"(?:/t/[A-Za-z0-9._-]+)?",
            default="",
        ),
    ),
    jwks_uri="https://{domain}{tenant}/oauth2/jwks",
    consumer_key_claim="client_id",
    claim_mappings={"org_id": "organization"},
    mistakes=(
        "Older versions issue opaque tokens (a UUID) until the application is set to JWT.",
        "The issuer has the port (:9443) unless the server's hostname setting says otherwise.",
        (
            "A change of the keystore alias replaces the key at once: tokens of the old one are"
            " refused from then on."
        ),
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{domain}{tenant}/oauth2/authorize",
            "token_endpoint": "https://{domain}{tenant}/oauth2/token",
            "userinfo_endpoint": "https://{domain}{tenant}/oauth2/userinfo",
            "introspection_endpoint": "https://{domain}{tenant}/oauth2/introspect",
            "revocation_endpoint": "https://{domain}{tenant}/oauth2/revoke",
            "end_session_endpoint": "https://{domain}{tenant}/oidc/logout",
            "pushed_authorization_request_endpoint": "https://{domain}{tenant}/oauth2/par",
            "device_authorization_endpoint": "https://{domain}{tenant}/oauth2/device_authorize",
            "backchannel_authentication_endpoint": "https://{domain}{tenant}/oauth2/ciba",
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
            overlap=False,
            certificates=True,
            habit="a change of the keystore alias replaces the key at once",
        ),
        verifier="@asgardeo/auth-node (npm)",
        unchecked=(
            "`typ` at+jwt, `x5t`, and the address of discovery",
            "the texts of errors",
        ),
    ),
)
