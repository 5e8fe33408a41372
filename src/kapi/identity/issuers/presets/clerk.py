"""Clerk, session tokens. `azp` is the address of the web page; there is no `aud`."""

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
)
