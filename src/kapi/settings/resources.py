"""Settings of services that tokens are for (RFC 8707): which access tokens each of them takes. A part of `settings.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kapi.settings.words import ACCESS_TOKEN_FORMATS, SIGNING_ALGORITHMS

LONGEST = 2048
"""Characters of a resource indicator."""


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """One service, by its resource indicator. What is left out is the client's, then the provider's."""

    resource: str = field(metadata={"key": True, "needed": True})
    """Its resource indicator, compared letter by letter with `resource` of requests and `aud` of tokens."""
    access_token_format: str = field(default="", metadata={"choices": ("", *ACCESS_TOKEN_FORMATS)})
    access_token_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    token_lifetime: int = field(default=0, metadata={"range": (0, 365 * 24 * 3600)})
    """Most seconds that access tokens for it are valid; 0 sets no limit of its own."""


def resource_mistakes(resources: Iterable[ResourceSettings]) -> Iterator[str]:
    """Each thing that is wrong with them, in words."""
    for item in resources:
        if not is_resource(item.resource):
            yield f"{item.resource[:200]!r} must be an absolute URI without a fragment (RFC 8707 2)"


def is_resource(text: str) -> bool:
    """Whether a text can be a resource indicator: an absolute URI without a fragment (RFC 8707 §2)."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return (
        bool(parts.scheme and (parts.netloc or parts.path))
        and "#" not in text
        and len(text) <= LONGEST
        and text.isascii()
        and text.isprintable()
        and not {" ", '"', "\\"} & set(text)
    )
