"""Auth0. The issuer ends in a slash; a token without an `audience` in its request is not a JWT.

The client is in `azp`, or in `client_id` when the API has the RFC 9068 profile.
"""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="auth0",
    title="Auth0",
    issuer="https://{domain}/",
    parameters=(
        Parameter("domain", "the tenant's domain, or your custom domain", "acme.eu.auth0.com"),
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
)
