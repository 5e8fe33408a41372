"""One digest over the sources of a module, beside the built module: a test compares the two."""

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).parent


def digest(module: str = "admission") -> str:
    """SHA-256 over names and contents."""
    folder = HERE / module
    total = hashlib.sha256()
    for path in sorted(
        [
            *folder.glob("src/*.rs"),
            folder / "Cargo.toml",
            folder / "Cargo.lock",
            folder / "rust-toolchain.toml",
        ]
    ):
        total.update(
            path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0"
        )
    return total.hexdigest()


if __name__ == "__main__":
    print(digest(*sys.argv[1:]))
