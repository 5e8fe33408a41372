"""Supabase Auth, projects with asymmetric signing keys. The legacy secret is symmetric."""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="supabase",
    title="Supabase Auth",
    issuer="https://{project}.supabase.co/auth/v1",
    parameters=(
        Parameter(
            "project",
            "the project's reference",
            "abcdefghijklmnopqrst",
            r"[a-z0-9]{4,40}",
        ),
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
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://{project}.supabase.co/auth/v1/oauth/authorize",
            "token_endpoint": "https://{project}.supabase.co/auth/v1/oauth/token",
            "userinfo_endpoint": "https://{project}.supabase.co/auth/v1/oauth/userinfo",
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "aud": "authenticated",
                "role": "authenticated",
                "email": "$email",
                "phone": "",
                "app_metadata": {"provider": "email", "providers": ["email"]},
                "user_metadata": {},
                "aal": "aal1",
                "amr": [{"method": "password", "timestamp": "$iat"}],
                "session_id": "$session",
                "is_anonymous": False,
            },
        ),
        subject="{uuid}",
        audience="authenticated",
        errors={
            "*": ErrorShape(
                {"code": 400, "error_code": "$error", "msg": "$description"}, 400
            ),
        },
        keys=PublishedKeys(
            ahead=1,
            max_age=600,
            habit="by hand: standby, current, previous, revoked; standby keys are published",
        ),
        algorithm="ES256",
        verifier="@supabase/supabase-js (npm), supabase-auth (PyPI)",
        unchecked=(
            "the paths of OAuth endpoints, discovery, and the texts of errors",
            "projects with the legacy HS256 secret: mint with --key hs256:SECRET",
        ),
    ),
)
