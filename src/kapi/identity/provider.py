"""The inbuilt provider as one value: what every endpoint and every grant is bound to. Made by `app.py`, and by tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from kapi.identity.clients import Client, Clients
from kapi.identity.keys import SigningKey
from kapi.identity.tokens import Minter
from kapi.identity.users import Users
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.records import Records


@dataclass
class Provider:
    """Live state of one identity worker: what changes is replaced whole, so a request sees one state or the other.

    `random_bytes` gives that many unpredictable bytes, `new_id` a fresh UUID.
    """

    settings: Settings
    keys: tuple[SigningKey, ...]
    """The active key first."""
    clients: Clients
    users: Users
    records: Records
    random_bytes: Callable[[int], bytes]
    new_id: Callable[[], str]

    @cached_property
    def base_url(self) -> str:
        """Where the provider answers, without a slash at the end."""
        port = "" if self.settings.gateway.port == 443 else f":{self.settings.gateway.port}"
        return f"https://{self.settings.identity.host}{port}"

    @cached_property
    def minter(self) -> Minter:
        """Signs access tokens with the active key."""
        return Minter(self.keys[0], self.settings.identity.issuer, self.new_id)

    def lifetime(self, client: Client) -> int:
        """Seconds an access token of this client is valid."""
        return client.settings.token_lifetime or self.settings.identity.token_lifetime

    def audience(self, client: Client) -> tuple[str, ...]:
        """`aud` of this client's access tokens when the request names no resource."""
        default = self.settings.identity.default_audience
        return client.settings.audience or ((default,) if default else ())


def make_provider(
    settings: Settings, store: Store, keys: tuple[SigningKey, ...], random_bytes: Callable[[int], bytes], new_id: Callable[[], str]
) -> Provider:
    """The provider of these settings over this store."""
    return Provider(
        settings=settings,
        keys=keys,
        clients=Clients(settings.identity.clients, random_bytes(16)),
        users=Users(settings.identity.users),
        records=Records(store.database),
        random_bytes=random_bytes,
        new_id=new_id,
    )
