"""What clients may be that are registered at run time. Called by the registration endpoints and the system API of clients."""

from __future__ import annotations

from collections.abc import Sequence

from kapi.identity.authorization.response_types import response_types
from kapi.identity.client_authentication import METHODS
from kapi.identity.clients.metadata_documents import METHODS as DOCUMENT_METHODS
from kapi.identity.clients.registration import Policy
from kapi.identity.grants import GRANTS
from kapi.settings import IdentitySettings

ANYTHING = ("*",)
_FOR_PEOPLE = frozenset(
    {"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
)
_NEVER = frozenset({"password"})


def client_policy(
    identity: IdentitySettings, algorithms: Sequence[str], scopes: tuple[str, ...]
) -> Policy:
    """Any grant but the one for old test suites; any method but `client_secret_jwt`: a digest of a secret cannot check an HMAC."""
    methods = tuple(name for name in METHODS if name != "client_secret_jwt")
    grants = tuple(grant.grant_type for grant in GRANTS if grant.grant_type not in _NEVER)
    types = response_types(identity)
    if len(types) > 1:
        grants = (*grants, "implicit")
    return Policy(grants, scopes, methods, tuple(algorithms), types)


def document_policy(algorithms: Sequence[str], scopes: tuple[str, ...]) -> Policy:
    """For clients that publish their own metadata: people sign in to them, and there is no secret."""
    grants = tuple(grant.grant_type for grant in GRANTS if grant.grant_type in _FOR_PEOPLE)
    return Policy(grants, scopes, DOCUMENT_METHODS, tuple(algorithms))
