"""`kapi trust`: let the system and browsers of this machine trust the development CA."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kapi.errors import KapiError
from kapi.front.cli.options import Config, DataDir, Output, settings_of
from kapi.front.cli.output import Exit, Format, say, show

Remove = Annotated[
    bool, typer.Option("--remove", help="Take it out of the stores again.")
]


def trust(
    remove: Remove = False,
    output: Output = Format.TABLE,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Put the development CA into the stores of the system and of browsers.

    Exit code 7 if a store could not be changed.

    Examples:
      kapi trust
      kapi trust --remove
    """
    from kapi.front.cli.running.trusting import Machine
    from kapi.front.cli.running.trusting import trust as change

    certificate = settings_of(data_dir, config).data_dir / "tls" / "ca.pem"
    if not certificate.exists():
        raise KapiError(
            "not-running",
            f"there is no CA at {certificate} yet",
            hint="It is made at the first start: kapi up.",
        )
    rows = [asdict(item) for item in change(certificate, Machine(), remove=remove)]
    show({"stores": rows}, output, rows)
    if any(row["result"] == "failed" for row in rows):
        raise SystemExit(Exit.ENVIRONMENT)
    if not remove:
        say(
            f"Its key is {certificate.with_name('ca.key')}: keep it private. Restart browsers."
        )
