"""Microsoft Entra ID, v1.0 tokens: those of an API whose manifest does not require version 2."""

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
)
