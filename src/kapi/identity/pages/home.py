"""The page at `/` of a host: its purpose and its links. It names no API and no account.

The provider serves its own, the control process those of the other hosts
(`front/web/system/home.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from kapi.identity.pages import style
from kapi.identity.pages.reference import marked, one_file_page
from kapi.identity.protocol.http import Headers


def home_page(
    title: str,
    texts: Sequence[str],
    links: Sequence[tuple[str, str]] = (),
    note: str = "",
) -> tuple[Headers, bytes]:
    """Headers and body. `links` are pairs of text and path; `note` is shown first."""
    headers, body = one_file_page(
        "home.html",
        style().decode("utf-8"),
        title=title,
        texts=texts,
        links=links,
        note=note,
        marked=marked,
    )
    # Programs that ask for JSON get another answer.
    return (*headers, ("vary", "accept"), ("cache-control", "no-cache")), body
