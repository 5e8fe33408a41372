"""Reports revoked credentials to Envoy, so that open streams end (WebSockets, server-sent events).

The deny list refuses new calls; this ends those that it let in before. It is told on the socket of
the counters, where `wasm/admission/src/ledger.rs` answers. Called after each push of the deny list.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

Revoked = tuple[str, str]
"""Issuer and `jti`; an empty issuer means any."""
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
    """What Envoy has been told. Used by one thread."""

    def __init__(self, envoy: Filter) -> None:
        self._envoy = envoy
        self._reported: frozenset[Revoked] = frozenset()

    def tell(self, revoked: Iterable[Revoked]) -> None:
        """Tell what is new.

        Raises OSError if Envoy does not answer; the next call tells it again.
        """
        wanted = frozenset(revoked)
        if self._envoy.needed():
            fresh = sorted(filter(_is_printable, wanted - self._reported))
            for number, batch in enumerate(_batches(fresh), 1):
                self._envoy.send("/revoked", batch)
                if number % BATCHES_AT_ONCE == 0:
                    time.sleep(PAUSE_SECONDS)
        self._reported = wanted


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
