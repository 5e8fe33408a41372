"""Commands about this machine: `kapi ca`, `doctor`, `version`."""

from __future__ import annotations

import sys

from kapi import __version__
from kapi.errors import KapiError
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, put, say, show, with_place


def ca(data_dir: DataDir = None, config: Config = None) -> None:
    """Print the path of the development CA that signs the gateway's certificate.

    Examples:
      curl --cacert "$(kapi ca)" https://api.am.wso2.com:9095/health
    """
    path = settings_of(data_dir, config).data_dir / "tls" / "ca.pem"
    if not path.exists():
        raise KapiError(
            "not-running",
            f"there is no CA at {path} yet",
            hint="It is made at the first start: kapi up.",
        )
    put(str(path))
    say(
        f'For one command:  curl --cacert "{path}" …\n'
        "For this machine: kapi trust (with sudo for the system's store); kapi trust --remove\n"
        "Trust it on machines for development only."
    )


def doctor(
    output: Output = Format.TABLE, data_dir: DataDir = None, config: Config = None
) -> None:
    """Check this machine and the running platform; print repairs. Exit code 7 if a check fails.

    Examples:
      kapi doctor
    """
    from kapi.front.cli.doctor import examine

    findings = examine(settings_of(data_dir, config))
    rows = [
        {
            "check": item.check,
            "result": item.result,
            "detail": item.detail,
            "repair": with_place(item.repair),
        }
        for item in findings
    ]
    show({"checks": rows}, output, rows)
    if any(item.result == "fail" for item in findings):
        raise SystemExit(Exit.ENVIRONMENT)


def version(output: Output = Format.TABLE, config: Config = None) -> None:
    """Show the versions of kapi, Envoy and Python.

    Examples:
      kapi version
    """
    from kapi.front.cli.doctor import envoy_version

    rows = [
        {
            "kapi": __version__,
            "envoy": envoy_version(settings_of(None, config)),
            "python": ".".join(map(str, sys.version_info[:3])),
        }
    ]
    show(rows[0], output, rows)
