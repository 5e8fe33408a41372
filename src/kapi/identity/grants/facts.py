"""The facts of a grant, which registration, discovery, the settings and the token endpoint read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings import IdentitySettings


def always(identity: IdentitySettings) -> bool:  # noqa: ARG001 - the shape of `offered`
    """A grant that needs no switch in the settings."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """The facts of one grant. The last three have a default; a new grant decides the others."""

    grant_type: str
    """Its value of `grant_type`, and of `grant_types` in client metadata (RFC 7591 §2)."""
    public_clients: bool
    """A public client may use it. False for a grant that relies on the client's authentication."""
    registrable: bool
    """A client that is registered at run time may have it."""
    document_clients: bool
    """A client that publishes its own metadata may have it. Such a client may be public."""
    fapi: bool
    """The FAPI 2.0 Security Profile allows it (§5.3.2.1)."""
    quick: bool
    """It does not use the store, so that it may run in the event loop."""
    offered: Callable[[IdentitySettings], bool] = always
    """Whether the settings offer it."""
    token_request: bool = True
    """It has a request at the token endpoint."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Its own parameters of that request, and what each is, for the OpenAPI document."""
