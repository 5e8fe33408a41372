"""Amazon Cognito user pools. Access tokens have no `aud`; ID tokens have the same keys."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="cognito",
    title="Amazon Cognito",
    issuer="https://cognito-idp.{region}.amazonaws.com/{pool}",
    parameters=(
        Parameter("region", "the region", "eu-central-1", r"[a-z0-9-]+"),
        Parameter(
            "pool", "id of the user pool", "eu-central-1_AbCdEfGhI", r"[a-z0-9-]+_[A-Za-z0-9]+"
        ),
    ),
    jwks_uri="https://cognito-idp.{region}.amazonaws.com/{pool}/.well-known/jwks.json",
    consumer_key_claim="client_id",
    required_claims={"token_use": "access"},
    # Its access tokens have no `aud`.
    audience_needed=False,
    mistakes=(
        (
            "Access tokens have no `aud` unless the client uses resource binding: do not ask for"
            " an audience."
        ),
        "Send the access token, not the ID token: `token_use` must be access.",
        "Scopes have the resource server's identifier in front: https://api.acme.example/read.",
        "The token endpoint is on another host (your domain prefix) than the issuer.",
    ),
)
