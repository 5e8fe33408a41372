"""The section `metrics`: where Prometheus reads them, and how many rows they may have."""

from __future__ import annotations

from dataclasses import field

from kapi.dataclass import dataclass
from kapi.settings.addresses import is_address
from kapi.settings.checks import check_text


def is_place(value: str) -> bool:
    """Whether a listener can be there: `ADDRESS:PORT`, or the absolute path of a Unix socket."""
    if value.startswith("/"):
        return len(value.encode()) < 100
    host, port = address_and_port(value)
    return is_address(host) and 0 < port < 65536


def address_and_port(value: str) -> tuple[str, int]:
    """The parts of `ADDRESS:PORT` or `[ADDRESS]:PORT`; the port is 0 if there is none."""
    host, _, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if (":" in bare) != (host != bare) or not port.isascii() or not port.isdigit():
        return value, 0
    return bare, int(port[:6])


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """The section `metrics`: figures for Prometheus."""

    listen: str = field(
        default="",
        metadata={
            "check": check_text(
                lambda value: not value or is_place(value),
                "{} is neither an address with a port nor the path of a socket",
                "Write 127.0.0.1:9464, or /run/kapi/metrics.sock.",
            )
        },
    )
    """`ADDRESS:PORT` or the absolute path of a Unix socket, without a token; empty means none."""
    max_series: int = field(default=5000, metadata={"range": (100, 1_000_000)})
    """Rows of one metric of calls; further APIs and operations are counted under `other`."""
