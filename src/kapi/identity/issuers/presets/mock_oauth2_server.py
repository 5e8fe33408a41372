"""navikt's mock-oauth2-server. Its access tokens have a `nonce`, as its ID tokens have."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="mock-oauth2-server",
    title="mock-oauth2-server (navikt)",
    issuer="{url}",
    parameters=(
        Parameter(
            "url",
            "base address and issuer id",
            "http://localhost:8080/default",
            r"https?://[^\s?#{}]+[^\s?#{}/]",
        ),
    ),
    jwks_uri="{url}/jwks",
    consumer_key_claim="",
    scopes_claims=("scope", "scp"),
    types=("", "JWT"),
    id_tokens=True,
    mistakes=(
        "The issuer has the issuer id at its end: http://localhost:8080/default.",
        (
            "The issuer follows the host of the request: a token got from another address has"
            " another issuer."
        ),
        "Access tokens cannot be told from ID tokens; the audience is what decides.",
    ),
)
