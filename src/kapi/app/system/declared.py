"""The kinds of objects that can be declared, each with the parts that it works with."""

from __future__ import annotations

import os
import time
import uuid

from kapi.app.control_parts import Control
from kapi.front.web.declared.applying import Applying
from kapi.front.web.declared.kinds.apis import Apis
from kapi.front.web.declared.kinds.applications import ApplicationKind
from kapi.front.web.declared.kinds.clients import Clients
from kapi.front.web.declared.kinds.issuers import Issuers
from kapi.front.web.declared.kinds.secrets import Secrets
from kapi.front.web.declared.kinds.settings import SettingsKind
from kapi.front.web.declared.kinds.subscriptions import Subscriptions
from kapi.front.web.declared.kinds.users import Users
from kapi.gateway.secrets import NamedSecrets
from kapi.identity.accounts.users import Users as People
from kapi.identity.client_policy import ANYTHING, client_policy
from kapi.identity.keys.keyring import wanted_algorithms
from kapi.store.gateway.declared import DeclaredObjects
from kapi.store.registered_clients import RegisteredClients
from kapi.store.users import UserStore


def applying(control: Control, secrets: NamedSecrets) -> Applying:
    """Applies declared objects; the kinds are in the order of their dependencies."""
    settings, database = control.settings, control.store.database
    identity, users = settings.identity, UserStore(database)
    policy = client_policy(identity, wanted_algorithms(identity), ANYTHING)
    clients = RegisteredClients(database)
    kinds = (
        SettingsKind("Provider", identity),
        SettingsKind("Resource", identity, "resources", "resource"),
        SettingsKind("AssertionIssuer", identity, "assertion_issuers", "issuer"),
        Secrets(secrets),
        Issuers(control.trust, settings.apis.organization),
        Clients(identity.clients, clients, policy, os.urandom, time.time),
        Users(
            People(identity.users, users),
            users,
            identity.issuer,
            lambda: str(uuid.uuid4()),
            time.time,
            settings.apis.organization,
        ),
        Apis(settings.apis, control.store, control.deployer),
        ApplicationKind(control.applications),
        Subscriptions(control.applications),
    )
    return Applying(kinds, DeclaredObjects(database))
