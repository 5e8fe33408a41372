"""Prints the entries of a log: the newest ones, and with `--follow` each new one until Ctrl-C."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from kapi.dataclass import dataclass
from kapi.front.cli.client import Client
from kapi.front.cli.output import Format, put, say, show

_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Log:
    """A log of the platform. `member` of its answer has the entries, oldest first."""

    path: str
    scope: str
    member: str
    entry: str
    """What one entry is called."""
    line: Callable[[dict[str, Any]], str]
    """An entry in one line."""

    def print(
        self, client: Client, wanted: Mapping[str, Any], output: Format, *, follow: bool
    ) -> None:
        """Print the entries that are wanted. Empty members of `wanted` are left out."""
        query = {name: value for name, value in wanted.items() if value}
        found = self._entries(client, query)
        if output is not Format.TABLE and not follow:
            show(found[self.member], output)
            return
        if not follow and not found[self.member]:
            say(f"no {self.entry} was found")
        form = self.line if output is Format.TABLE else json.dumps
        while True:
            for item in found[self.member]:
                put(form(item))
            if not follow:
                return
            time.sleep(_SECONDS)
            query["after"] = found["next"]
            found = self._entries(client, query)

    def _entries(self, client: Client, query: Mapping[str, Any]) -> dict[str, Any]:
        return client.call("GET", f"{self.path}?{urlencode(query)}", scope=self.scope)
