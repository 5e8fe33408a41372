"""The identity providers whose facts are known: one file each."""

from kapi.identity.issuers.preset import Preset
from kapi.identity.issuers.presets import (
    asgardeo,
    auth0,
    clerk,
    cognito,
    dex,
    entra,
    entra_v1,
    firebase,
    google,
    keycloak,
    mock_oauth2_server,
    oidc,
    okta,
    pingone,
    supabase,
    wso2is,
    zitadel,
)

PRESETS: tuple[Preset, ...] = (
    asgardeo.preset,
    wso2is.preset,
    auth0.preset,
    okta.preset,
    entra.preset,
    entra_v1.preset,
    keycloak.preset,
    cognito.preset,
    google.preset,
    pingone.preset,
    firebase.preset,
    clerk.preset,
    supabase.preset,
    zitadel.preset,
    dex.preset,
    mock_oauth2_server.preset,
    oidc.preset,
)
"""All presets, as messages list them. A new preset is one file and one name here."""
