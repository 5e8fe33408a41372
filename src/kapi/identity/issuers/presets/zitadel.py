"""Zitadel. Access tokens are opaque until the application says JWT."""

from kapi.identity.issuers.emulation import (
    ALWAYS,
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import ASYMMETRIC, Parameter, Preset

preset = Preset(
    name="zitadel",
    title="Zitadel",
    issuer="https://{domain}",
    parameters=(
        Parameter("domain", "the instance's domain", "acme-1234.zitadel.cloud"),
    ),
    jwks_uri="https://{domain}/oauth/v2/keys",
    consumer_key_claim="client_id",
    algorithms=ASYMMETRIC,
    claim_mappings={"urn:zitadel:iam:user:resourceowner:id": "organization"},
    mistakes=(
        "Access tokens are opaque until the application's token settings say JWT.",
        (
            "`aud` holds the project's id only when the scope"
            " urn:zitadel:iam:org:project:id:<id>:aud was asked for."
        ),
        "Roles are a map of maps under urn:zitadel:iam:org:project:roles, not scopes.",
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{domain}/oauth/v2/authorize",
            "token_endpoint": "https://{domain}/oauth/v2/token",
            "userinfo_endpoint": "https://{domain}/oidc/v1/userinfo",
            "introspection_endpoint": "https://{domain}/oauth/v2/introspect",
            "revocation_endpoint": "https://{domain}/oauth/v2/revoke",
            "end_session_endpoint": "https://{domain}/oidc/v1/end_session",
            "device_authorization_endpoint": "https://{domain}/oauth/v2/device_authorization",
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "aud": ["$client", "$audience"],
                "nbf": "$iat",
                "jti": "$jti",
                "client_id": "$client",
                "scope": "$scope",
                "urn:zitadel:iam:user:resourceowner:id": "$organization",
            },
            typ="JWT",
        ),
        opaque=ALWAYS,
        audience="200000000000000001",
        errors={
            "*": ErrorShape({"error": "$error", "error_description": "$description"})
        },
        keys=PublishedKeys(
            ahead=1,
            habit="by its web key API: the next key is published before it is activated",
        ),
        lifetime=43200,
        verifier="zitadel/oidc (Go)",
        unchecked=(
            (
                "Zitadel's libraries ask its introspection endpoint:"
                " the test calls the parts of zitadel/oidc that check a token"
            ),
            "`typ` and `scope` of access tokens, and the texts of errors",
            "roles are not there: add urn:zitadel:iam:org:project:roles with --claim",
        ),
    ),
)
