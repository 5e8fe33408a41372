"""Resources for Kubernetes of a conf, as a zip (APK's generate-k8s-resources). Needs no token.

The answer holds no value of a secret: only what the caller has sent, and public addresses.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kapi.front.web.http.access import Row, versioned
from kapi.front.web.http.conf_form import conf_and_definition
from kapi.front.web.http.lanes import Lane
from kapi.settings import ApisSettings


class KubernetesResources:
    """The one endpoint, bound to the export."""

    def __init__(
        self,
        settings: ApisSettings,
        lane: Lane,
        export: Callable[[bytes, bytes, str], tuple[str, bytes]],
    ) -> None:
        """`export`: conf, definition and organization to the name of a file and a zip."""
        self._settings = settings
        self._lane = lane
        self._export = export

    def routes(self) -> list[Route]:
        """The route of the export."""
        table: tuple[Row, ...] = (
            (
                "POST",
                "/api/configurator",
                "/apis/generate-k8s-resources",
                self.generate,
            ),
        )
        return versioned(table)

    async def generate(self, request: Request) -> Response:
        """The parts of a deployment; `organization` is that of the settings when left out."""
        conf, definition = await conf_and_definition(
            request, self._settings, ("apiType",)
        )
        organization = (
            request.query_params.get("organization") or self._settings.organization
        )
        name, content = await self._lane.run(
            request, self._export, conf, definition, organization
        )
        safe = "".join(
            char if char.isalnum() or char in "._-" else "_" for char in name
        )
        headers = {"content-disposition": f'attachment; filename="{safe}"'}
        return Response(content, 200, headers, "application/zip")
