"""WSO2 Identity Server and API Manager: the same product as Asgardeo, on your own host."""

from kapi.identity.issuers.preset import Parameter, Preset

preset = Preset(
    name="wso2is",
    title="WSO2 Identity Server",
    issuer="https://{domain}{tenant}/oauth2/token",
    parameters=(
        Parameter(
            "domain",
            "host and port",
            "is.acme.example:9443",
            r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?",
        ),
        Parameter(
            "tenant",
            "path of a tenant other than carbon.super",
            "/t/acme",
            r"(?:/t/[A-Za-z0-9._-]+)?",
            default="",
        ),
    ),
    jwks_uri="https://{domain}{tenant}/oauth2/jwks",
    consumer_key_claim="client_id",
    claim_mappings={"org_id": "organization"},
    mistakes=(
        "Older versions issue opaque tokens (a UUID) until the application is set to JWT.",
        "The issuer has the port (:9443) unless the server's hostname setting says otherwise.",
        (
            "A change of the keystore alias replaces the key at once: tokens of the old one are"
            " refused from then on."
        ),
    ),
)
