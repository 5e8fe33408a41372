"""PingOne. All access tokens are JWTs; `typ` is absent until 2027-03-02, then at+jwt."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="pingone",
    title="PingOne",
    issuer="https://auth.pingone.{tld}/{environment}/as",
    parameters=(
        Parameter(
            "environment",
            "the environment id",
            "9ad15e9e-3ac6-43f7-a053-d46b87d6c4a7",
            r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        ),
        Parameter(
            "tld",
            "com, eu, ca, asia, com.au or sg",
            "eu",
            r"com|eu|ca|asia|com\.au|sg",
            default="com",
        ),
    ),
    jwks_uri="https://auth.pingone.{tld}/{environment}/as/jwks",
    consumer_key_claim="client_id",
    types=("", "at+jwt"),
    mistakes=(
        "The issuer ends in /as.",
        "A custom domain changes the issuer: use the preset oidc with it.",
        "Client credentials tokens have no `sub`.",
    ),
)
