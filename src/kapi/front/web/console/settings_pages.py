"""The page of the settings that hold, each with its source; secrets are hidden."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from kapi.front.web.console.calling import refused
from kapi.front.web.console.console import PageRow, Visit
from kapi.settings import Settings
from kapi.settings.written.shown import DEFAULT, rows_of, source_of


class SettingsPages:
    """The page. It reads only: settings change in kapi.toml."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def rows(self) -> tuple[PageRow, ...]:
        """The route of this page."""
        return (("GET", "/settings", self.all),)

    async def all(self, visit: Visit) -> Response:
        """The settings by section. Raises Refused for people of other organizations."""
        if not visit.session.of_platform:
            raise refused("The settings are those of the whole platform.")
        changed = visit.request.query_params.get("changed", "")
        sections: dict[str, list[dict[str, Any]]] = {}
        for row in rows_of(self._settings):
            source = source_of(row["setting"], self._settings.sources)
            if changed and source == DEFAULT:
                continue
            section = row["setting"].partition(".")[0]
            shown = {**row, "value": _text(row["value"]), "source": source}
            sections.setdefault(section, []).append(shown)
        return visit.page("settings.html", sections=sections, changed=changed)


def _text(value: Any) -> str:
    """A value as kapi.toml writes it; empty texts stay empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
