"""Microsoft Entra ID, v2.0 tokens: `accessTokenAcceptedVersion` of the API is 2."""

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
)
