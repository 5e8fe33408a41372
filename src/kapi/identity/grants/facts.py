"""What registration, discovery, the settings and the token endpoint ask about a grant. Each grant states all of it in its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kapi.settings import IdentitySettings


def always(identity: IdentitySettings) -> bool:  # noqa: ARG001 - the shape of `offered`
    """A grant that needs no switch in the settings."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """The facts of one grant. No fact has a default but the last two, so a new grant decides each."""

    grant_type: str
    """Its value of `grant_type`, and of `grant_types` in client metadata (RFC 7591 §2)."""
    public_clients: bool
    """A public client may use it. False where the client's own authentication is what is trusted."""
    registrable: bool
    """A client that is registered at run time may have it."""
    document_clients: bool
    """A client that publishes its own metadata may have it: people sign in to such a client, and it may be public."""
    fapi: bool
    """The FAPI 2.0 Security Profile allows it (§5.3.2.1)."""
    quick: bool
    """It only computes: the store is neither read nor written, so it may run in the event loop."""
    offered: Callable[[IdentitySettings], bool] = always
    """Whether the settings offer it."""
    token_request: bool = True
    """It has a request at the token endpoint."""
