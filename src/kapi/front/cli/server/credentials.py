"""What `kapi login` got for each context: a client with its secret, or tokens of a person.

In `credentials.json`, readable by its owner only. A lock lets one command at a time refresh.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from kapi.dataclass import dataclass
from kapi.front.cli.server.contexts import config_dir, read_file, write_file

_FILE = "credentials.json"


@dataclass(frozen=True, slots=True)
class Credential:
    """Of a client (with `secret` alone), or of a person (with tokens)."""

    client: str
    token_endpoint: str
    secret: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_at: int = 0
    """When the access token expires, in seconds since the epoch."""
    scopes: str = ""
    """Those of the access token, with spaces between."""

    @property
    def is_of_a_person(self) -> bool:
        """Whether a person signed in."""
        return bool(self.access_token)


def credential_of(context: str) -> Credential | None:
    """The credential of a context, if there is one."""
    found: Any = read_file(_FILE).get(context)
    if not isinstance(found, dict):
        return None
    try:
        return Credential(**found)
    except TypeError:
        return None


def keep(context: str, credential: Credential | None) -> None:
    """Keep the credential of a context; None removes it."""
    value = read_file(_FILE)
    value.pop(context, None)
    if credential is not None:
        value[context] = asdict(credential)
    write_file(_FILE, value)


@contextmanager
def locked() -> Iterator[None]:
    """While this command alone reads and replaces credentials."""
    folder = config_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "credentials.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
