"""The address of a caller, from the headers of its request."""

from __future__ import annotations

from collections.abc import Iterable


def address_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The last entry of X-Forwarded-For, which the gateway adds; empty without one."""
    found = [value for name, value in headers if name == b"x-forwarded-for"]
    if not found:
        return ""
    return found[-1].rpartition(b",")[2].strip().decode("latin-1")
