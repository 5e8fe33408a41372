"""The SQL of the tables in the words of PostgreSQL. Each statement is translated once.

Statements: `?` becomes `$1`, `$2`, … Migrations: the types, and ordering by bytes as in SQLite.
Functions of SQLite that the migrations and the tables use are made in the schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import Final

from kapi.store.engine.migrations import statements

LOCK: Final = 0x6B617069
"""The advisory lock of those who write, in this database."""
CHANNEL: Final = "kapi"
_WORDS: Final = {
    "INTEGER": "BIGINT",
    "BLOB": "BYTEA",
    "TEXT": 'TEXT COLLATE "C"',
    "VIRTUAL": "STORED",
}
_WORD: Final = re.compile(rf"\b({'|'.join(_WORDS)})\b")
_COMMENT: Final = re.compile(r"--.*")

FUNCTIONS: Final = (
    """
CREATE OR REPLACE FUNCTION json_valid(document text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN document::json IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END $$
""",
    """
CREATE OR REPLACE FUNCTION json_extract(document text, path text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN document::json #>> string_to_array(substr(path, 3), '.');
EXCEPTION WHEN OTHERS THEN
    RETURN NULL; -- a text with U+0000, which PostgreSQL cannot hold
END $$
""",
    """
CREATE OR REPLACE FUNCTION unixepoch() RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT extract(epoch FROM clock_timestamp())::bigint $$
""",
)


@lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """A statement with numbered parameters. No statement has a `?` in a text."""
    numbers = count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", sql)


def migrated(script: str) -> Iterator[str]:
    """The statements of a migration."""
    for statement in statements(_COMMENT.sub("", script)):
        yield _WORD.sub(lambda found: _WORDS[found[1]], statement)
