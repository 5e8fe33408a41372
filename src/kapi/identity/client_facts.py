"""Collects what the grants and the authentication methods state, for the checks of settings and of registrations."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from kapi.identity.client_authentication import METHODS
from kapi.identity.grants import GRANTS
from kapi.settings import ClientSettings
from kapi.settings.identity import client_checks as settings
from kapi.settings.identity.client_checks import ClientFacts


@cache
def client_facts() -> ClientFacts:
    """The facts of all grants and methods, offered or not."""
    grants = [grant.facts for grant in GRANTS]
    return ClientFacts(
        grants=tuple(facts.grant_type for facts in grants),
        confidential_grants=frozenset(
            facts.grant_type for facts in grants if not facts.public_clients
        ),
        grants_outside_fapi=frozenset(facts.grant_type for facts in grants if not facts.fapi),
        methods=tuple(method.name for method in METHODS),
        methods_with_secret=frozenset(method.name for method in METHODS if method.uses_secret),
        methods_with_keys=frozenset(method.name for method in METHODS if method.needs_keys),
        fapi_methods=frozenset(method.name for method in METHODS if method.fapi),
    )


def client_mistakes(client: ClientSettings) -> Iterator[str]:
    """Each thing that does not fit in a client, in words."""
    return settings.client_mistakes(client, client_facts())
