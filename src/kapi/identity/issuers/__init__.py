"""Trust in other issuers: presets (what is known of each provider), declarations, their keys, and how they are kept fresh."""

from kapi.identity.issuers import (
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
from kapi.identity.issuers.preset import Preset

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
"""Every provider whose facts are known. A new one is one file and one name here."""
