"""Makes the inbuilt provider over a store. Called by `app/identity.py`, and by tests.

It is not in `provider.py`: the policy for clients is made from the grants, which use the provider.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kapi.fetch import fetch
from kapi.identity.accounts.attempts import Attempts
from kapi.identity.accounts.users import Users
from kapi.identity.client_policy import document_policy
from kapi.identity.clients.clients import Clients
from kapi.identity.clients.console_client import own_clients
from kapi.identity.clients.notices import Notices
from kapi.identity.clients.remote_documents import (
    Fetch,
    RemoteDocuments,
    fetches_private,
)
from kapi.identity.keys.keyring import Keyring
from kapi.identity.keys.shared_keys import SharedKeys
from kapi.identity.provider import Provider
from kapi.settings import Settings
from kapi.store import Store
from kapi.store.accounts import Accounts
from kapi.store.families import Families
from kapi.store.issuers import IssuerStore
from kapi.store.login_attempts import LoginAttempts
from kapi.store.logout_notices import LogoutNotices
from kapi.store.platform_keys import PlatformKeys
from kapi.store.records import Records
from kapi.store.registered_clients import RegisteredClients
from kapi.store.revocations import Revocations
from kapi.store.users import UserStore


def make_provider(
    settings: Settings,
    store: Store,
    keyring: Keyring,
    random_bytes: Callable[[int], bytes],
    new_id: Callable[[], str],
    get: Fetch = fetch,
    public_url: str = "",
) -> Provider:
    """The provider of these settings over this store; `get` fetches what clients publish."""
    identity, hosts = settings.identity, settings.gateway.hosts
    database = store.database
    records = Records(database)
    login_attempts = LoginAttempts(database)
    private = fetches_private(settings)
    platform_keys = PlatformKeys(database)
    own = own_clients(settings, platform_keys, random_bytes)
    notices = Notices(LogoutNotices(database), allow_private=private, hosts=hosts)
    return Provider(
        settings=settings,
        keyring=keyring,
        clients=Clients((*identity.clients, *own), random_bytes(16)),
        users=Users(identity.users, UserStore(database)),
        records=records,
        families=Families(database),
        revocations=Revocations(database),
        accounts=Accounts(database),
        login_attempts=login_attempts,
        attempts=Attempts(identity.login_attempts, login_attempts, records),
        random_bytes=random_bytes,
        new_id=new_id,
        documents=RemoteDocuments(get, allow_private=private),
        document_policy=partial(document_policy, scopes=identity.registration.scopes),
        shared_keys=SharedKeys(platform_keys, random_bytes),
        registered=RegisteredClients(database),
        issuer_store=IssuerStore(database),
        notices=notices,
        public_url=public_url,
    )
