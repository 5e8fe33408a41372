"""The form of the page: its fields and their limits, what it contains, what a person sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kapi.apis.collections.drafts import Draft
from kapi.dataclass import dataclass
from kapi.front.web.console.trying.outgoing import Filled
from kapi.front.web.http.multipart import Part

_MOST_VALUES: Final = 60
_VALUE_BYTES: Final = 4096
LIMITS: Final = {
    "operation": 2048,
    "address": 16,
    "access": 16,
    "client": 1024,
    "secret": 1024,
    "scope": 4096,
    "jwt": 32 * 1024,
    "headers": 16 * 1024,
    "content_type": 256,
    "body": 256 * 1024,
    **{f"value{number}": _VALUE_BYTES for number in range(_MOST_VALUES)},
}
"""The bytes that each field may have; `value…` are the parameters of the operation."""
CLIENT, PASTED, NONE = "client", "jwt", "none"
"""Where the access token is from."""
Form = Mapping[str, Part]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the form contains. Tokens and secrets are not repeated."""

    values: tuple[str, ...] = ()
    access: str = ""
    client: str = ""
    scope: str = ""
    headers: str = ""
    content_type: str = ""
    body: str = ""
    address: str = "production"


def example(draft: Draft, clients: tuple[str, ...]) -> Shown:
    """The form of an operation that nothing is filled in to yet."""
    values = []
    for item in draft.values[:_MOST_VALUES]:
        values.append(item.value if item.required else "")
    return Shown(
        values=tuple(values),
        access=NONE if draft.is_open else CLIENT,
        client=next(iter(clients), ""),
        scope=" ".join(draft.scopes),
        content_type=draft.content_type,
        body=draft.body,
    )


def given(form: Form, draft: Draft) -> Shown:
    """What a person sent, to be shown again. Raises Problem if a text is not UTF-8."""
    count = min(len(draft.values), _MOST_VALUES)
    access = text_of(form, "access")
    if access not in {CLIENT, PASTED}:
        access = NONE
    return Shown(
        values=tuple(text_of(form, f"value{number}") for number in range(count)),
        access=access,
        client=text_of(form, "client"),
        scope=" ".join(text_of(form, "scope").split()),
        headers=text_of(form, "headers"),
        content_type=text_of(form, "content_type"),
        body=_body(form).decode("utf-8", "replace"),
        address=text_of(form, "address") or "production",
    )


def filled(form: Form, shown: Shown) -> Filled:
    """What a person sent, for the request."""
    return Filled(shown.values, shown.headers, _body(form), shown.content_type)


def pasted_token(form: Form) -> str:
    """The pasted token, without the scheme and without line breaks."""
    text = text_of(form, "jwt")
    scheme, _, rest = text.partition(" ")
    if scheme.lower() == "bearer":
        text = rest
    return "".join(text.split())


def text_of(form: Form, name: str) -> str:
    """The text of a field. Raises Problem if it is not UTF-8."""
    return form.get(name, Part(b"")).text(name)


def _body(form: Form) -> bytes:
    return form.get("body", Part(b"")).content
