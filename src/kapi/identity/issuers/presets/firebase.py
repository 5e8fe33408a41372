"""Firebase Authentication: an API gets its ID token. The keys are on another host."""

from kapi.identity.issuers.emulation import (
    ALWAYS,
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="firebase",
    title="Firebase Authentication (ID tokens)",
    issuer="https://securetoken.google.com/{project}",
    parameters=(
        Parameter(
            "project", "the project id", "acme-prod", r"[a-z][a-z0-9-]{3,61}[a-z0-9]"
        ),
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
    emulation=Emulation(
        endpoints={"token_endpoint": "https://securetoken.googleapis.com/v1/token"},
        id_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "aud": "$project",
                "auth_time": "$iat",
                "user_id": "$sub",
                "sub": "$sub",
                "email": "$email",
                "email_verified": False,
                "firebase": {
                    "identities": {"email": ["$email"]},
                    "sign_in_provider": "password",
                },
            }
        ),
        opaque=ALWAYS,
        audience="{project}",
        errors={
            "*": ErrorShape({"error": {"code": 400, "message": "$error_upper"}}, 400),
        },
        keys=PublishedKeys(
            ahead=1,
            certificate_maps=(
                (
                    "https://www.googleapis.com/robot/v1/metadata/x509"
                    "/securetoken@system.gserviceaccount.com"
                ),
            ),
            max_age=21600,
            habit="daily; obey Cache-Control",
        ),
        verifier="firebase-admin (npm, PyPI)",
        unchecked=(
            "Firebase signs people in with an API of its own, which is not emulated: mint tokens",
            "the address of its discovery document, and the JWK form of its keys",
            "how often keys are replaced",
        ),
    ),
)
