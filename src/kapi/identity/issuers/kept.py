"""Other issuers in the store: declarations, and the last valid keys that control fetched.

An identity worker reads them here when a client presents such a token, and again after each change
by any process: what the issuers API has answered holds for the next token. It fetches nothing.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Iterator, Mapping

from kapi.errors import KapiError
from kapi.identity.issuers.declaration import Issuer, declare
from kapi.identity.issuers.verify import IssuerKeys
from kapi.jose.jwk_set import KeySet, one_key, read_jwks
from kapi.settings import IssuerSettings, Settings
from kapi.settings.values import built
from kapi.store.issuers import IssuerStore, StoredKeys

_LOG = logging.getLogger("kapi.issuers")


def declaration_text(settings: IssuerSettings) -> str:
    """The stored text of a declaration. Equal declarations have equal texts."""
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)


def declared(text: str) -> IssuerSettings:
    """A stored declaration. Raises KapiError, TypeError, ValueError if it is not readable."""
    settings: IssuerSettings = built(IssuerSettings, json.loads(text))
    return settings


def stored_declarations(
    store: IssuerStore,
    taken: frozenset[str],
    hosts: Mapping[str, str],
) -> Iterator[Issuer]:
    """The issuers that were declared while running. `hosts` is `gateway.hosts`.

    Those of the settings, whose names are `taken`, win.
    """
    for stored in store.issuers():
        if stored.name in taken:
            _LOG.warning(
                "issuer %s: the settings' declaration is used, not the one that was added",
                stored.name,
            )
            continue
        try:
            yield declare(declared(stored.declaration), hosts)
        except (KapiError, TypeError, ValueError) as error:
            _LOG.error("issuer %s is left out: %s", stored.name, error)


def kept_keys(issuer: Issuer, kept: StoredKeys | None) -> KeySet | None:
    """The stored keys of an issuer; None if none was fetched for this declaration."""
    if not issuer.fetches:
        return one_key(issuer.key_pem, issuer.algorithms)
    if kept is None or kept.source != issuer.source:
        return None
    try:
        return read_jwks(kept.jwks, issuer.algorithms)
    except ValueError:
        return None


class KeptIssuers:
    """All of them with their keys, as they are in the store. Safe to share between threads."""

    def __init__(self, settings: Settings, store: IssuerStore) -> None:
        self._settings = settings
        self._store = store
        self._lock = threading.Lock()
        self._found: tuple[IssuerKeys, ...] = ()
        self._version: int | None = None
        self._asked = 0

    def all(self) -> tuple[IssuerKeys, ...]:
        """Every issuer that has keys, except the inbuilt provider. Raises Invalid."""
        with self._lock:
            # Read before the rows: a change in between is read again by the next call.
            version = self._store.version()
            if version != self._version:
                self._found = tuple(self._read())
                self._version = version
            return self._found

    def look_again(self, now: int) -> None:
        """Request new keys from control: none fits a token. `now`: seconds since the epoch."""
        # Each request is a write: many random key ids must not become many writes.
        if now != self._asked:
            self._asked = now
            self._store.want_keys()

    def _read(self) -> Iterator[IssuerKeys]:
        identity, hosts = self._settings.identity, self._settings.gateway.hosts
        fixed = tuple(declare(item, hosts) for item in identity.issuers)
        names = frozenset(item.name for item in fixed)
        for issuer in (*fixed, *stored_declarations(self._store, names, hosts)):
            keys = kept_keys(issuer, self._store.keys(issuer.name))
            if (
                keys is not None
                and keys.keys
                and issuer.issuer not in self._settings.own_issuers
            ):
                yield IssuerKeys(issuer, keys)
