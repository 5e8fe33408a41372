"""What follows a change: the list of the kind, or the page that shows a secret once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from starlette.responses import RedirectResponse, Response

from kapi.front.web.console.calling import Answered
from kapi.front.web.console.console import Visit
from kapi.front.web.console.editing.kinds import Kind

JSON: Final = "application/json"
_PLATFORM: Final = "/console/platform"
_SECRETS: Final = {
    "client_secret": ("The secret of the client", ("client_id", "client_secret")),
    "apiKey": ("The API key", ("id", "apiKey")),
}
"""Members of answers that are shown once: the title of the page, and what it shows."""


def done(visit: Visit, kind: Kind, answer: Answered | None = None) -> Response:
    """The list; or the secret that an answer contains, which is not shown again."""
    back = f"{_PLATFORM}#{kind.name}"
    if answer is not None and answer.headers.get("content-type", "").startswith(JSON):
        value = answer.value
        for title, shown in _secrets(value):
            return shown_once(visit, title, shown, back)
    return to(back)


def to(address: str) -> Response:
    """The way to another page."""
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})


def shown_once(
    visit: Visit, title: str, shown: tuple[tuple[str, str], ...], back: str
) -> Response:
    """The page of a secret."""
    return visit.page("secret.html", title=title, shown=shown, back=back)


def _secrets(value: Any) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    if not isinstance(value, Mapping):
        return
    for member, (title, names) in _SECRETS.items():
        if value.get(member):
            yield title, tuple((name, value[name]) for name in names if name in value)
