"""Supabase Auth, projects with asymmetric signing keys. The legacy secret is symmetric."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="supabase",
    title="Supabase Auth",
    issuer="https://{project}.supabase.co/auth/v1",
    parameters=(
        Parameter("project", "the project's reference", "abcdefghijklmnopqrst", r"[a-z0-9]{4,40}"),
    ),
    jwks_uri="https://{project}.supabase.co/auth/v1/.well-known/jwks.json",
    consumer_key_claim="client_id",
    scopes_claims=("scope",),
    algorithms=("ES256", "RS256"),
    types=("", "JWT"),
    audiences=("authenticated",),
    mistakes=(
        (
            "A project that still signs with the legacy HS256 secret has nothing in its JWKS:"
            " migrate to signing keys first."
        ),
        (
            "The anonymous key (`role` anon) is not a user's token; the audience `authenticated`"
            " keeps it out."
        ),
        "There are no scopes; put them into a claim with a custom access token hook.",
    ),
)
