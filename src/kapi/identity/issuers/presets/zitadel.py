"""Zitadel. Access tokens are opaque until the application says JWT."""

from kapi.identity.issuers.preset import ASYMMETRIC, Parameter, Preset

preset = Preset(
    name="zitadel",
    title="Zitadel",
    issuer="https://{domain}",
    parameters=(Parameter("domain", "the instance's domain", "acme-1234.zitadel.cloud"),),
    jwks_uri="https://{domain}/oauth/v2/keys",
    consumer_key_claim="client_id",
    algorithms=ASYMMETRIC,
    claim_mappings={"urn:zitadel:iam:user:resourceowner:id": "organization"},
    mistakes=(
        "Access tokens are opaque until the application's token settings say JWT.",
        (
            "`aud` holds the project's id only when the scope"
            " urn:zitadel:iam:org:project:id:<id>:aud was asked for."
        ),
        "Roles are a map of maps under urn:zitadel:iam:org:project:roles, not scopes.",
    ),
)
