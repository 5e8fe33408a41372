"""Firebase Authentication: an API gets its ID token. The keys are on another host."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="firebase",
    title="Firebase Authentication (ID tokens)",
    issuer="https://securetoken.google.com/{project}",
    parameters=(
        Parameter("project", "the project id", "acme-prod", r"[a-z][a-z0-9-]{3,61}[a-z0-9]"),
    ),
    jwks_uri=(
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
    ),
    consumer_key_claim="aud",
    scopes_claims=("scope",),
    types=("", "JWT"),
    id_tokens=True,
    audiences=("{project}",),
    mistakes=(
        (
            "The keys are the same for every project: only the audience, your project id, tells"
            " the projects apart."
        ),
        "The emulator's tokens are not signed and are always refused.",
        "There are no scopes; a custom claim can take their place: --scopes-claim.",
    ),
)
