"""Microsoft Entra ID, v2.0 tokens: `accessTokenAcceptedVersion` of the API is 2."""

from kapi.identity.issuers.emulation import (
    FROM_SCOPE,
    TIMES,
    Emulation,
    ErrorShape,
    PublishedKeys,
    TokenShape,
)
from kapi.identity.issuers.preset import Parameter, Preset

TENANT = Parameter(
    "tenant",
    "the directory (tenant) id",
    "8eaef023-2b34-4da1-9baa-8bc8c9d6a490",
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
)

preset = Preset(
    name="entra",
    title="Microsoft Entra ID (v2.0 tokens)",
    issuer="https://login.microsoftonline.com/{tenant}/v2.0",
    parameters=(TENANT,),
    jwks_uri="https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
    scopes_claims=("scp", "roles"),
    types=("", "JWT"),
    # ID tokens have no `azp` (access-token-claims-reference, id-token-claims-reference).
    required_claims={"tid": "{tenant}", "ver": "2.0", "azp": ""},
    mistakes=(
        (
            "The API gets v1.0 tokens until its manifest says accessTokenAcceptedVersion: 2, also"
            " from the v2.0 endpoint."
        ),
        "`scp` is there only for users; what an application may do is in `roles`.",
        "`aud` is the API's own client id (a GUID).",
        (
            "ID tokens have the same issuer, keys, audience and `roles`; they have no `azp` and"
            " are refused."
        ),
        "A token for Microsoft Graph cannot be verified by anybody else.",
        "Use the tenant's id: the document of `common` has a placeholder as its issuer.",
    ),
    emulation=Emulation(
        endpoints={
            "authorization_endpoint": (
                "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize"
            ),
            "token_endpoint": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
            "end_session_endpoint": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/logout",
            "device_authorization_endpoint": (
                "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode"
            ),
        },
        access_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "aud": "$audience",
                "nbf": "$nbf",
                "azp": "$client",
                "azpacr": "1",
                "oid": "$sub",
                "sub": "$sub",
                "tid": "$tenant",
                "uti": "$jti",
                "ver": "2.0",
            },
            application={"idtyp": "app", "roles": "$scopes"},
            person={"scp": "$scope", "name": "$user", "preferred_username": "$email"},
        ),
        id_token=TokenShape(
            TIMES
            | {
                "iss": "$iss",
                "aud": "$client",
                "nbf": "$nbf",
                "name": "$user",
                "nonce": "$nonce",
                "oid": "$sub",
                "preferred_username": "$email",
                "sub": "$sub",
                "tid": "$tenant",
                "uti": "$jti",
                "ver": "2.0",
            }
        ),
        audience="{client}",
        audience_from=FROM_SCOPE,
        audience_without="api://",
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
            "the placeholder in the document of `common`, and keys of one application (`?appid=`)",
            "tokens for Microsoft Graph",
            "the texts of errors but for the code AADSTS7000215",
            "groups over the limit of 200 are not shortened to `_claim_names`",
        ),
    ),
)
