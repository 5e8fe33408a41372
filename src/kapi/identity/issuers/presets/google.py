"""Google, ID tokens: its access tokens are opaque."""

from kapi.identity.issuers.emulation import (
    ALWAYS,
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
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
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
            "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
            "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
        },
        id_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "azp": "$client",
                "aud": "$client",
                "sub": "$sub",
                "hd": "$organization",
                "email": "$email",
                "email_verified": True,
                "at_hash": "$at_hash",
                "nonce": "$nonce",
            }
        ),
        opaque=ALWAYS,
        opaque_form="ya29.{random}",
        errors={
            "invalid_client": ErrorShape(
                {"error": "invalid_client", "error_description": "Unauthorized"}, 401
            ),
            "invalid_grant": ErrorShape(
                {"error": "invalid_grant", "error_description": "Bad Request"}, 400
            ),
            "*": ErrorShape({"error": "$error", "error_description": "$description"}),
        },
        keys=PublishedKeys(
            ahead=1,
            certificate_maps=("https://www.googleapis.com/oauth2/v1/certs",),
            max_age=21600,
            habit="often; obey Cache-Control",
        ),
        verifier=(
            "google-auth-library (npm), google-auth (PyPI), idtoken (Go),"
            " google-auth-library-oauth2-http (Maven)"
        ),
        unchecked=("the texts of errors", "tokeninfo is not there"),
    ),
)
