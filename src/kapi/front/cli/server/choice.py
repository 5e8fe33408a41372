"""Which platform the commands of this process call.

First `--server`, then `--data-dir` or `--config`, then the variable KAPI_SERVER, then the variables
KAPI_DATA_DIR and KAPI_CONFIG, then the current context, then the platform of this machine.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kapi.errors import KapiError
from kapi.front.cli.server.contexts import Context, checked, read_contexts
from kapi.front.cli.server.local import LocalServer
from kapi.front.cli.server.remote import RemoteServer

if TYPE_CHECKING:
    from kapi.front.cli.server.base import Server
    from kapi.settings import Settings

VARIABLE = "KAPI_SERVER"
_LOCAL = ("KAPI_DATA_DIR", "KAPI_CONFIG")
_chosen = {"server": "", "local": ""}


def use_server(name: str) -> None:
    """Call this platform: the name of a context, or a URL."""
    _chosen["server"] = name


def use_local() -> None:
    """Call the platform of this machine, unless `--server` names another."""
    _chosen["local"] = "yes"


def remote() -> RemoteServer | None:
    """The chosen platform behind a URL; None: that of this machine. Raises KapiError."""
    name = _chosen["server"]
    if not name and _chosen["local"]:
        return None
    name = name or os.environ.get(VARIABLE, "")
    if "://" in name:
        return RemoteServer(name.rstrip("/"), checked(Context(name)))
    if not name and any(map(os.environ.get, _LOCAL)):
        return None
    contexts = read_contexts()
    name = name or contexts.current
    if not name:
        return None
    if name not in contexts.named:
        raise KapiError(
            "context",
            f"there is no context {name!r}",
            hint="See `kapi context list`, or give the URL: --server https://api.example.com:9095.",
        )
    return RemoteServer(name, checked(contexts.named[name]))


def server_of(settings: Settings) -> Server:
    """The chosen platform; `settings` are those of this machine."""
    return remote() or LocalServer(settings)
