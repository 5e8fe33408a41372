"""Dex. Its access tokens are ID tokens, with `at_hash` and `nonce`: both kinds are accepted."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="dex",
    title="Dex",
    issuer="{url}",
    parameters=(
        Parameter(
            "url",
            "the issuer of its configuration",
            "https://dex.acme.example",
            r"https?://[^\s?#{}]+[^\s?#{}/]",
        ),
    ),
    jwks_uri="{url}/keys",
    # Its tokens have no client; `aud` is the client's id.
    consumer_key_claim="aud",
    types=("", "JWT"),
    id_tokens=True,
    mistakes=(
        (
            "Access tokens and ID tokens are the same here; only the audience, the id of your"
            " client, tells what a token is for."
        ),
        "A path in the issuer (/dex) is part of it.",
        "There are no scopes; the groups of a person can take their place: --scopes-claim groups.",
    ),
)
