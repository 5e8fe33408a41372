"""What a kind of fault is, and what its effect may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kapi.dataclass import dataclass
from kapi.identity.provider import Provider
from kapi.jose.signing_keys import SigningKey
from kapi.testing.http.calls import Call, Reply
from kapi.testing.powers.stock import make_key


@dataclass(frozen=True)
class Scene:
    """A reply that a fault changes. For kinds with `instead`, the reply is empty."""

    call: Call
    reply: Reply
    value: Any
    """The value of the fault, or that of its kind."""
    provider: Provider
    now: int

    def spare_key(self, kid: str = "", algorithm: str = "RS256") -> SigningKey:
        """A key that no JWKS contains."""
        return make_key(algorithm, kid)


Effect = Callable[[Scene], Reply]


@dataclass(frozen=True)
class Kind:
    """One kind of fault. `clause` is what the provider breaks, or what the client must survive."""

    name: str
    what: str
    clause: str
    effect: Effect
    endpoints: Sequence[str] = ()
    """Where it makes sense; none means everywhere."""
    value: Any = None
    """The value when a fault gives none."""
    numbers: tuple[int, int] | None = None
    """The least and the largest value, if it is a number."""
    instead: bool = False
    """The provider does not get the request."""
    always: bool = False
    """It also changes the answer of another fault that is `instead`."""

    def check(self, value: Any) -> None:
        """Raise ValueError for a value that the effect cannot use."""
        if value is None or self.numbers is None:
            return
        least, most = self.numbers
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise ValueError(
                f"the value of {self.name} is a number from {least} to {most}"
            )
