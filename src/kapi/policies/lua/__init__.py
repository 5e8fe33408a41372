"""The Lua scripts that run inside Envoy, as texts.

Read once at import by the policies that need them; they are code, not input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent


def script(*names: str) -> str:
    """The named scripts of this folder as one chunk, in order."""
    return "\n".join((_FOLDER / f"{name}.lua").read_text("utf-8") for name in names)
