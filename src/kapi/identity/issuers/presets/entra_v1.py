"""Microsoft Entra ID, v1.0 tokens: those of an API whose manifest does not require version 2."""

from kapi.identity.issuers.emulation import (
    FROM_SCOPE,
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Preset
from kapi.identity.issuers.presets.entra import TENANT

preset = Preset(
    name="entra-v1",
    title="Microsoft Entra ID (v1.0 tokens)",
    issuer="https://sts.windows.net/{tenant}/",
    parameters=(TENANT,),
    jwks_uri="https://login.microsoftonline.com/{tenant}/discovery/keys",
    discovery="https://login.microsoftonline.com/{tenant}/.well-known/openid-configuration",
    consumer_key_claim="appid",
    scopes_claims=("scp", "roles"),
    types=("", "JWT"),
    # ID tokens have no `appid`.
    required_claims={"tid": "{tenant}", "ver": "1.0", "appid": ""},
    mistakes=(
        (
            "The issuer is https://sts.windows.net/<tenant>/, with a slash, whatever endpoint the"
            " token came from."
        ),
        "`aud` may be the API's application id URI (api://…) instead of a GUID.",
        "The client is in `appid`; there is no `azp`.",
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": "https://login.microsoftonline.com/{tenant}/oauth2/authorize",
            "token_endpoint": "https://login.microsoftonline.com/{tenant}/oauth2/token",
            "userinfo_endpoint": "https://login.microsoftonline.com/{tenant}/openid/userinfo",
            "end_session_endpoint": "https://login.microsoftonline.com/{tenant}/oauth2/logout",
            "device_authorization_endpoint": (
                "https://login.microsoftonline.com/{tenant}/oauth2/devicecode"
            ),
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "aud": "$audience",
                "nbf": "$nbf",
                "appid": "$client",
                "appidacr": "1",
                "oid": "$sub",
                "sub": "$sub",
                "tid": "$tenant",
                "uti": "$jti",
                "ver": "1.0",
            },
            application={"roles": "$scopes"},
            person={"scp": "$scope", "unique_name": "$email", "upn": "$email"},
            header={"x5t": "$x5t"},
        ),
        audience="api://{client}",
        audience_from=FROM_SCOPE,
        subject="{uuid}",
        errors={
            "invalid_client": ErrorShape(
                {
                    "error": "invalid_client",
                    "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the"
                    " secret being sent in the request is the client secret value, not the client"
                    " secret ID. Trace ID: {jti} Correlation ID: {jti} Timestamp: {timestamp}",
                    "error_codes": [7000215],
                    "timestamp": "$timestamp",
                    "trace_id": "$jti",
                    "correlation_id": "$jti",
                    "error_uri": "https://login.microsoftonline.com/error?code=7000215",
                },
                401,
            ),
            "*": ErrorShape(
                {
                    "error": "$error",
                    "error_description": "AADSTS900144: {description}",
                    "error_codes": [900144],
                    "timestamp": "$timestamp",
                    "trace_id": "$jti",
                    "correlation_id": "$jti",
                }
            ),
        },
        keys=PublishedKeys(
            ahead=2,
            certificates=True,
            kid_is_thumbprint=True,
            max_age=86400,
            habit="no fixed interval, at once in an emergency; several keys are published",
        ),
        verifier="passport-azure-ad (npm)",
        unchecked=(
            "the issuer sts.windows.net with its slash",
            "the texts of errors",
        ),
    ),
)
