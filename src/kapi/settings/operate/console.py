"""The section `console`: the pages for people who run the platform."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.addresses import check_host


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Pages for operators. They need the inbuilt provider: without it there are none."""

    enabled: bool = True
    host: str = field(default="console.am.wso2.com", metadata={"check": check_host})
    operator_groups: tuple[str, ...] = ("kapi-operators",)
    """Groups whose members see and change; so does an account with `super_admin`."""
    reader_groups: tuple[str, ...] = ("kapi-readers",)
    """Groups whose members see. A person in no group of both sees nothing."""
    session_lifetime: int = field(
        default=8 * 3600, metadata={"range": (60, 7 * 24 * 3600)}
    )
    """Seconds after which a person must sign in again."""
