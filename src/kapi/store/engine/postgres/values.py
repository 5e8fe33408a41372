"""Values in the words of PostgreSQL.

Texts with U+0000: SQLite stores them, PostgreSQL cannot. They are written with an escape.

U+E000, a private character, is the escape: `U+E000 0` is U+0000, `U+E000 1` is U+E000 itself.
"""

from __future__ import annotations

from typing import Any

from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.types.string import StrDumperUnknown

_ESCAPE = "\ue000"
_ESCAPE_BYTES = _ESCAPE.encode()


def escaped(text: str) -> str:
    """The text without U+0000."""
    return text.replace(_ESCAPE, f"{_ESCAPE}1").replace("\0", f"{_ESCAPE}0")


def unescaped(text: str) -> str:
    """The inverse of `escaped`."""
    return text.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE)


class TextDumper(StrDumperUnknown):
    """Writes texts."""

    def dump(self, obj: str) -> Buffer | None:
        """The text in UTF-8."""
        return super().dump(escaped(obj) if "\0" in obj or _ESCAPE in obj else obj)


class BoolDumper(Dumper):
    """Writes booleans as the numbers 0 and 1, as SQLite does."""

    def dump(self, obj: bool) -> Buffer | None:  # noqa: FBT001 - psycopg's signature
        """Write the number as text."""
        if obj:
            return b"1"
        return b"0"


class TextLoader(Loader):
    """Reads texts."""

    def load(self, data: Buffer) -> str:
        """The text of its UTF-8."""
        content = bytes(data)
        text = content.decode()
        if _ESCAPE_BYTES in content:
            return unescaped(text)
        return text


def register(adapters: Any) -> None:
    """Use them on a connection."""
    adapters.register_dumper(str, TextDumper)
    adapters.register_dumper(bool, BoolDumper)
    adapters.register_loader("text", TextLoader)
