"""The section `apis`: limits and defaults of the system APIs."""

from __future__ import annotations

from dataclasses import field

from kapi.addresses import is_label
from kapi.dataclass import dataclass
from kapi.settings.checks import check_text


@dataclass(frozen=True, slots=True)
class ApisSettings:
    """Limits and defaults of the system APIs."""

    organization: str = field(
        default="default",
        metadata={
            "check": check_text(
                is_label,
                "{} must be a lower-case DNS label: it becomes part of a host name",
            )
        },
    )
    """Owner of an API when the token carries no organization."""
    max_conf_bytes: int = field(
        default=1024 * 1024, metadata={"range": (1024, 1024**3)}
    )
    max_definition_bytes: int = field(
        default=16 * 1024 * 1024, metadata={"range": (1024, 1024**3)}
    )
    fetch_timeout: int = field(default=10, metadata={"range": (1, 600)})
    """Seconds a definition URL may take."""
    notification_key: str = field(default="", repr=False, metadata={"secret": True})
    """What callers of the notification API send as `stsAuthKey`; empty turns that API off."""
    workers: int = field(default=0, metadata={"range": (0, 256)})
    """Documents that are read at the same time, of each kind (generate, deploy).

    0 means half the processors, at least two.
    """
    work_seconds: int = field(default=30, metadata={"range": (1, 3600)})
    """Seconds that reading one document may take."""
    work_bytes: int = field(
        default=512 * 1024**2, metadata={"range": (64 * 1024**2, 1024**4)}
    )
    """Memory that reading one document may take."""
    fetch_private_networks: bool = False
    """Fetch definitions from private addresses even when listening on the network."""
