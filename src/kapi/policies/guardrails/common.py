"""What all guardrails share: their parameters, and the check of a JSON path."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from typing import Any, Final

from kapi.apis.conf.policy_part import ListedPolicy
from kapi.apis.conf.shapes import FLAG, Shape, Text
from kapi.apis.model.conf import Fields
from kapi.dataclass import dataclass

PATH_HINT: Final = (
    "Write names and numbers, such as $.messages[-1].content or $.items[*].text."
)
_PATH: Final = r"\$(\.[A-Za-z0-9_-]{1,64}|\.\*|\[(-?[0-9]{1,4}|\*)\]){1,16}"
PATH: Final = Text(2, 1024, pattern=_PATH, hint=PATH_HINT)
COMMON: Final[dict[str, Shape]] = {
    "name": Text(1, 64),
    "jsonPath": PATH,
    "showAssessment": FLAG,
}
DESCRIPTIONS: Final = {
    "name": "Name of the guardrail, which a refusal contains. The policy's name when left out.",
    "jsonPath": (
        "The part of a JSON body that is looked at: $, .name, [number], [-1] for the last, [*]."
        " Streams are looked at as a whole."
    ),
    "showAssessment": "true says in a refusal what was found. false when left out.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """One guardrail: its part of the conf, and what the module is told."""

    kind: str
    """In refusals, as WSO2 names it."""
    listed: ListedPolicy
    own: Callable[[Table[str, Any]], dict[str, Any]]
    """The settings of this guardrail alone, from its parameters."""

    def settings(self, given: Table[str, Any]) -> dict[str, Any]:
        """What the module is told besides name and kind."""
        common: dict[str, Any] = {"shows": given.get("showAssessment", False)}
        if "jsonPath" in given:
            common["path"] = given["jsonPath"]
        return common | self.own(given)


def plain(value: Any) -> Any:
    """A frozen value as maps and lists."""
    if isinstance(value, Fields):
        return {key: plain(item) for key, item in value.items}
    if isinstance(value, tuple):
        return list(map(plain, value))
    return value
