"""Amazon Cognito user pools. Access tokens have no `aud`; ID tokens have the same keys."""

from kapi.identity.issuers.emulation import (
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="cognito",
    title="Amazon Cognito",
    issuer="https://cognito-idp.{region}.amazonaws.com/{pool}",
    parameters=(
        Parameter("region", "the region", "eu-central-1", r"[a-z0-9-]+"),
        Parameter(
            "pool",
            "id of the user pool",
            "eu-central-1_AbCdEfGhI",
            r"[a-z0-9-]+_[A-Za-z0-9]+",
        ),
    ),
    jwks_uri="https://cognito-idp.{region}.amazonaws.com/{pool}/.well-known/jwks.json",
    consumer_key_claim="client_id",
    required_claims={"token_use": "access"},
    # Its access tokens have no `aud`.
    audience_needed=False,
    mistakes=(
        (
            "Access tokens have no `aud` unless the client uses resource binding: do not ask for"
            " an audience."
        ),
        "Send the access token, not the ID token: `token_use` must be access.",
        "Scopes have the resource server's identifier in front: https://api.acme.example/read.",
        "The token endpoint is on another host (your domain prefix) than the issuer.",
    ),
    emulation=Emulation(
        endpoints={
            name: f"https://kapi-test.auth.{{region}}.amazoncognito.com/{path}"
            for name, path in {
                "authorization_endpoint": "oauth2/authorize",
                "token_endpoint": "oauth2/token",
                "userinfo_endpoint": "oauth2/userInfo",
                "revocation_endpoint": "oauth2/revoke",
                "end_session_endpoint": "logout",
            }.items()
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "token_use": "access",
                "client_id": "$client",
                "scope": "$scope",
                "version": 2,
                "auth_time": "$iat",
                "jti": "$jti",
            },
            person={
                "username": "$user",
                "event_id": "$session",
                "origin_jti": "$session",
                "cognito:groups": "$groups",
            },
            typ="",
        ),
        id_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "sub": "$sub",
                "aud": "$client",
                "token_use": "id",
                "at_hash": "$at_hash",
                "nonce": "$nonce",
                "auth_time": "$auth_time",
                "cognito:username": "$user",
                "cognito:groups": "$groups",
                "email": "$email",
                "event_id": "$session",
                "origin_jti": "$session",
                "jti": "$jti",
            },
            typ="",
        ),
        errors={
            "*": ErrorShape({"error": "$error"}, 400),
        },
        keys=PublishedKeys(
            ahead=1,
            max_age=86400,
            habit="may happen; cache by `kid`, and fetch on an unknown one",
        ),
        verifier="aws-jwt-verify (npm)",
        unchecked=(
            "that the header has no `typ`",
            "errors have no description, and status 400",
            "`max-age` of the JWKS",
            "the host of the token endpoint is a prefix of your own",
        ),
    ),
)
