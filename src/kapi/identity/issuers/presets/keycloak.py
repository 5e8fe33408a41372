"""Keycloak: one issuer per realm. Its JWKS also contains an encryption key, which is ignored."""

from kapi.identity.issuers.preset import ASYMMETRIC, Parameter, Preset

preset = Preset(
    name="keycloak",
    title="Keycloak",
    issuer="{url}/realms/{realm}",
    parameters=(
        Parameter(
            "url",
            "base address, with /auth for versions before 17",
            "https://sso.acme.example",
            r"https?://[^\s?#{}]+[^\s?#{}/]",
        ),
        Parameter("realm", "the realm", "acme", r"[A-Za-z0-9._-]+"),
    ),
    jwks_uri="{url}/realms/{realm}/protocol/openid-connect/certs",
    scopes_claims=("scope",),
    algorithms=ASYMMETRIC,
    required_claims={"typ": "Bearer"},
    mistakes=(
        (
            "Without a fixed hostname the issuer follows the request's host: a token got from"
            " localhost has another issuer."
        ),
        "`aud` is absent, or `account`, until an audience mapper adds your API.",
        (
            "Roles are nested in realm_access.roles; add a mapper that puts them into `scope` or"
            " a claim of their own."
        ),
        "ID and refresh tokens have the same keys; their claim `typ` is not Bearer.",
    ),
)
