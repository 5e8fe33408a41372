"""RSA keys for test issuers without the wait: a new key takes 0.1 s, a fresh issuer may not.

A thread makes whole keys; further keys are made of other pairs of their primes. Such keys are
different and valid, but share primes: they protect nothing, as everything here.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from kapi.jose.signing_keys import SigningKey, generate_key, to_pem
from kapi.store.keys import StoredKey

_EXPONENT = 65537
_AHEAD = 12
"""Pairs of primes that are kept ready."""


class Stock:
    """Pairs of primes, made ahead by a thread. Safe to share between threads."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._primes: list[int] = []
        self._pairs: list[tuple[int, int]] = []
        self._working = False

    def begin(self) -> None:
        """Let the thread work, if there is not enough."""
        with self._change:
            if self._working or len(self._pairs) >= _AHEAD:
                return
            self._working = True
        threading.Thread(target=self._work, name="test-keys", daemon=True).start()

    def key(self) -> rsa.RSAPrivateKey:
        """An RSA key that nothing else has."""
        self.begin()
        with self._change:
            self._change.wait_for(lambda: self._pairs)
            pair = self._pairs.pop(0)
        self.begin()
        return _key_of(*pair)

    def _work(self) -> None:
        while True:
            made = rsa.generate_private_key(_EXPONENT, 2048).private_numbers()
            with self._change:
                before = list(self._primes)
                self._primes += [made.p, made.q]
                self._pairs.append((made.p, made.q))
                self._pairs += itertools.product(before, (made.p, made.q))
                self._working = len(self._pairs) < _AHEAD
                self._change.notify_all()
                if not self._working:
                    return


def _key_of(p: int, q: int) -> rsa.RSAPrivateKey:
    """The key of two primes (RFC 8017 §3.2)."""
    p, q = max(p, q), min(p, q)
    private = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=private,
        dmp1=rsa.rsa_crt_dmp1(private, p),
        dmq1=rsa.rsa_crt_dmq1(private, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(_EXPONENT, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


@cache
def stock() -> Stock:
    """The stock of this process."""
    return Stock()


_NUMBERS: Iterator[int] = itertools.count(1)


def new_kid(algorithm: str) -> str:
    """A name that no other key of this process has."""
    return f"test-{algorithm.lower()}-{next(_NUMBERS)}"


def make_key(algorithm: str, kid: str = "") -> SigningKey:
    """A signing key with its own material."""
    kid = kid or new_kid(algorithm)
    if algorithm[:2] in {"RS", "PS"}:
        return SigningKey(kid, algorithm, stock().key())
    return generate_key(kid, algorithm)


def stored(
    key: SigningKey, state: str, now: int, due_at: int | None = None
) -> StoredKey:
    """The key as the store keeps it."""
    return StoredKey(key.kid, key.algorithm, state, to_pem(key), now, due_at)
