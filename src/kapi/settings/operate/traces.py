"""The section `traces`: where spans go (OpenTelemetry, OTLP), and of how many calls."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.addresses import is_service_url
from kapi.settings.checks import check_text

HTTP, GRPC = "http/protobuf", "grpc"
"""Protocols of OTLP, in OpenTelemetry's words."""


@dataclass(frozen=True, slots=True)
class TracesSettings:
    """The section `traces`: traces of calls."""

    endpoint: str = field(
        default="",
        metadata={
            "check": check_text(
                lambda value: not value or is_service_url(value),
                "must be an http or https URL without user name and query",
                "Write http://127.0.0.1:4318, or http://127.0.0.1:4317 with protocol = grpc.",
            )
        },
    )
    """URL of a collector; empty means that no span is made."""
    protocol: str = field(default=HTTP, metadata={"choices": (HTTP, GRPC)})
    sample_percent: int = field(default=100, metadata={"range": (0, 100)})
    """Share of the calls that are traced, if the caller did not decide it (`traceparent`)."""
