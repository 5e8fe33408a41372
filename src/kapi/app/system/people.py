"""The sessions and consents APIs, over the inbuilt provider as the control process sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import lru_cache, partial

import uuid_utils

from kapi.app.control_parts import Control
from kapi.front.web.http.access import Access
from kapi.front.web.system.consents import CONSENTS
from kapi.front.web.system.people_records import (
    Callers,
    PeopleRecords,
    PeopleRecordsApi,
)
from kapi.front.web.system.sessions import SESSIONS
from kapi.identity.keys.keyring import load_keyring
from kapi.identity.people.consents import (
    Consent,
    consent_of,
    list_consents,
    revoke_consent,
)
from kapi.identity.people.logout import revoke_session
from kapi.identity.people.sessions import Session, list_sessions, session_with_id
from kapi.identity.provider import Provider
from kapi.identity.wiring import make_provider
from kapi.store.keys import TOPIC as KEYS
from kapi.store.keys import Keys


def people_apis(
    control: Control, access: Access
) -> tuple[PeopleRecordsApi[Session], PeopleRecordsApi[Consent]]:
    """The APIs; the provider is made when one of them is called first."""
    callers = Callers(access, control.settings.apis.organization)
    current = _provider(control)
    return (
        PeopleRecordsApi(
            SESSIONS, callers, lambda: session_records(current()), time.time
        ),
        PeopleRecordsApi(
            CONSENTS, callers, lambda: consent_records(current()), time.time
        ),
    )


def session_records(provider: Provider) -> PeopleRecords[Session]:
    """The sessions at a provider."""
    return PeopleRecords(
        page=partial(list_sessions, provider.sessions),
        find=partial(session_with_id, provider.sessions),
        revoke=partial(revoke_session, provider.logout),
    )


def consent_records(provider: Provider) -> PeopleRecords[Consent]:
    """The consents at a provider."""
    consents = provider.consents
    return PeopleRecords(
        page=partial(list_consents, consents),
        find=partial(consent_of, consents),
        revoke=lambda consent, now: revoke_consent(consents, consent.id, now),
    )


def _provider(control: Control) -> Callable[[], Provider]:
    """What returns the provider with the keys and clients that the store has now."""
    database = control.store.database

    @lru_cache(maxsize=1)
    def of_keys(version: int) -> Provider:  # noqa: ARG001 - the version of its keys
        keyring = load_keyring(Keys(database))
        return make_provider(
            control.settings,
            control.store,
            keyring,
            os.urandom,
            lambda: str(uuid_utils.uuid7()),
        )

    def current() -> Provider:
        # The keys sign logout tokens.
        provider = of_keys(database.version(KEYS))
        provider.use_clients()
        return provider

    return current
