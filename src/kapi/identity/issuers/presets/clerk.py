"""Clerk, session tokens. `azp` is the address of the web page; there is no `aud`."""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="clerk",
    title="Clerk",
    issuer="https://{domain}",
    parameters=(Parameter("domain", "the Frontend API's host", "clerk.acme.example"),),
    jwks_uri="https://{domain}/.well-known/jwks.json",
    consumer_key_claim="client_id",
    # Its session tokens have no `aud`.
    audience_needed=False,
    mistakes=(
        "`azp` is the origin of the web page, so it cannot name a client.",
        (
            "Session tokens have no `aud` and no scopes; add claims in a JWT template when you"
            " need them."
        ),
        "OAuth and machine tokens are opaque unless the instance makes JWTs.",
        "The issuer has no slash at its end: https://<slug>.clerk.accounts.dev in development.",
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{domain}/oauth/authorize",
            "token_endpoint": "https://{domain}/oauth/token",
            "userinfo_endpoint": "https://{domain}/oauth/userinfo",
            "introspection_endpoint": "https://{domain}/oauth/token_info",
            "revocation_endpoint": "https://{domain}/oauth/token/revoke",
        },
        access_token=TokenShape(
            TIMES
            | {
                "azp": "https://app.kapi.test",
                "fva": [0, -1],
                "iss": "$iss",
                "jti": "$jti",
                "nbf": "$nbf",
                "sid": "sess_{session}",
                "sts": "active",
                "sub": "user_{sub}",
                "v": 2,
            },
            person={"o": {"id": "org_{organization_id}", "slg": "$organization"}},
        ),
        errors={
            "*": ErrorShape({"error": "$error", "error_description": "$description"})
        },
        keys=PublishedKeys(
            copies=("https://api.clerk.com/v1/jwks",), habit="one key for each instance"
        ),
        lifetime=60,
        verifier="@clerk/backend (npm), clerk-backend-api (PyPI), clerk-sdk-go (Go)",
        unchecked=(
            (
                "tokens have the shape of session tokens; that of OAuth and machine tokens was not"
                " checked"
            ),
            "the paths of OAuth endpoints, and the texts of errors",
        ),
    ),
)
