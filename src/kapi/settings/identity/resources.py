"""The part `identity.resources`: services that tokens are for (RFC 8707), and their tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field

from kapi.addresses import url_parts
from kapi.dataclass import dataclass
from kapi.settings.checks import Mistake
from kapi.settings.words import ACCESS_TOKEN_FORMATS, SIGNING_ALGORITHMS

LONGEST = 2048
"""Characters of a resource indicator."""
_FORM = re.compile(rf'[^\x00-\x20\x7f-\U0010ffff#"\\]{{1,{LONGEST}}}')


@dataclass(frozen=True, slots=True)
class ResourceSettings:
    """One service. What is left out comes from the client, then from the provider."""

    resource: str = field(metadata={"key": True, "needed": True})
    """Its resource indicator: exactly `resource` of requests and `aud` of tokens."""
    access_token_format: str = field(
        default="", metadata={"choices": ("", *ACCESS_TOKEN_FORMATS)}
    )
    access_token_signing_alg: str = field(
        default="", metadata={"choices": ("", *SIGNING_ALGORITHMS)}
    )
    token_lifetime: int = field(default=0, metadata={"range": (0, 365 * 24 * 3600)})
    """Most seconds that access tokens for it are valid; 0 sets no limit of its own."""


def resource_mistakes(resources: Iterable[ResourceSettings]) -> Iterator[Mistake]:
    """A mistake for each resource indicator that is malformed."""
    for item in resources:
        if not is_resource(item.resource):
            what = "must be an absolute URI without a fragment (RFC 8707 2)"
            yield Mistake(f"{item.resource[:200]!r} {what}")


def is_resource(text: str) -> bool:
    """Whether it is a resource indicator: an absolute URI without a fragment (RFC 8707 §2)."""
    parts = url_parts(text)
    if not parts.scheme or not (parts.netloc or parts.path):
        return False
    return bool(_FORM.fullmatch(text))
