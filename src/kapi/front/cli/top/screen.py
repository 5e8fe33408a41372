"""The figures as lines of text, cut to the size of a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kapi.front.cli.tables import printable

_WIDEST: Final = 400
_MEGABYTE: Final = 1024 * 1024
_NO_LOG: Final = (
    "no figures of calls: gateway.access_log is off, or the gateway was just started"
)


def lines(figures: Mapping[str, Any], place: str, columns: int, rows: int) -> list[str]:
    """The screen: at most `rows` lines, each with at most `columns` characters."""
    made = [*_summary(figures, place), ""]
    tables = (
        ("API", _apis(figures["apis"])),
        ("REFUSED", _refusals(figures["refusals"])),
        ("PROCESS", _processes(figures["processes"])),
    )
    left = [table for _, table in tables if table]
    for number, table in enumerate(left):
        # The first tables leave room for the heads of those that follow.
        room = rows - len(made) - 3 * (len(left) - number - 1)
        made += [*table[: max(room, 2)], ""]
    if not figures["counted"]:
        made.append(_NO_LOG)
    return [printable(line)[: min(columns, _WIDEST)].rstrip() for line in made[:rows]]


def _summary(figures: Mapping[str, Any], place: str) -> list[str]:
    requests = figures["requests"]
    rates = {
        "requests": requests["perSecond"],
        "refused": requests["refusedPerSecond"],
        "failed": requests["failedPerSecond"],
        "tokens": figures["tokensPerSecond"],
    }
    times = {name: _ms(requests[name]) for name in ("p50", "p95", "p99")}
    counts = {
        "connections": figures["connections"],
        "in progress": figures["activeRequests"],
    }
    return [
        f"kapi top   {place}   over {figures['seconds']:.1f} s",
        _spaced(f"{name} {rate:.1f}/s" for name, rate in rates.items()),
        f"latency {_spaced(f'{name} {value}' for name, value in {**times, **counts}.items())}",
    ]


def _spaced(parts: Iterable[str]) -> str:
    return "   ".join(parts)


def _apis(items: Iterable[Mapping[str, Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = [
        ("REQUESTS/S", "REFUSED/S", "FAILED/S", "P50", "P95", "API"),
    ]
    for item in items:
        name = "(no API)"
        if item["api"]:
            name = f"{item['api']} {item['version']} ({item['organization']})"
        rates = (item["perSecond"], item["refusedPerSecond"], item["failedPerSecond"])
        shown = [f"{rate:.1f}" for rate in rates]
        rows.append((*shown, _ms(item["p50"]), _ms(item["p95"]), name))
    return _table(rows)


def _refusals(items: Iterable[Mapping[str, Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = [("REFUSED/S", "CODE", "REASON")]
    for item in items:
        rows.append((f"{item['perSecond']:.1f}", item["code"] or "-", item["reason"]))
    return _table(rows)


def _processes(items: Iterable[Mapping[str, Any]]) -> list[str]:
    rows: list[tuple[str, ...]] = [("CPU", "MEMORY", "PROCESS")]
    for item in items:
        memory = f"{item['memoryBytes'] / _MEGABYTE:.0f} MiB"
        rows.append((f"{item['cpuPercent']:.0f} %", memory, item["process"]))
    return _table(rows)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Columns, all but the last to the right; nothing for a head alone."""
    if len(rows) == 1:
        return []
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    made = []
    for row in rows:
        cells = [
            cell.rjust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)
        ]
        made.append("  ".join((*cells, row[-1])))
    return made


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} ms"
