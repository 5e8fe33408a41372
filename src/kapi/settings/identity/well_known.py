"""The published client and users of the guide, for tests, and where they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kapi.settings.identity.clients import ClientSettings
from kapi.settings.identity.users import UserSettings

WELL_KNOWN_CLIENT_ID = "45f1c5c8-a92e-11ed-afa1-0242ac120002"
# Published in the guide, for tests only.
WELL_KNOWN_CLIENT_SECRET = "4fbd62ec-a92e-11ed-afa1-0242ac120002"  # noqa: S105


def published_clients() -> tuple[ClientSettings, ...]:
    """The client of the guide."""
    return (
        ClientSettings(
            id=WELL_KNOWN_CLIENT_ID,
            secret=WELL_KNOWN_CLIENT_SECRET,
            name="seeded non-production client",
            grants=("client_credentials", "refresh_token", "authorization_code"),
            redirect_uris=("http://httpbin.org",),
        ),
    )


def published_users() -> tuple[UserSettings, ...]:
    """The users of the guide."""
    return (
        UserSettings("org1user", "org1user", ("org1",)),
        UserSettings("org2user", "org2user", ("org2",)),
        UserSettings("multiorguser", "multiorguser", ("org1", "org2")),
        UserSettings("superAdmin", "superAdmin", super_admin=True),
    )


def with_well_known(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields of the section `identity`, with the published clients and users.

    They come after those that are declared, unless they are switched off or declared anew. A person
    and a client cannot have the same name.
    """
    users: list[UserSettings] = [*given.get("users", ())]
    clients: list[ClientSettings] = [*given.get("clients", ())]
    taken = {client.id for client in clients}
    taken |= {user.username for user in users}
    if given.get("well_known_client", True):
        for client in published_clients():
            if client.id not in taken:
                taken.add(client.id)
                clients.append(client)
    if given.get("well_known_users", True):
        for user in published_users():
            if user.username not in taken:
                users.append(user)
    return {**given, "clients": tuple(clients), "users": tuple(users)}
