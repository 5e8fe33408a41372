"""Makes the console's pages from the templates of this folder, with a strict content policy.

No inline script or style, nothing from another host (Content Security Policy Level 3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response

from kapi.front.web.console.sessions import OPERATOR, Session
from kapi.identity.pages import ACCOUNT_PATH, SHUT

if TYPE_CHECKING:
    from jinja2 import Environment

STATIC_PATH: Final = "/console/static"
STATIC: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "uPlot.iife.min.js": "text/javascript; charset=utf-8",
    "uPlot.min.css": "text/css; charset=utf-8",
}
"""The files that pages load, and their types."""
_YEAR: Final = 365 * 24 * 3600


def page(
    template: str, *, provider: str = "", status: int = 200, **values: Any
) -> Response:
    """A page. `provider` is the origin that a form may redirect to."""
    known = {
        "static": static_link,
        "account": f"{provider}{ACCOUNT_PATH}",
        "pages_for": pages_for,
    }
    html = _templates().get_template(template).render(**known, **values)
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        f" connect-src 'self'; form-action 'self' {provider}".rstrip()
        + "; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        **dict(SHUT),
        "content-security-policy": policy,
        "cache-control": "no-store",
    }
    return Response(html, status, headers, "text/html; charset=utf-8")


def pages_for(session: Session) -> Iterator[tuple[str, str]]:
    """The pages in the navigation of a person: address and title."""
    for address, title, is_shown in _PAGES:
        if is_shown(session):
            yield address, title


def _anybody(session: Session) -> bool:  # noqa: ARG001 - as the other conditions
    return True


def _operator(session: Session) -> bool:
    return session.role == OPERATOR


def _of_platform(session: Session) -> bool:
    return session.of_platform


_PAGES: Final[tuple[tuple[str, str, Callable[[Session], bool]], ...]] = (
    ("/console/", "APIs", _anybody),
    ("/console/deploy", "Deploy", _operator),
    ("/console/calls", "Calls", _anybody),
    ("/console/audit", "Audit", _anybody),
    ("/console/token", "Token", _anybody),
    ("/console/sessions", "Sessions", _of_platform),
    ("/console/platform", "Platform", _anybody),
    ("/console/settings", "Settings", _of_platform),
)


async def static_file(request: Request) -> Response:
    """A style sheet or script of the console; its address contains its digest."""
    name = request.path_params["name"]
    if name not in STATIC:
        return Response(status_code=404)
    headers = {**dict(SHUT), "cache-control": f"public, max-age={_YEAR}, immutable"}
    return Response(content_of(name), 200, headers, STATIC[name])


@cache
def content_of(name: str) -> bytes:
    """The content of a file of `STATIC`."""
    return resources.files(__package__ or "").joinpath("static", name).read_bytes()


@cache
def static_link(name: str) -> str:
    """The address of a file, with its digest: browsers may cache it for long."""
    return f"{STATIC_PATH}/{name}?{hashlib.sha256(content_of(name)).hexdigest()[:16]}"


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("kapi.front.web.console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
