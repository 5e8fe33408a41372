"""Asgardeo. The issuer contains the path of the token endpoint.

APK's documents have `https://<domain>/` instead, which no token contains.
"""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="asgardeo",
    title="Asgardeo",
    issuer="https://{domain}/t/{organization}/oauth2/token",
    parameters=(
        Parameter("organization", "the organization's name, as in the console's address", "acme"),
        Parameter(
            "domain", "only for another region", "api.asgardeo.io", default="api.asgardeo.io"
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
)
