"""The step that explains refusals: JSON errors get the clause and the likely mistake.

Two members are added, `clause` and `likely_mistake`; a client must ignore members that it does not
know (RFC 6749 §5.1). In a redirect they are at the end of `error_description`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from kapi.testing.explain.reasons import Reason, reason_for
from kapi.testing.http.calls import Call, Onward, Reply

_RFC = "https://www.rfc-editor.org/rfc/"


class Explaining:
    """Adds explanations to the errors of a provider."""

    async def __call__(self, call: Call, onward: Onward) -> Reply:
        """Explain the reply, if it is an error."""
        reply = await onward(call)
        if "error=" in reply.header("location"):
            return _redirect(reply)
        if reply.status < 400 or reply.members is None:
            return reply
        reason = _reason(reply.members)
        if reason is None:
            return reply
        return reply.with_members(
            {**reply.members, **explained(reason, _difference(call))}
        )


def _reason(members: dict[str, object]) -> Reason | None:
    return reason_for(
        str(members.get("error", "")), str(members.get("error_description", ""))
    )


def explained(reason: Reason, more: str = "") -> dict[str, str]:
    """The members of an explanation, with a link to the RFC where there is one."""
    made = {
        "clause": reason.clause,
        "likely_mistake": f"{reason.mistake} {more}".strip(),
    }
    if reason.clause.startswith("RFC "):
        number, _, rest = reason.clause.removeprefix("RFC ").partition(" §")
        section = rest.partition(",")[0]
        place = f"#section-{section}" if section else ""
        made["error_uri"] = f"{_RFC}rfc{number.split()[0]}{place}"
    return made


def _difference(call: Call) -> str:
    """What is peculiar about the request itself."""
    if call.basic and " " in call.basic[1]:
        return "(The decoded secret has a blank: was a + not encoded as %2B?)"
    return ""


def _redirect(reply: Reply) -> Reply:
    location = reply.header("location")
    parts = urlsplit(location)
    members = dict(parse_qsl(parts.query or parts.fragment))
    reason = _reason(dict(members))
    if reason is None:
        return reply
    before = members.get("error_description", "").rstrip(".")
    # RFC 6749 §4.1.2.1: no quotation mark, backslash or characters outside of ASCII.
    text = f"{before}. {reason.mistake} ({reason.clause.replace('§', '')})".lstrip(". ")
    members["error_description"] = (
        text.replace('"', "'").encode("ascii", "ignore").decode()
    )
    where = "fragment"
    if parts.query:
        where = "query"
    changed = parts._replace(**{where: urlencode(members)})
    return reply.with_header("location", urlunsplit(changed))
