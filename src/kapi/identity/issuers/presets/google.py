"""Google, ID tokens: its access tokens are opaque."""

from kapi.identity.issuers.preset import Preset

preset = Preset(
    name="google",
    title="Google (ID tokens)",
    issuer="https://accounts.google.com",
    jwks_uri="https://www.googleapis.com/oauth2/v3/certs",
    types=("", "JWT"),
    id_tokens=True,
    mistakes=(
        "Google's access tokens (ya29.…) are opaque; send the ID token.",
        (
            "The audience is your OAuth client id (….apps.googleusercontent.com); without it any"
            " Google user's token for any site is accepted."
        ),
        "ID tokens have no scopes: operations that need a scope refuse them.",
        (
            "Very old libraries get the issuer `accounts.google.com` without https://; such"
            " tokens are refused."
        ),
    ),
)
