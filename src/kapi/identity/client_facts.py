"""The facts of all grants and authentication methods, for the checks of settings and clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from kapi.identity.client_authentication import METHODS
from kapi.identity.client_authentication.method import Method
from kapi.identity.grants import GRANTS
from kapi.identity.grants.facts import GrantFacts
from kapi.settings import ClientSettings
from kapi.settings.identity import client_checks as settings
from kapi.settings.identity.client_checks import ClientFacts


@cache
def client_facts() -> ClientFacts:
    """The facts of all grants and methods, offered or not."""
    return ClientFacts(
        grants=tuple(grant.facts.grant_type for grant in GRANTS),
        confidential_grants=_grants(lambda facts: not facts.public_clients),
        grants_outside_fapi=_grants(lambda facts: not facts.fapi),
        methods=tuple(method.name for method in METHODS),
        methods_with_secret=_methods(lambda method: method.uses_secret),
        methods_with_keys=_methods(lambda method: method.needs_keys),
        fapi_methods=_methods(lambda method: method.fapi),
    )


def _grants(wanted: Callable[[GrantFacts], bool]) -> frozenset[str]:
    return frozenset(grant.facts.grant_type for grant in GRANTS if wanted(grant.facts))


def _methods(wanted: Callable[[Method], bool]) -> frozenset[str]:
    return frozenset(method.name for method in METHODS if wanted(method))


def client_mistakes(client: ClientSettings) -> Iterator[str]:
    """The mistakes of a client, as messages."""
    return settings.client_mistakes(client, client_facts())
