"""Tells Envoy which open streams must end: those of revoked credentials and of changed operations.

The deny list refuses new calls; this ends those that it let in before. It is told on the socket of
the counters, where `wasm/admission/src/ledger.rs` answers. Called after each push of the deny list.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

Revoked = tuple[str, str]
"""Issuer and `jti`; an empty issuer means any."""
RULES = "kapi:rules"
"""In place of an issuer: the other part names rules of routes (`policies/streams/rules.py`)."""
BATCH_BYTES = 64 * 1024
BATCHES_AT_ONCE = 32
"""Envoy's threads read the log once a second, and it has room for 64 batches."""
PAUSE_SECONDS = 2.5


class Filter(Protocol):
    """The admission filter: `needed` says whether Envoy has it, `send` posts to its socket."""

    @property
    def needed(self) -> Callable[[], bool]: ...

    def send(self, path: str, body: str = "") -> str: ...


class RevokedStreams:
    """What Envoy has been told. `tell` is for one thread, `end` for any."""

    def __init__(self, envoy: Filter, own_issuers: Sequence[str] = ()) -> None:
        """`own_issuers` are names of one issuer: what is revoked of one is of each."""
        self._envoy = envoy
        self._own_issuers = own_issuers
        self._reported: frozenset[Revoked] = frozenset()
        self._ended: deque[str] = deque()

    def end(self, rules: Iterable[str]) -> None:
        """Rules that no route has any more; the next `tell` tells it."""
        self._ended.extend(rules)

    def tell(self, revoked: Iterable[Revoked]) -> None:
        """Tell what is new.

        Raises OSError if Envoy does not answer; the next call tells it again.
        """
        wanted = frozenset(revoked)
        ended = tuple(self._ended)
        if self._envoy.needed():
            new = self._under_each_name(wanted - self._reported)
            fresh = sorted(filter(_is_printable, new))
            fresh += [(RULES, name) for name in ended]
            for number, batch in enumerate(_batches(fresh), 1):
                self._envoy.send("/revoked", batch)
                if number % BATCHES_AT_ONCE == 0:
                    time.sleep(PAUSE_SECONDS)
        self._reported = wanted
        for _ in ended:
            self._ended.popleft()

    def _under_each_name(self, revoked: Iterable[Revoked]) -> Iterator[Revoked]:
        for issuer, identifier in revoked:
            names = self._own_issuers if issuer in self._own_issuers else (issuer,)
            for name in names:
                yield name, identifier


def _is_printable(item: Revoked) -> bool:
    """Whether a line can hold it. The deny list refuses new calls with the others too."""
    return all(text.isprintable() for text in item)


def _batches(items: Iterable[Revoked]) -> Iterator[str]:
    batch, size = [], 0
    for issuer, jti in items:
        line = f"{issuer}\t{jti}\n"
        batch.append(line)
        size += len(line.encode())
        if size > BATCH_BYTES:
            yield "".join(batch)
            batch, size = [], 0
    if batch:
        yield "".join(batch)
