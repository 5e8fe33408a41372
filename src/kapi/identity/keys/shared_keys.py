"""Random keys that all workers share: for seals, DPoP nonces and pairwise subjects."""

from __future__ import annotations

from collections.abc import Callable

from kapi.dataclass import dataclass
from kapi.store.platform_keys import PlatformKeys


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """Keys of 256 bits by name, made at the first use and stored."""

    stored: PlatformKeys
    random_bytes: Callable[[int], bytes]

    def get(self, name: str) -> bytes:
        """The key with this name."""
        return self.stored.get_or_make(name, lambda: self.random_bytes(32))
