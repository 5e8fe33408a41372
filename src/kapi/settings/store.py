"""The section `store`: the database, if it is not the file in the data directory."""

from __future__ import annotations

import re
from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.checks import check_text

_USER = r"[^\s/?#@\[\]]*@"
_URL = re.compile(
    rf"(?:postgresql://(?=\S)(?:{_USER})?[^\s/?#@]*(?:/[^\s?#@]*)?(?:\?[^\s#@]*)?)?"
)
"""A password with other characters would be read as another part of the URL, and shown."""
_PASSWORD = re.compile(r"(//[^/?#@:]*):.*@", re.DOTALL)
_PARAMETER = re.compile(r"([?&](?:password|sslpassword)=)[^&]*")


def without_password(url: str) -> str:
    """A URL of a database that may be shown."""
    return _PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", url))


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The section `store`: the database."""

    database: str = field(
        default="",
        repr=False,
        metadata={
            "check": check_text(
                _URL.fullmatch,
                "must be a postgresql:// URL, or empty for the file in the data directory",
                "Write postgresql://USER@HOST:PORT/DATABASE."
                " In a password, percent-encode / ? # @ [ ].",
            ),
            "shown": without_password,
        },
    )
    """`postgresql://USER@HOST:PORT/DATABASE`; empty means SQLite, in the data directory."""
