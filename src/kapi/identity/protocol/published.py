"""What the provider publishes about itself: the input of its documents. Made by `Provider`."""

from __future__ import annotations

from kapi.dataclass import dataclass
from kapi.settings.identity import IdentitySettings


@dataclass(frozen=True, slots=True)
class Published:
    """What endpoints state their paths and their members of the discovery document by."""

    identity: IdentitySettings
    issuer: str
    base_url: str
    """The URL of the provider's root, without a slash at the end."""
    algorithms: tuple[str, ...]
    """What the provider can sign with."""
