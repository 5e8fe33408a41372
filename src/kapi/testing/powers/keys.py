"""Drills of key rotation: each step by itself, and what a client must survive.

staged (unknown to clients) → published (in the JWKS) → active (signs) → retired (in the JWKS, no
longer signs) → gone. RFC 7517 §5, OpenID Connect Core §10.1.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kapi.identity.issuers.emulation import PublishedKeys
from kapi.identity.keys.keyring import load_keyring
from kapi.identity.provider import Provider
from kapi.jose.signing_keys import SigningKey
from kapi.store.keys import ACTIVE, IN_JWKS, PUBLISHED, RETIRED, STAGED, Keys, StoredKey
from kapi.testing.powers.certificates import named
from kapi.testing.powers.clock import Clock
from kapi.testing.powers.private_jwk import private_key
from kapi.testing.powers.stock import make_key, stored

_ANY = (STAGED, PUBLISHED, ACTIVE, RETIRED)


class KeyDrills:
    """The signing keys of one issuer."""

    def __init__(
        self,
        provider: Callable[[], Provider],
        keys: Callable[[], Keys],
        clock: Clock,
        habit: PublishedKeys | None = None,
    ) -> None:
        """`habit` is that of an emulated provider."""
        self._provider = provider
        self._keys = keys
        self._clock = clock
        self._habit = habit or PublishedKeys()

    def all(self) -> list[dict[str, Any]]:
        """All keys: kid, algorithm, state, and when the state changes."""
        return [
            {
                "kid": key.kid,
                "algorithm": key.algorithm,
                "state": key.state,
                "in_jwks": key.state in IN_JWKS,
                "due_at": key.due_at,
            }
            for key in self._keys().all()
        ]

    def stage(self, algorithm: str = "RS256") -> str:
        """Make a key that is not in the JWKS yet. Returns its kid. Raises KeyError."""
        key = named(make_key(algorithm), self._habit)
        self._keys().add(stored(key, STAGED, self._clock.now))
        return key.kid

    def add(self, jwk: Mapping[str, Any]) -> str:
        """Sign with a private key of yours (RFC 7517 §9.3), with its `kid` and `alg`.

        Returns the kid. Raises ValueError for a key that cannot be used.
        """
        key = SigningKey(str(jwk["kid"]), str(jwk["alg"]), private_key(jwk))
        self._keys().add(stored(key, STAGED, self._clock.now))
        self.publish(key.kid)
        self.activate(key.kid)
        return key.kid

    def publish(self, kid: str, activate_after: int | None = None) -> None:
        """Put a staged key into the JWKS; it signs after a delay in seconds, or by `activate`."""
        due = None
        if activate_after is not None:
            due = self._clock.now + activate_after
        self._must(self._keys().move(kid, (STAGED,), PUBLISHED, due), kid, STAGED)

    def activate(self, kid: str) -> None:
        """Sign with a published key. The one before it retires; it stays until its tokens end."""
        longest = self._provider().settings.identity.token_lifetime
        gone = self._clock.now + longest + 60
        self._must(self._keys().activate(kid, gone), kid, PUBLISHED)

    def retire(self, kid: str) -> None:
        """Take a key out of the JWKS at once. Its tokens are refused by who follows the JWKS."""
        before = (STAGED, PUBLISHED, RETIRED)
        self._must(self._keys().remove(kid, before), kid, " or ".join(before))

    def rotate(self, algorithm: str = "RS256") -> str:
        """Publish and activate a new key; the old one stays in the JWKS. Returns the new kid.

        An emulated provider does it in its own way: it signs with the key that was published ahead
        and publishes another, or drops the old key at once.
        """
        if not self._habit.overlap:
            return self.emergency(algorithm)
        kid = self._ahead(algorithm) or self._published(algorithm)
        if self._habit.ahead:
            self._published(algorithm)
        self.activate(kid)
        return kid

    def emergency(self, algorithm: str = "RS256") -> str:
        """As `rotate`, and all earlier keys of the algorithm leave the JWKS at once."""
        old = []
        for key in self._keys().all():
            if key.algorithm == algorithm:
                old.append(key.kid)
        kid = self._published(algorithm)
        self.activate(kid)
        for name in old:
            self._keys().remove(name, _ANY)
        self.load()
        return kid

    def _published(self, algorithm: str) -> str:
        kid = self.stage(algorithm)
        self.publish(kid)
        return kid

    def _ahead(self, algorithm: str) -> str:
        """The key that was published ahead; empty without one."""
        if not self._habit.ahead:
            return ""
        for key in self._keys().all():
            if (key.algorithm, key.state) == (algorithm, PUBLISHED):
                return key.kid
        return ""

    def swap(self, algorithm: str = "RS256") -> str:
        """Replace the active key by another one with the SAME kid. Returns the kid.

        No standard allows it: RFC 7517 §4.5 matches keys by kid. Providers whose kid is a
        configured alias do it, and a client that caches by kid refuses every new token.
        """
        active = self._active(algorithm)
        self._keys().remove(active.kid, (ACTIVE,))
        self._keys().add(
            stored(make_key(algorithm, active.kid), ACTIVE, self._clock.now)
        )
        self.load()
        return active.kid

    def tick(self) -> None:
        """Do what is due by the issuer's clock. Called after each change of the clock."""
        now = self._clock.now
        for key in self._keys().all():
            if key.due_at is None or key.due_at > now:
                continue
            if key.state == PUBLISHED:
                self.activate(key.kid)
            elif key.state == RETIRED:
                self.retire(key.kid)

    def run(
        self, action: str, kid: str = "", algorithm: str = "RS256"
    ) -> dict[str, Any]:
        """One drill by its name, for the HTTP interface. Raises ValueError or LookupError."""
        of_algorithm: dict[str, Callable[[str], str]] = {
            "stage": self.stage,
            "rotate": self.rotate,
            "emergency": self.emergency,
            "swap": self.swap,
        }
        of_key: dict[str, Callable[[str], None]] = {
            "publish": self.publish,
            "activate": self.activate,
            "retire": self.retire,
        }
        if action in of_algorithm:
            kid = of_algorithm[action](algorithm)
        elif action in of_key:
            of_key[action](kid)
        else:
            known = ", ".join((*of_algorithm, *of_key))
            raise ValueError(f"{action!r} is not a drill; known: {known}")
        return {"kid": kid, "keys": self.all()}

    def load(self) -> None:
        """Let the provider use the stored keys."""
        self._provider().use_keys(load_keyring(self._keys()))

    def _active(self, algorithm: str) -> StoredKey:
        for key in self._keys().all():
            if (key.algorithm, key.state) == (algorithm, ACTIVE):
                return key
        raise LookupError(f"there is no active key for {algorithm}")

    def _must(self, done: bool, kid: str, state: str) -> None:  # noqa: FBT001
        if not done:
            raise LookupError(f"there is no key {kid[:200]!r} that is {state}")
        self.load()
