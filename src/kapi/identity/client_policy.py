"""The policy for clients that are registered at run time, from the facts of grants and methods.

Called by the registration endpoints, the system API of clients, and for client metadata documents.
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.identity.client_authentication import METHODS
from kapi.identity.client_facts import client_facts
from kapi.identity.clients.metadata import Policy
from kapi.identity.clients.response_types import response_types
from kapi.identity.grants import GRANTS, offered
from kapi.settings import IdentitySettings

ANYTHING = ("*",)


def client_policy(
    identity: IdentitySettings, algorithms: Sequence[str], scopes: tuple[str, ...]
) -> Policy:
    """The policy for clients that are registered."""
    grants = [grant.facts for grant in offered(identity)]
    return Policy(
        grants=tuple(facts.grant_type for facts in grants if facts.registrable),
        scopes=scopes,
        methods=tuple(method.name for method in METHODS if method.registrable),
        algorithms=tuple(algorithms),
        facts=client_facts(),
        response_types=response_types(identity),
    )


def document_policy(algorithms: Sequence[str], scopes: tuple[str, ...]) -> Policy:
    """The policy for clients that publish their own metadata: no secret is shared with them."""
    grants = [grant.facts for grant in GRANTS]
    return Policy(
        grants=tuple(facts.grant_type for facts in grants if facts.document_clients),
        scopes=scopes,
        methods=tuple(method.name for method in METHODS if method.document_clients),
        algorithms=tuple(algorithms),
        facts=client_facts(),
    )
