"""The clock of one issuer: freeze, travel, skew. All that the issuer does reads it.

The provider takes the time as a function (`build_identity_app(provider, now)`), so issuing,
introspection, refresh tokens, sessions, codes and key rotation have one time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any


class Clock:
    """Calling it gives the issuer's time in seconds since the epoch."""

    def __init__(
        self,
        real: Callable[[], float] = time.time,
        changed: Callable[[], object] = lambda: None,
    ) -> None:
        """`changed` is called after each change."""
        self._real = real
        self._changed = changed
        self._offset = 0.0
        self._frozen: float | None = None

    def __call__(self) -> float:
        """The issuer's time."""
        base = self._real() if self._frozen is None else self._frozen
        return base + self._offset

    @property
    def now(self) -> int:
        """The issuer's time in whole seconds, as in claims (RFC 7519 §2)."""
        return int(self())

    def freeze(self, at: float | None = None) -> None:
        """Stop the clock: at this time, or at its current one."""
        self._frozen = self() if at is None else float(at)
        self._offset = 0.0
        self._changed()

    def resume(self) -> None:
        """Let a frozen clock run on from its time."""
        self._offset = self() - self._real()
        self._frozen = None
        self._changed()

    def travel(
        self, seconds: float = 0, *, minutes: float = 0, hours: float = 0
    ) -> None:
        """Move forward; a negative number moves back."""
        self._offset += seconds + 60 * minutes + 3600 * hours
        self._changed()

    def travel_to(self, at: float) -> None:
        """Move to this time. A frozen clock stays frozen."""
        self._offset += at - self()
        self._changed()

    def skew(self, seconds: float) -> None:
        """Run this many seconds before (or, negative, behind) the clock of the machine."""
        self._frozen = None
        self._offset = float(seconds)
        self._changed()

    def reset(self) -> None:
        """The time of the machine again."""
        self._frozen, self._offset = None, 0.0
        self._changed()

    def state(self) -> dict[str, Any]:
        """For the HTTP interface: the time, whether it is frozen, and the difference."""
        return {
            "now": self.now,
            "frozen": self._frozen is not None,
            "offset": round(self() - self._real(), 3),
        }

    def change(self, wish: Mapping[str, Any]) -> None:
        """Apply what the HTTP interface gets. Raises ValueError for unknown members."""
        actions: Mapping[str, Callable[[Any], None]] = {
            "freeze": lambda at: self.freeze(None if at is True else float(at)),
            "resume": lambda _: self.resume(),
            "travel": lambda seconds: self.travel(float(seconds)),
            "travel_to": lambda at: self.travel_to(float(at)),
            "skew": lambda seconds: self.skew(float(seconds)),
        }
        unknown = sorted(set(wish) - set(actions))
        if unknown:
            known = ", ".join(actions)
            raise ValueError(
                f"{unknown[0]!r} is not an action of the clock; known: {known}"
            )
        for name, action in actions.items():
            if name in wish:
                action(wish[name])
