"""Rotation of signing keys: staged → published → active → retired → removed.

By command and by schedule, in the control process, which publishes to the gateway. A key signs only
after the gateway has confirmed it, each worker has it in the JWKS and, unless rotated at once,
caches of the JWKS have expired. A retired key stays until the last token that it signed has
expired; an emergency removes it at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from kapi import error_codes
from kapi.errors import GatewayError, GatewayUnavailable, Problem, StorageError
from kapi.identity.keys.keyring import (
    Keyring,
    load_keyring,
    new_key,
    published_keys,
    wanted_algorithms,
)
from kapi.jose.algorithms import ALGORITHMS
from kapi.settings import IdentitySettings
from kapi.store.engine.database import StoreClosed
from kapi.store.keys import ACTIVE, PUBLISHED, RETIRED, STAGED, Keys, StoredKey

_LOG = logging.getLogger("kapi.keys")
SETTLE_SECONDS = 1.0
"""Ten times what a worker takes to notice a key (`store/engine/watch.py`)."""
_MARGIN = 60
"""Seconds that a retired key stays longer than its tokens, for clock skew."""
MOST_KEYS = 100
_EVERY_SECONDS = 1.0


def _not_told(event: str, kid: str) -> None:
    """Do nothing: there is no listener."""


class Rotation:
    """Moves keys from state to state, one at a time. Safe to share between threads."""

    def __init__(
        self,
        *,
        keys: Keys,
        identity: IdentitySettings,
        publish: Callable[[Keyring], None],
        now: Callable[[], float],
        wait: Callable[[float], object],
        turn: Callable[[], AbstractContextManager[object]] | None = None,
        unconfirmed: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`publish` returns when the gateway has confirmed the keys, or raises GatewayError.

        One node at a time is in its `turn`. `unconfirmed` waits for the gateways of the other
        nodes, and returns the names of those that have not confirmed the keys.
        """
        self._keys = keys
        self._identity = identity
        self._publish = publish
        self._now = now
        self._wait = wait
        lock = threading.RLock()
        self._turn = turn or (lambda: lock)
        self._unconfirmed = unconfirmed
        self.told: Callable[[str, str], None] = _not_told
        """Called with what was done by schedule, in the words of the audit log, and the key."""

    def all(self) -> tuple[StoredKey, ...]:
        """All keys, oldest first."""
        return self._keys.all()

    def stage(self, algorithm: str, *, activate_after: int | None = None) -> StoredKey:
        """Generate and publish a key; it signs after `activate_after` seconds, or by command.

        Raises Problem 400 or 409, or GatewayError: then it stays staged and is published later.
        """
        if algorithm not in ALGORITHMS:
            raise Problem.of(
                error_codes.UNKNOWN_ALGORITHM,
                f"{algorithm!r} is not a signature algorithm",
                hint=f"Known: {', '.join(ALGORITHMS)}.",
            )
        with self._turn():
            if len(self._keys.all()) >= MOST_KEYS:
                raise Problem.of(
                    error_codes.TOO_MANY_KEYS,
                    f"there are {MOST_KEYS} keys already",
                    hint="Retire some: kapi key list, kapi key retire KID.",
                )
            now = int(self._now())
            key = new_key(algorithm, now, STAGED)
            if activate_after is not None:
                key = replace(key, due_at=now + activate_after)
            self._keys.add(key)
            self._show(key)
            _LOG.info("key %s (%s) is published", key.kid, algorithm)
            return self._get(key.kid)

    def activate(self, kid: str, *, emergency: bool = False) -> StoredKey:
        """Sign with a published key. An emergency does not depend on other nodes.

        Raises Problem 404 or 409, or GatewayError with nothing changed.
        """
        with self._turn():
            if self._get(kid).state != PUBLISHED:
                raise Problem.of(
                    error_codes.KEY_NOT_PUBLISHED,
                    f"{kid} is not published",
                    hint="Only a published key can become active: kapi key list.",
                )
            self._publish(load_keyring(self._keys))
            left = self._unconfirmed()
            if left and not emergency:
                raise GatewayUnavailable(
                    f"These nodes have not confirmed it: {', '.join(left)}."
                )
            self._wait(SETTLE_SECONDS)
            self._keys.activate(
                kid, int(self._now()) + self._longest_lifetime() + _MARGIN
            )
            _LOG.info("key %s is active", kid)
            return self._get(kid)

    def retire(self, kid: str) -> None:
        """Remove a key at once; tokens that it signed are refused. Raises Problem 404 or 409."""
        with self._turn():
            key = self._get(kid)
            if key.state == ACTIVE:
                hint = (
                    f"Rotate it: kapi key rotate --algorithm {key.algorithm};"
                    " add --emergency to refuse its tokens at once."
                )
                raise Problem.of(
                    error_codes.KEY_ACTIVE, f"{kid} is the active key", hint=hint
                )
            self._keys.remove(kid, (STAGED, PUBLISHED, RETIRED))
            _LOG.info("key %s is removed", kid)
            self._publish(load_keyring(self._keys))

    def rotate(
        self, algorithm: str, *, at_once: bool = False, emergency: bool = False
    ) -> StoredKey:
        """A new key in place of the active one: after the overlap, or at once.

        An emergency also removes the old keys. Raises Problem 400 or 409, or GatewayError.
        """
        with self._turn():
            before = [key.kid for key in self._keys.all() if key.algorithm == algorithm]
            if not at_once and not emergency:
                return self.stage(algorithm, activate_after=self._identity.key_overlap)
            key = self.activate(self.stage(algorithm).kid, emergency=emergency)
            if emergency:
                for kid in before:
                    self._keys.remove(kid, (STAGED, PUBLISHED, RETIRED))
                self._publish(load_keyring(self._keys))
                _LOG.warning("tokens of the keys %s are refused", ", ".join(before))
            return key

    def tick(self) -> None:
        """Do what is due: publish, activate and remove keys, generate missing ones."""
        if not self._missing() and not any(map(self._is_due, self._keys.all())):
            return
        with self._turn():
            try:
                self._make_missing()
                for key in self._keys.all():
                    self._advance(key)
            except GatewayError as error:
                _LOG.warning("keys wait until the gateway confirms: %s", error.detail)

    def _is_due(self, key: StoredKey) -> bool:
        return key.state == STAGED or (
            key.due_at is not None and key.due_at <= self._now()
        )

    def _advance(self, key: StoredKey) -> None:
        if not self._is_due(key):
            return
        if key.state == STAGED:
            self._show(key)
            self.told("key.publish", key.kid)
        elif key.state == PUBLISHED:
            self.activate(key.kid)
            self.told("key.activate", key.kid)
        elif key.state == RETIRED:
            self.retire(key.kid)
            self.told("key.retire", key.kid)

    def _make_missing(self) -> None:
        for algorithm, activate_after in self._missing().items():
            key = self.stage(algorithm, activate_after=activate_after)
            self.told("key.add", key.kid)

    def _missing(self) -> Mapping[str, int]:
        """The algorithms that need a new key, and the seconds until it signs."""
        keys, lifetime = self._keys.all(), self._identity.key_lifetime
        missing: dict[str, int] = {}
        for algorithm in wanted_algorithms(self._identity):
            by_state = {}
            for key in keys:
                if key.algorithm == algorithm:
                    by_state[key.state] = key
            if STAGED in by_state or PUBLISHED in by_state:
                continue
            active = by_state.get(ACTIVE)
            if active is None:
                missing[algorithm] = 0
            elif lifetime and active.created_at + lifetime <= self._now():
                missing[algorithm] = self._identity.key_overlap
        return missing

    def _show(self, key: StoredKey) -> None:
        """The gateway first, then the JWKS."""
        self._publish(
            Keyring((*published_keys(self._keys), replace(key, state=PUBLISHED)))
        )
        self._keys.move(key.kid, (STAGED,), PUBLISHED, key.due_at)

    def _get(self, kid: str) -> StoredKey:
        for key in self._keys.all():
            if key.kid == kid:
                return key
        raise Problem.of(
            error_codes.KEY_NOT_FOUND,
            f"there is no key {kid[:200]!r}",
            hint="See them with: kapi key list.",
        )

    def _longest_lifetime(self) -> int:
        identity = self._identity
        lifetimes = [client.token_lifetime for client in identity.clients]
        return max(identity.token_lifetime, identity.id_token_lifetime, *lifetimes)


def rotating(
    identity: IdentitySettings,
    keys: Keys,
    publish: Callable[[Keyring], None],
    connected: Callable[[], bool],
    *,
    turn: Callable[[], AbstractContextManager[object]],
    unconfirmed: Callable[[], Sequence[str]],
) -> Rotation:
    """The rotation of the inbuilt provider's keys, with a thread that does what is due.

    `publish` publishes the keys to the gateway. Nothing is done while the gateway is not connected.
    """
    rotation = Rotation(
        keys=keys,
        identity=identity,
        publish=publish,
        now=time.time,
        wait=time.sleep,
        turn=turn,
        unconfirmed=unconfirmed,
    )

    if identity.enabled:
        threading.Thread(
            target=_do_what_is_due,
            args=(rotation, connected),
            name="key-rotation",
            daemon=True,
        ).start()
    return rotation


def _do_what_is_due(rotation: Rotation, connected: Callable[[], bool]) -> None:
    while True:
        time.sleep(_EVERY_SECONDS)
        try:
            if connected():
                rotation.tick()
        except StoreClosed:
            return
        except StorageError:
            pass  # The watch of the store says so in the log, once.
        except Exception:
            _LOG.exception("what was due could not be done")
