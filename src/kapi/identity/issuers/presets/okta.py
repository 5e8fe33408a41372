"""Okta, a custom authorization server.

Tokens of the org authorization server (no /oauth2/…) cannot be verified by other servers.
"""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="okta",
    title="Okta",
    issuer="https://{domain}/oauth2/{server}",
    parameters=(
        Parameter("domain", "the Okta domain, or your custom domain", "acme.okta.com"),
        Parameter(
            "server",
            "id of the custom authorization server",
            "default",
            r"[A-Za-z0-9_-]+",
            default="default",
        ),
    ),
    jwks_uri="https://{domain}/oauth2/{server}/v1/keys",
    consumer_key_claim="cid",
    scopes_claims=("scp",),
    mistakes=(
        (
            "A token whose issuer is https://{domain} alone comes from the org authorization"
            " server: its format may change at any time."
        ),
        "Scopes are in `scp`, a list; there is no `scope`.",
        "`uid` is absent in client credentials tokens; `cid` is the client.",
        "The header has no `typ`.",
    ),
)
