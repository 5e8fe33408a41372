"""What a person typed into the sign-in form, for the form that is shown again after a mistake; never the password.

It travels sealed in the link, so that no name stands in a log or a history in clear, and counts in the same browser only.
"""

from __future__ import annotations

from collections.abc import Mapping

from kapi.identity.people.sessions import BROWSER
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Request
from kapi.identity.provider import Provider
from kapi.store.records import key_of

LONGEST_NAME = 255
_NAMES = ("username", "organization")


def keep_typed(provider: Provider, request: Request, form: Form) -> str:
    """The query parameter that brings it back, with its `&`."""
    typed = {name: (form.get(name) or "")[:LONGEST_NAME] for name in _NAMES}
    return f"&typed={provider.typed_seal.close({**typed, 'browser': key_of(request.cookies.get(BROWSER, ''))})}"


def typed_before(provider: Provider, request: Request, query: Form) -> Mapping[str, str]:
    """What was typed in this browser; empty when nothing was."""
    sealed = query.get("typed")
    held = provider.typed_seal.open(sealed) if sealed else None
    if held is None or held["browser"] != key_of(request.cookies.get(BROWSER, "")):
        return {}
    return {name: held[name] for name in _NAMES}
