"""Any provider with OpenID Connect Discovery, a JWKS URL, a certificate or a public key."""

from kapi.identity.issuers.preset import ASYMMETRIC, Preset

preset = Preset(
    name="oidc",
    title="any OpenID Connect provider",
    issuer="",
    consumer_key_claim="",
    scopes_claims=("scope", "scp"),
    algorithms=ASYMMETRIC,
    mistakes=(
        (
            "The issuer must equal the token's `iss` to the letter: a trailing slash, the scheme"
            " and upper case count."
        ),
    ),
)
