"""What a person typed into the sign-in form, without the password, for the form after a mistake.

It is encrypted in the link, so that no log or history contains a name, and valid in the same
browser only.
"""

from __future__ import annotations

from collections.abc import Mapping

from kapi.identity.people.sessions import BROWSER
from kapi.identity.protocol.forms import Form
from kapi.identity.protocol.http import Request
from kapi.identity.protocol.sealed import Seal
from kapi.store.records import key_of

LONGEST_NAME = 255
_NAMES = ("username", "organization")


def keep_typed(seal: Seal, request: Request, form: Form) -> str:
    """The query parameter that contains it, with its `&`."""
    typed = {name: (form.get(name) or "")[:LONGEST_NAME] for name in _NAMES}
    typed["browser"] = key_of(request.cookies.get(BROWSER, ""))
    return f"&typed={seal.close(typed)}"


def typed_before(seal: Seal, request: Request, query: Form) -> Mapping[str, str]:
    """What was typed in this browser; empty without it."""
    sealed = query.get("typed")
    if not sealed:
        return {}
    held = seal.open(sealed)
    if held is None or held["browser"] != key_of(request.cookies.get(BROWSER, "")):
        return {}
    return {name: held[name] for name in _NAMES}
